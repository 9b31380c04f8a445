using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.X86.Cpuid;
using Strata.X86.Translator;
using Strata.X86.Translator.Keeping;

namespace Strata.Machines.Engines;

/// <summary>The machine that an engine is to execute.</summary>
public sealed record EngineSetup
{
    /// <summary>Guest-physical memory; RAM has been mapped.</summary>
    public required AddressSpace Memory { get; init; }

    /// <summary>The machine's RAM; null for a machine that has none of its own.</summary>
    public GuestMemory? Ram { get; init; }

    /// <summary>What the guest is told of its processors: the engine has to run all of it.</summary>
    public required CpuidPolicy Policy { get; init; }

    /// <summary>How the translator works.</summary>
    public TranslatorOptions Translation { get; init; } = new();

    /// <summary>
    /// Opens the code that was kept of this machine's RAM, given the identity of the engine that would take it over; null for a machine
    /// that has none, and where it returns null.
    /// </summary>
    public Func<ReadOnlyMemory<byte>, KeptPages?>? OpenKeptCode { get; init; }

    /// <summary>Use an engine even if it is found to execute something wrongly on this host.</summary>
    public bool AcceptsDefects { get; init; }
}
