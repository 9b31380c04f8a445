using Strata.X86.Cpuid;

namespace Strata.Machines.Engines;

/// <summary>A way of executing guest code: what it is called, what it needs, and how a machine gets it. Immutable; any thread.</summary>
public sealed class EngineDescriptor
{
    /// <summary>As users write it: lower case.</summary>
    public required string Name { get; init; }

    /// <summary>What it is, a sentence for people.</summary>
    public required string Description { get; init; }

    /// <summary>What a host must have for it, as the end of a sentence that begins with "needs".</summary>
    public required string Needs { get; init; }

    /// <summary>
    /// Why this host cannot run it: a sentence with cause and remedy, or null. Found without running code, in microseconds.
    /// </summary>
    public required Func<string?> FindObstacle { get; init; }

    /// <summary>
    /// What it does wrong on this host, or null: found by running code, in milliseconds. Such an engine is not chosen.
    /// Throws <see cref="EngineUnavailableException"/>.
    /// </summary>
    public Func<string?> FindDefect { get; init; } = () => null;

    /// <summary>
    /// Whether it looks, before it goes on with user code, whether that is held back: see <see cref="Strata.X86.Execution.UserCodeHold"/>.
    /// </summary>
    public bool HoldsUserCode { get; init; }

    /// <summary>
    /// Whether the machine's RAM must be a file that other processes can map (<see cref="Core.Memory.MemoryForm.Shared"/>).
    /// </summary>
    public bool NeedsSharedMemory { get; init; }

    /// <summary>Whether <c>auto</c> may choose it; it has to be asked for by name otherwise.</summary>
    public bool IsChosenByAuto { get; init; } = true;

    /// <summary>How fast it is on a usual host; null where that cannot be said without a measurement.</summary>
    public EngineSpeed? TypicalSpeed { get; init; }

    /// <summary>
    /// Narrows what a guest is offered to what this engine can run here. Throws <see cref="EngineUnavailableException"/>.
    /// </summary>
    public Func<CpuidPolicy, ProcessorOffer> Narrow { get; init; } = policy => new ProcessorOffer(policy);

    /// <summary>Makes the engine's side of one machine. Throws <see cref="EngineUnavailableException"/>.</summary>
    public required Func<EngineSetup, IMachineEngine> Create { get; init; }

    public override string ToString() => Name;
}

/// <summary>What a guest is told of its processors.</summary>
/// <param name="TscOrigin">What time-stamp counters show at the start, in ticks.</param>
public sealed record ProcessorOffer(CpuidPolicy Policy, ulong TscOrigin = 0);

/// <summary>How fast an engine is.</summary>
/// <param name="KernelMips">A loop with a load and a store in kernel mode: million instructions a second.</param>
/// <param name="UserMips">The same in user mode.</param>
/// <param name="ExitMicroseconds">One write to an I/O port.</param>
/// <param name="FaultMicroseconds">One page fault in user mode with a handler that returns at once.</param>
public sealed record EngineSpeed(double KernelMips, double UserMips, double ExitMicroseconds, double FaultMicroseconds);
