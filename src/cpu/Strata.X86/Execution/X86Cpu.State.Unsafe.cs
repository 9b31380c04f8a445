using System.Runtime.InteropServices;
using Strata.Core.State;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Reset, saving and loading, while the processor stands still between two runs of its engine.</summary>
public sealed unsafe partial class X86Cpu : IUnit<VcpuState>
{
    public string UnitName => $"vcpu{Wiring.Index}";

    /// <summary>
    /// How often the state, or the time that the processor lives in, has changed from outside: an engine that keeps either elsewhere takes
    /// it anew. Written while the processor stands still.
    /// </summary>
    public int Discontinuities { get; private set; }

    /// <summary>
    /// RESET: the boot processor starts at its reset vector, others wait for a start-up IPI. The TSC goes on, as engines may have one that
    /// cannot be set.
    /// </summary>
    public void Reset()
    {
        X86CpuState reset = X86CpuState.AtReset();
        reset.TscOffset = State.TscOffset;
        reset.Activity = Wiring.Index == 0 ? ActivityState.Running : ActivityState.WaitForStartup;
        PendingDebugHits = 0;
        _singleStepDropped = false;
        Volatile.Write(ref _signals, 0);
        Volatile.Write(ref _kicked, 0);
        _startupVector = 0;
        SetState(reset);
        Discontinuities++;
    }

    /// <summary>Time may have stood still, or have become another.</summary>
    public void Resume() => Discontinuities++;

    public VcpuState SaveState()
    {
        GetState(out X86CpuState s);
        return new VcpuState
        {
            GeneralRegisters = Copy(ref s.Gprs[0], VcpuState.GeneralRegisterCount),
            Rip = s.Rip,
            Rflags = s.Rflags,
            Segments = SaveSegments(),
            GdtrBase = s.Gdtr.Base,
            GdtrLimit = s.Gdtr.Limit,
            IdtrBase = s.Idtr.Base,
            IdtrLimit = s.Idtr.Limit,
            Cr0 = s.Cr0,
            Cr2 = s.Cr2,
            Cr3 = s.Cr3,
            Cr4 = s.Cr4,
            Xcr0 = s.Xcr0,
            Efer = s.EferMsr,
            Pdptes = Copy(ref s.Pdptes[0], 4),
            DebugAddresses = Copy(ref s.DebugAddresses[0], 4),
            Dr6 = s.Dr6,
            Dr7 = s.Dr7,
            Star = s.Star,
            Lstar = s.Lstar,
            Cstar = s.Cstar,
            Sfmask = s.Sfmask,
            KernelGsBase = s.KernelGsBase,
            SysenterCs = s.SysenterCs,
            SysenterEsp = s.SysenterEsp,
            SysenterEip = s.SysenterEip,
            Pat = s.Pat,
            TscAux = s.TscAux,
            TscOffset = s.TscOffset,
            TscAdjust = s.TscAdjust,
            MiscEnable = s.MiscEnable,
            SpecCtrl = s.SpecCtrl,
            MtrrDefaultType = s.MtrrDefaultType,
            MtrrFixed = Copy(ref s.MtrrFixed[0], 11),
            MtrrVariable = Copy(ref s.MtrrVariable[0], 16),
            Vectors = Copy(ref s.Vectors[0], 64),
            Mxcsr = s.Mxcsr,
            Fcw = s.Fcw,
            Fsw = s.Fsw,
            Ftw = s.Ftw,
            Fop = s.Fop,
            FpuCs = s.FpuCs,
            FpuDs = s.FpuDs,
            FpuIp = s.FpuIp,
            FpuDp = s.FpuDp,
            FpuRegisters = Copy(ref s.FpuRegisters[0], 16),
            Activity = s.Activity,
            Shadow = s.Shadow,
            NmiBlocked = s.NmiBlocked != 0,
            NmiPending = s.NmiPending,
            PendingDebugHits = PendingDebugHits,
            Signals = Volatile.Read(ref _signals),
            StartupVector = _startupVector,
            IsWakePosted = Volatile.Read(ref _kicked) != 0,
        };
    }

    /// <summary>What engines derived from the old state is dropped with it: TLBs, and through their epochs jump tables and gates.</summary>
    public void LoadState(VcpuState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (FindContradiction(state) is { } contradiction)
        {
            throw new StateException($"The saved state of {UnitName} cannot be used: {contradiction}.");
        }

        X86CpuState s = default;
        state.GeneralRegisters.CopyTo(Span(ref s.Gprs[0], VcpuState.GeneralRegisterCount));
        s.Rip = state.Rip;
        s.Rflags = state.Rflags;
        LoadSegments(ref s, state.Segments);
        s.Gdtr.Base = state.GdtrBase;
        s.Gdtr.Limit = state.GdtrLimit;
        s.Idtr.Base = state.IdtrBase;
        s.Idtr.Limit = state.IdtrLimit;
        s.Cr0 = state.Cr0;
        s.Cr2 = state.Cr2;
        s.Cr3 = state.Cr3;
        s.Cr4 = state.Cr4;
        s.Xcr0 = state.Xcr0;
        s.EferMsr = state.Efer;
        state.Pdptes.CopyTo(Span(ref s.Pdptes[0], 4));
        state.DebugAddresses.CopyTo(Span(ref s.DebugAddresses[0], 4));
        s.Dr6 = state.Dr6;
        s.Dr7 = state.Dr7;
        s.Star = state.Star;
        s.Lstar = state.Lstar;
        s.Cstar = state.Cstar;
        s.Sfmask = state.Sfmask;
        s.KernelGsBase = state.KernelGsBase;
        s.SysenterCs = state.SysenterCs;
        s.SysenterEsp = state.SysenterEsp;
        s.SysenterEip = state.SysenterEip;
        s.Pat = state.Pat;
        s.TscAux = state.TscAux;
        s.TscOffset = state.TscOffset;
        s.TscAdjust = state.TscAdjust;
        s.MiscEnable = state.MiscEnable;
        s.SpecCtrl = state.SpecCtrl;
        s.MtrrDefaultType = state.MtrrDefaultType;
        state.MtrrFixed.CopyTo(Span(ref s.MtrrFixed[0], 11));
        state.MtrrVariable.CopyTo(Span(ref s.MtrrVariable[0], 16));
        state.Vectors.CopyTo(Span(ref s.Vectors[0], 64));
        s.Mxcsr = state.Mxcsr;
        s.Fcw = state.Fcw;
        s.Fsw = state.Fsw;
        s.Ftw = state.Ftw;
        s.Fop = state.Fop;
        s.FpuCs = state.FpuCs;
        s.FpuDs = state.FpuDs;
        s.FpuIp = state.FpuIp;
        s.FpuDp = state.FpuDp;
        state.FpuRegisters.CopyTo(Span(ref s.FpuRegisters[0], 16));
        s.Activity = state.Activity;
        s.Shadow = state.Shadow;
        s.NmiBlocked = (byte)(state.NmiBlocked ? 1 : 0);
        s.NmiPending = state.NmiPending;
        PendingDebugHits = state.PendingDebugHits;
        Volatile.Write(ref _signals, state.Signals);
        _startupVector = state.StartupVector;
        Volatile.Write(ref _kicked, state.IsWakePosted ? 1 : 0);
        _singleStepDropped = false;
        SetState(s);
        Discontinuities++;
    }

    /// <summary>What the processor's own instructions would not let happen, and engines therefore do not expect.</summary>
    private string? FindContradiction(VcpuState state)
    {
        bool paging = (state.Cr0 & Cr0.PG) != 0;
        bool longActive = (state.Efer & Efer.LMA) != 0;
        bool is64Bit = longActive && (state.Segments[(int)SegmentIndex.Cs].Attributes & SegmentState.Long) != 0;
        ulong[] addresses =
        [
            state.Lstar, state.Cstar, state.KernelGsBase, state.SysenterEsp, state.SysenterEip, state.GdtrBase, state.IdtrBase,
            .. state.Segments.Select(segment => segment.Base),
        ];
        return state switch
        {
            _ when paging && (state.Cr0 & Cr0.PE) == 0 => "Cr0 has paging without protection",
            _ when (state.Cr0 & Cr0.NW) != 0 && (state.Cr0 & Cr0.CD) == 0 => "Cr0 has NW without CD",
            _ when longActive != (paging && (state.Efer & Efer.LME) != 0) => "Efer has an LMA that does not follow from LME and paging",
            _ when longActive && (state.Cr4 & Cr4.PAE) == 0 => "Cr4 lacks PAE in long mode",
            _ when !longActive && (state.Cr4 & Cr4.PCIDE) != 0 => "Cr4 has PCIDs outside of long mode",
            _ when state.Cr3 >> Paging.PageWalker.PhysicalAddressBits != 0 => "Cr3 lies beyond physical addresses",
            _ when (state.Xcr0 & 1) == 0 => "Xcr0 lacks the x87",
            _ when (state.Xcr0 & ~SupportedXcr0) != 0 => "Xcr0 has AVX, which the machine's processors have not",
            _ when !IsXcr0(state.Xcr0) => "Xcr0 has AVX without SSE",
            _ when !IsPat(state.Pat) => "Pat has a memory type that does not exist",
            _ when (is64Bit ? !IsSignExtended(state.Rip) : state.Rip > uint.MaxValue) => "Rip is no address of the mode",
            _ when !Array.TrueForAll(addresses, IsSignExtended) => "a base or an entry point is no canonical address",
            _ => null,
        };
    }

    private static bool IsSignExtended(ulong address) => (ulong)(((long)address << 16) >> 16) == address;

    private SegmentRecord[] SaveSegments() =>
        [.. Enumerable.Range(0, VcpuState.SegmentCount).Select(i => SegmentRecord.Of(Context->State.Segment((SegmentIndex)i)))];

    private static void LoadSegments(ref X86CpuState s, SegmentRecord[] segments)
    {
        for (int i = 0; i < segments.Length; i++)
        {
            s.Segment((SegmentIndex)i) = segments[i].ToSegment();
        }
    }

    /// <summary>A fixed array of the state.</summary>
    private static Span<ulong> Span(ref ulong first, int count)
    {
        // SAFETY: callers give an array's first element and its length, of a state on their stack or in the context.
        return MemoryMarshal.CreateSpan(ref first, count);
    }

    private static ulong[] Copy(ref ulong first, int count) => Span(ref first, count).ToArray();
}
