using Strata.Machines.Boards;

namespace Strata.Verification;

/// <summary>The outcome of a verification.</summary>
/// <param name="Instructions">Executed on each machine.</param>
/// <param name="Comparisons">Of registers, all of them.</param>
/// <param name="AdoptedFlags">How often the machines differed in flags that the manual leaves undefined; they were made the same.</param>
/// <param name="Exit">How the guest ended; null where the run was ended by a limit or because the guest waits for ever.</param>
/// <param name="Divergence">The first difference, or null.</param>
public sealed record VerificationResult(long Instructions, long Comparisons, long AdoptedFlags, MachineExit? Exit, Divergence? Divergence);

/// <summary>The first point at which two engines differ.</summary>
public sealed record Divergence
{
    /// <summary>Instructions executed when both machines were last known to be the same.</summary>
    public required long Before { get; init; }

    /// <summary>Instructions executed when they differed. One more than <see cref="Before"/> if the instruction is known.</summary>
    public required long After { get; init; }

    /// <summary>The processor that executed them.</summary>
    public required int Processor { get; init; }

    /// <summary>The one instruction is known: it gives other results from the same state.</summary>
    public bool IsExact => After == Before + 1;

    /// <summary>Registers that differ.</summary>
    public required IReadOnlyList<RegisterDifference> Registers { get; init; }

    /// <summary>What else differs, a sentence each: memory, console output, how a processor stopped.</summary>
    public required IReadOnlyList<string> Others { get; init; }

    /// <summary>All registers before.</summary>
    public required IReadOnlyList<RegisterValue> State { get; init; }

    /// <summary>The code from the last common point on: address, bytes, instruction. The one in question is marked with an arrow.</summary>
    public required IReadOnlyList<string> Code { get; init; }
}

/// <summary>A register and its value.</summary>
public readonly record struct RegisterValue(string Name, ulong Value);

/// <summary>A register that two engines do not agree on.</summary>
/// <param name="Before">Its value before the code in question.</param>
/// <param name="Expected">The reference's.</param>
/// <param name="Actual">That of the engine under test.</param>
public readonly record struct RegisterDifference(string Name, ulong Before, ulong Expected, ulong Actual);
