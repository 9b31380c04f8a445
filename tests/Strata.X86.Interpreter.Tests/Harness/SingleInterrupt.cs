using Strata.Core.Bus;
using Strata.X86.Apic;
using Strata.X86.Paravirt;

namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>A local APIC that holds at most one vector and gives it away once.</summary>
public sealed class SingleInterrupt : ILocalApic
{
    public byte? Vector { get; set; }

    public bool HasPendingInterrupt => Vector != null;

    public byte Cr8 { get; set; }

    public ulong BaseMsr => 0xFEE00900;

    public ulong MmioPage => ulong.MaxValue;

    public bool TryAcknowledge(out byte vector)
    {
        vector = Vector ?? 0;
        bool had = Vector != null;
        Vector = null;
        return had;
    }

    public bool TryWriteBase(ulong value) => false;

    public bool TryReadMsr(uint index, out ulong value)
    {
        value = 0;
        return false;
    }

    public bool TryWriteMsr(uint index, ulong value) => false;

    public void UseEoiFlag(EoiFlag? flag)
    {
    }

    public void RestoreEoiFlag(EoiFlag? flag)
    {
    }

    public void Init() => Vector = null;

    public ulong ReadMmio(ulong offset, AccessWidth width) => 0;

    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
    }
}
