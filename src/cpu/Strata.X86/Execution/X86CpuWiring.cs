using Strata.Core.Bus;
using Strata.Core.Time;
using Strata.X86.Apic;
using Strata.X86.Cpuid;

namespace Strata.X86.Execution;

/// <summary>What a board gives a processor.</summary>
public sealed class X86CpuWiring
{
    /// <summary>Zero-based index in the machine; also the initial APIC ID.</summary>
    public required int Index { get; init; }

    public required AddressSpace Memory { get; init; }

    public required PortSpace Ports { get; init; }

    public required IVirtualClock Clock { get; init; }

    /// <summary>Null for a processor without interrupts, as tests use it.</summary>
    public ILocalApic? LocalApic { get; init; }

    public CpuidPolicy Cpuid { get; init; } = new();

    /// <summary>What guests that know they are in a machine find of the monitor. Null for a processor that looks like hardware.</summary>
    public IHypercallInterface? Hypercalls { get; init; }

    /// <summary>
    /// Called before each interrupt: leads to <see cref="X86Cpu.PostStoodStill"/> if the host has just left the machine alone. Or null.
    /// </summary>
    public Action? LookForStandstill { get; init; }

    /// <summary>FERR#: raised by an unmasked x87 exception when CR0.NE is clear.</summary>
    public Action? X87Error { get; init; }

    /// <summary>Source of RDRAND and RDSEED, 64 bits a call.</summary>
    public Func<ulong> Random { get; init; } = HostRandom;

    /// <summary>64 bits of the host's random source.</summary>
    public static ulong HostRandom()
    {
        Span<byte> bytes = stackalloc byte[8];
#pragma warning disable RS0030 // this is the place that the host's randomness comes in by
        System.Security.Cryptography.RandomNumberGenerator.Fill(bytes);
#pragma warning restore RS0030
        return BitConverter.ToUInt64(bytes);
    }
}
