using System.Runtime.InteropServices;
using Strata.X86.Execution;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// Loads of ES, DS, FS and GS in 32-bit code of the kernel without leaving translated code: the selector's descriptor is read and
/// compared with the one that the interpreter found there when it loaded it, see <see cref="SegmentMemo"/>. Everything else leaves.
/// <para>Called with the selector in Scratch1 and the site in Scratch2; returns behind the load, or leaves.</para>
/// </summary>
internal sealed unsafe class SegmentStubs
{
    /// <summary>The call has pushed eight bytes: frame offsets are so much larger.</summary>
    private const int Pushed = 8;

    private const int Add = 0x03;
    private const int Compare = 0x3B;
    private const int CompareGroup = 7;
    private const int OrGroup = 1;
    private const int LoadOpcode = 0x8B;
    private const int StoreOpcode = 0x89;
    private const int PageMask = ~0xFFF;
    private const int AddendField = 24;

    /// <summary>Selectors below it are null.</summary>
    private const int FirstSelector = 4;

    private static readonly int[] KeptRegisters = [Rax, Rcx, Rdx];
    private static readonly int Memos = Bridge.OffsetOf(nameof(Bridge.SegmentMemos));
    private static readonly int Uses = Memos + SegmentMemo.OffsetOf(nameof(SegmentMemo.Uses));
    private static readonly int Loaded = Memos + SegmentMemo.OffsetOf(nameof(SegmentMemo.Segment));
    private static readonly int Segments = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Es));
    private static readonly int GdtBase = (int)Marshal.OffsetOf<X86CpuState>(
        nameof(X86CpuState.Gdtr)) + (int)Marshal.OffsetOf<DescriptorTableRegister>(nameof(DescriptorTableRegister.Base));
    private static readonly int GdtLimit = (int)Marshal.OffsetOf<X86CpuState>(
        nameof(X86CpuState.Gdtr)) + (int)Marshal.OffsetOf<DescriptorTableRegister>(nameof(DescriptorTableRegister.Limit));
    private static readonly int EferOffset = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.EferMsr));
    private static readonly int BaseField = (int)Marshal.OffsetOf<SegmentState>(nameof(SegmentState.Base));

    private readonly byte*[] _stubs = new byte*[(int)SegmentIndex.Gs + 1];
    private readonly List<nint> _leaving = [];

    /// <param name="exit">Leaves translated code through the site in Scratch2.</param>
    public SegmentStubs(ref HostAssembler a, byte* exit)
    {
        foreach (SegmentIndex index in (ReadOnlySpan<SegmentIndex>)[SegmentIndex.Es, SegmentIndex.Ds, SegmentIndex.Fs, SegmentIndex.Gs])
        {
            _stubs[(int)index] = a.At;
            EmitLoad(ref a, index);
        }

        foreach (nint place in _leaving)
        {
            HostAssembler.Patch((byte*)place, a.At);
        }

        RestoreKept(ref a);
        a.Lea(Rsp, Rsp, Pushed); // drop the return address
        a.Jump(exit);
    }

    /// <summary>The stub that loads a register: ES, DS, FS or GS.</summary>
    public byte* Of(SegmentIndex index) => _stubs[(int)index];

    private void EmitLoad(ref HostAssembler a, SegmentIndex index)
    {
        for (int i = 0; i < KeptRegisters.Length; i++)
        {
            a.StoreFrame(Frame.Kept + (8 * i) + Pushed, KeptRegisters[i]);
        }

        // The supervisor's own set: the privilege is 0, and neither breakpoints nor RFLAGS.AC ask for more.
        a.LoadFrame(Rax, Frame.Bridge + Pushed);
        a.Op64(Compare, HostRegister.Tlb, Rax, Bridge.OffsetOf(nameof(Bridge.SyscallGate)) + Gate.OffsetOf(nameof(Gate.Tlb)));
        LeaveIf(ref a, HostCondition.NotEqual);
        a.Load(Rdx, Rax, Bridge.OffsetOf(nameof(Bridge.Context)));
        Test(ref a, Rdx, EferOffset, (int)Efer.LMA);
        LeaveIf(ref a, HostCondition.NotEqual);

        a.ShiftedCopy(Rcx, Scratch1, 3);
        a.And32(Rcx, SegmentMemo.Count - 1);
        a.Multiply(Rcx, sizeof(SegmentMemo));
        a.Op64(Add, Rax, Rcx); // the bridge, so far on that the first memo's offset is this one's
        a.Lea(Rcx, Scratch1, SegmentMemo.KeyBit);
        a.Op32(Compare, Rcx, Rax, Memos + SegmentMemo.OffsetOf(nameof(SegmentMemo.Key)));
        LeaveIf(ref a, HostCondition.NotEqual);
        Test(ref a, Rax, Uses, 1 << (int)index);
        LeaveIf(ref a, HostCondition.Equal);
        a.Immediate32(CompareGroup, Scratch1, FirstSelector, wide: false);
        byte* isNull = a.JumpIf(HostCondition.Below);
        EmitCompareDescriptor(ref a);
        HostAssembler.Patch(isNull, a.At);
        EmitTake(ref a, index);
        RestoreKept(ref a);
        a.Byte(0xC3);
    }

    /// <summary>Leaves unless the GDT has the memo's descriptor. The selector in Scratch1 is used up; the state in RDX.</summary>
    private void EmitCompareDescriptor(ref HostAssembler a)
    {
        a.Move(Rcx, Scratch1);
        a.Immediate32(OrGroup, Rcx, 7, wide: false);
        a.Op32(Compare, Rcx, Rdx, GdtLimit);
        LeaveIf(ref a, HostCondition.Above);
        a.And32(Scratch1, ~7);
        a.Op32(Add, Scratch1, Rdx, GdtBase);
        a.ShiftedCopy(Rcx, Scratch1, 7);
        a.And32(Rcx, (int)Paging.Tlb.OffsetMask);
        a.Lea(Rdx, Scratch1, 7); // in the same page, or another one's entry does not fit
        a.And32(Rdx, PageMask);
        a.Op64Indexed(Compare, Rdx, HostRegister.Tlb, Rcx, 0);
        LeaveIf(ref a, HostCondition.NotEqual);
        a.Op64Indexed(LoadOpcode, Rcx, HostRegister.Tlb, Rcx, AddendField);
        a.Op64Indexed(LoadOpcode, Rcx, Rcx, Scratch1, 0);
        a.Op64(Compare, Rcx, Rax, Memos + SegmentMemo.OffsetOf(nameof(SegmentMemo.Descriptor)));
        LeaveIf(ref a, HostCondition.NotEqual);
    }

    /// <summary>The memo's segment into the state and, of FS and GS, into the frame and the bridge.</summary>
    private static void EmitTake(ref HostAssembler a, SegmentIndex index)
    {
        a.LoadFrame(Rdx, Frame.Bridge + Pushed);
        a.Load(Rdx, Rdx, Bridge.OffsetOf(nameof(Bridge.Context)));
        for (int i = 0; i < sizeof(SegmentState); i += 8)
        {
            a.Load(Rcx, Rax, Loaded + i);
            a.Store(Rdx, Segments + ((int)index * sizeof(SegmentState)) + i, Rcx);
        }

        if (index is not (SegmentIndex.Fs or SegmentIndex.Gs))
        {
            return;
        }

        bool isFs = index == SegmentIndex.Fs;
        a.Load(Rcx, Rax, Loaded + BaseField);
        a.Op32(LoadOpcode, Rdx, Rax, Uses);
        a.And32(Rdx, SegmentMemo.Plain);
        a.StoreFrame((isFs ? Frame.FsBase : Frame.GsBase) + Pushed, Rcx);
        a.Op32(StoreOpcode, Rdx, Rsp, (isFs ? Frame.FsAllowed : Frame.GsAllowed) + Pushed);
        a.LoadFrame(Rax, Frame.Bridge + Pushed);
        a.Store(Rax, Bridge.OffsetOf(isFs ? nameof(Bridge.FsBase) : nameof(Bridge.GsBase)), Rcx);
        a.Op32(StoreOpcode, Rdx, Rax, Bridge.OffsetOf(isFs ? nameof(Bridge.FsAllowed) : nameof(Bridge.GsAllowed)));
    }

    private void LeaveIf(ref HostAssembler a, int condition) => _leaving.Add((nint)a.JumpIf(condition));

    /// <summary>TEST dword [base + displacement], imm32; the base is below R8.</summary>
    private static void Test(ref HostAssembler a, int @base, int displacement, int mask)
    {
        a.Byte(0xF7);
        a.Memory(0, @base, displacement);
        a.Dword(mask);
    }

    private static void RestoreKept(ref HostAssembler a)
    {
        for (int i = 0; i < KeptRegisters.Length; i++)
        {
            a.LoadFrame(KeptRegisters[i], Frame.Kept + (8 * i) + Pushed);
        }
    }
}
