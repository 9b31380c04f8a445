using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>
/// A processor without its fetch loop: state, memory access with protection, exceptions, and everything that several engines
/// need and none may implement twice. An engine owns one and adds decoding and dispatch.
/// <para>Guest faults are values: a member that returns false has recorded the exception (<see cref="Raise(ExceptionVector)"/>)
/// and the instruction must stop without a further effect.</para>
/// Only the vCPU's own thread calls it, except where a member says otherwise.
/// </summary>
public sealed unsafe partial class X86Cpu : IDisposable
{
    private GCHandle _self;

    public X86Cpu(X86CpuWiring wiring)
    {
        ArgumentNullException.ThrowIfNull(wiring);
        Wiring = wiring;
        Memory = wiring.Memory;
        Ports = wiring.Ports;
        Tlb = new Tlb { UserCodeStands = code => PageWalker.StillLead(in Context->State, Memory, code.Pages) };

        // SAFETY: freed in Dispose; zeroed memory is a valid context.
        Context = (VcpuContext*)NativeMemory.AlignedAlloc((nuint)sizeof(VcpuContext), 64);
        NativeMemory.Clear(Context, (nuint)sizeof(VcpuContext));
        Tlb.Attention = &Context->Attention;
        _self = GCHandle.Alloc(this);
        Context->Owner = GCHandle.ToIntPtr(_self);
        SetState(X86CpuState.AtReset());
    }

    public X86CpuWiring Wiring { get; }

    public AddressSpace Memory { get; }

    public PortSpace Ports { get; }

    public Tlb Tlb { get; }

    public VcpuContext* Context { get; private set; }

    public ref X86CpuState State => ref Context->State;

    /// <summary>RFLAGS with the lazy arithmetic flags resolved.</summary>
    public ulong Rflags
    {
        get => (Context->State.Rflags & ~RFlags.Arithmetic) | LazyFlags.ToRflags(Context->LazyResult, Context->LazyAux);
        set
        {
            Context->State.Rflags = (value & RFlags.Defined) | RFlags.Reserved1;
            (Context->LazyResult, Context->LazyAux) = LazyFlags.FromRflags(value);
        }
    }

    public int Cpl => Context->Cpl;

    public bool IsLongMode => (Context->Mode & ModeBits.LongActive) != 0;

    public bool Is64Bit => (Context->Mode & ModeBits.Code64) != 0;

    public bool IsProtected => (Context->Mode & (ModeBits.Protected | ModeBits.Virtual8086)) == ModeBits.Protected;

    /// <summary>The owner of a context. Costs a handle look-up: for slow paths.</summary>
    public static X86Cpu Of(VcpuContext* context) => Unsafe.As<X86Cpu>(GCHandle.FromIntPtr(context->Owner).Target!);

    /// <summary>
    /// Components of the extended state that an image in the compacted form may name although this processor does not have them: of
    /// programs that a host's processor, which has them, saved it for. They are initial in the image.
    /// </summary>
    public ulong ForeignComponents { get; set; }

    public ref ulong Register(int index) => ref Context->State.Gprs[index];

    /// <summary>Copies the whole state out, arithmetic flags resolved.</summary>
    public void GetState(out X86CpuState state)
    {
        Context->State.Rflags = Rflags;
        state = Context->State;
    }

    /// <summary>Replaces the whole state and drops everything derived from the old one.</summary>
    public void SetState(in X86CpuState state)
    {
        Context->State = state;
        Context->State.Gprs[Gpr.None] = 0;
        Rflags = state.Rflags;
        Context->PendingException = 0;
        UpdateUppersInUse();
        Context->Cpl = (byte)((state.Cr0 & Cr0.PE) == 0 ? 0 : (state.Rflags & RFlags.VM) != 0 ? 3 : state.Ss.Dpl);
        Tlb.FlushAll();
        Tlb.SwitchTo((state.Cr4 & Cr4.PCIDE) != 0 ? (int)(state.Cr3 & PcidMask) : 0, flush: false);
        UpdateMode();
    }

    /// <summary>After upper halves of vectors have been written: makes <see cref="VcpuContext.UppersInUse"/> say what is there.</summary>
    public void UpdateUppersInUse()
    {
        ulong any = 0;
        for (int i = 0; i < 16; i++)
        {
            any |= Context->State.Vectors[(4 * i) + 2] | Context->State.Vectors[(4 * i) + 3];
        }

        Context->UppersInUse = any != 0 ? 1 : 0;
    }

    /// <summary>Records an exception without an error code for the current instruction. The first one recorded stands.</summary>
    /// <returns>False, so that a handler can <c>return cpu.Raise(…)</c>.</returns>
    public bool Raise(ExceptionVector vector)
    {
        if (Context->PendingException == 0)
        {
            Context->PendingException = (uint)vector | 0x100;
            Context->PendingErrorCode = 0;
        }

        return false;
    }

    /// <summary>Records an exception with an error code for the current instruction.</summary>
    public bool Raise(ExceptionVector vector, uint errorCode)
    {
        if (Context->PendingException == 0)
        {
            Context->PendingException = (uint)vector | 0x300;
            Context->PendingErrorCode = errorCode;
        }

        return false;
    }

    public bool RaiseGeneralProtection(uint errorCode = 0) => Raise(ExceptionVector.GeneralProtection, errorCode);

    /// <summary>
    /// Recomputes what follows from CR0, CR4, EFER, RFLAGS.VM/AC, CPL and the segment registers. Every instruction that changes one of
    /// them calls it; the block then ends.
    /// </summary>
    /// <summary>The mode of 64-bit code, by itself without <see cref="ModeBits.User"/>.</summary>
    public const ModeBits Mode64 = ModeBits.Protected | ModeBits.LongActive | ModeBits.Code64 | ModeBits.Stack32 | ModeBits.Flat;

    public void UpdateMode()
    {
        ref X86CpuState s = ref Context->State;
        ModeBits mode = ModeBits.None;
        bool protectedMode = (s.Cr0 & Cr0.PE) != 0;
        bool virtual8086 = protectedMode && (s.Rflags & RFlags.VM) != 0;
        bool longActive = (s.EferMsr & Efer.LMA) != 0;
        mode |= protectedMode ? ModeBits.Protected : 0;
        mode |= virtual8086 ? ModeBits.Virtual8086 : 0;
        mode |= longActive ? ModeBits.LongActive : 0;
        mode |= Context->Cpl == 3 ? ModeBits.User : 0;
        if (longActive && (s.Cs.Attributes & SegmentState.Long) != 0)
        {
            mode |= ModeBits.Code64 | ModeBits.Stack32 | ModeBits.Flat;
        }
        else
        {
            mode |= (s.Cs.Attributes & SegmentState.Big) != 0 ? ModeBits.Code32 : 0;
            mode |= (s.Ss.Attributes & SegmentState.Big) != 0 ? ModeBits.Stack32 : 0;
            mode |= IsFlat(s.Cs, code: true) && IsFlat(s.Ss) && IsFlat(s.Ds) && IsFlat(s.Es) ? ModeBits.Flat : 0;
        }

        Context->Mode = mode;
        Context->CodeBase = (mode & ModeBits.Code64) != 0 ? 0 : s.Cs.Base;
        SelectTlb();
        Context->EndBlock = 1;
    }

    /// <summary>Points the context at the TLB set of the current privilege.</summary>
    public void SelectTlb()
    {
        Context->Tlb = Tlb.Set(NeedsCheckedAccess ? TlbPrivilege.Checked : CurrentPrivilege);
    }

    public void Dispose()
    {
        if (Context != null)
        {
            _self.Free();
            Tlb.Dispose();
            NativeMemory.AlignedFree(Context);
            Context = null;
        }
    }

    private static bool IsFlat(in SegmentState segment, bool code = false) =>
        segment.Base == 0 && segment.Limit == 0xFFFFFFFF && segment.IsUsable
        && (code
            ? (segment.Attributes & SegmentState.ReadableOrWritable) != 0
            : (segment.Attributes & (
                SegmentState.Code
                    | SegmentState.ConformingOrExpandDown
                    | SegmentState.ReadableOrWritable)) == SegmentState.ReadableOrWritable);
}
