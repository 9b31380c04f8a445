using System.Runtime.InteropServices;
using Strata.Core.Memory;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <summary>The fixed pieces of emitted code: the way in, the way out, and loading the vector and x87 registers.</summary>
internal sealed unsafe class Stubs
{
    private const int FirstExtended = 8;

    private static readonly int[] SavedRegisters = [Rbx, Rbp, 12, 13, 14, 15];
    private readonly bool _isSegmented;

    private readonly int _rflags = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Rflags));
    private readonly int _gsBase = (int)Marshal.OffsetOf<X86CpuState>(
        nameof(X86CpuState.Gs)) + (int)Marshal.OffsetOf<SegmentState>(nameof(SegmentState.Base));
    private readonly int _tlb = (int)Marshal.OffsetOf<VcpuContext>(nameof(VcpuContext.Tlb));
    private readonly int _vectors = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Vectors));
    private readonly int _uppersInUse = (int)Marshal.OffsetOf<VcpuContext>(nameof(VcpuContext.UppersInUse));
    private readonly int _mxcsr = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Mxcsr));

    /// <summary>Writes the stubs.</summary>
    /// <param name="at">Room for <see cref="Size"/> bytes.</param>
    /// <param name="tlb">The vCPU's.</param>
    /// <param name="ram">Where the guest's page tables and pages are; null leaves every walk to the engine.</param>
    /// <param name="sites">The cache's.</param>
    /// <param name="secondJumps">The jump table's second part.</param>
    /// <param name="isOnlyProcessor">No other processor decodes what this one writes.</param>
    /// <param name="isSegmented">For code with segments, where registers of the host hold what <see cref="SegmentedHome"/> says.</param>
    public Stubs(byte* at, TlbLayout tlb, RamWindows? ram, Site* sites, JumpEntry* secondJumps, bool isOnlyProcessor, bool isSegmented)
    {
        _isSegmented = isSegmented;
        HostAssembler a = new(at);
        LoadVectors = a.At;
        byte* deny = EmitLoadVectors(ref a);
        LoadAvx = a.At;
        byte* denyAvx = EmitLoadAvx(ref a);
        LoadX87 = a.At;
        byte* denyX87 = EmitLoadX87(ref a);
        HostAssembler.Patch(deny, a.At);
        HostAssembler.Patch(denyAvx, a.At);
        HostAssembler.Patch(denyX87, a.At);
        a.Lea(Rsp, Rsp, 8); // drop the return address, then leave through the site in Scratch2
        Exit = a.At;
        EmitExit(ref a);
        Dispatch = a.At;
        new DispatchStub(secondJumps, Exit).Emit(ref a);
        Cross = a.At;
        new CrossStub(sites, Exit, Dispatch).Emit(ref a);
        Dropped = a.At;
        a.LoadConstant(Scratch2, TranslationCache.DroppedSite);
        a.Jump(Exit);
        Gates = new GateStubs(ref a, Exit, Dispatch);
        Segments = new SegmentStubs(ref a, Exit);
        Miss = a.At;
        new MissStub(tlb, sites, ram, isOnlyProcessor, Exit).Emit(ref a);
        Enter = (delegate* unmanaged<Bridge*, byte*, void>)a.At;
        EmitEnter(ref a);
        End = a.At;
        CheckSize(End - at);
    }

    public const int Size = 8192;

    /// <summary>What lies behind the stubs would be overwritten: the translator must not start.</summary>
    /// <param name="bytes">Of all stubs.</param>
    /// <exception cref="InvalidOperationException">They have more than <see cref="Size"/>.</exception>
    internal static void CheckSize(long bytes)
    {
        if (bytes > Size)
        {
            throw new InvalidOperationException(
                $"The translator's stubs have {bytes:N0} bytes, and {Size:N0} are set aside: raise {nameof(Stubs)}.{nameof(Size)}.");
        }
    }

    /// <summary>Enters translated code at an address.</summary>
    public delegate* unmanaged<Bridge*, byte*, void> Enter { get; }

    /// <summary>Leaves translated code: site in Scratch2, value in Scratch1.</summary>
    public byte* Exit { get; }

    /// <summary>Called at a block's head with its site in Scratch2; returns with the registers loaded, or leaves.</summary>
    public byte* LoadVectors { get; }

    /// <inheritdoc cref="LoadVectors"/>
    public byte* LoadAvx { get; }

    /// <inheritdoc cref="LoadVectors"/>
    public byte* LoadX87 { get; }

    public GateStubs Gates { get; }

    public SegmentStubs Segments { get; }

    /// <summary>A check has failed, at the address in Scratch1 and the site in Scratch2: tries again, or leaves.</summary>
    public byte* Miss { get; }

    /// <summary>A dispatch has missed, with the tag in Scratch1 and the site in Scratch2: looks further, or leaves.</summary>
    public byte* Dispatch { get; }

    /// <summary>A link across pages is not of now; the target in Scratch1, the site in Scratch2: goes by the table, or leaves.</summary>
    public byte* Cross { get; }

    /// <summary>The head of a dropped block leads here, with the tag in Scratch1: leaves.</summary>
    public byte* Dropped { get; }

    public byte* End { get; }

    /// <summary>The call has pushed eight bytes: frame offsets are eight larger.</summary>
    private byte* EmitLoadVectors(ref HostAssembler a)
    {
        a.CompareDword(Rsp, Frame.VectorsAllowed + 8, 0);
        byte* deny = a.JumpIf(HostCondition.Equal);
        a.Load(Scratch1, Rsp, Frame.Bridge + 8);
        a.Load(Scratch1, Scratch1, Bridge.OffsetOf(nameof(Bridge.Context)));
        if (!HostCpu.HasAvx)
        {
            EmitVectors(ref a, load: true);
            a.StoreDword(Rsp, Frame.VectorsLoaded + 8, 1);
            a.Byte(0xC3);
            return deny;
        }

        // Loading zeros into upper halves would make the host track them as in use, which slows legacy SSE down.
        a.CompareDword(Scratch1, _uppersInUse, 0);
        byte* whole = a.JumpIf(HostCondition.NotEqual);
        EmitZeroUppers(ref a);
        EmitVectors(ref a, load: true);
        EmitLoaded(ref a, uppers: 0);
        HostAssembler.Patch(whole, a.At);
        EmitWholeVectors(ref a, load: true);
        EmitLoaded(ref a, uppers: 1);
        return deny;
    }

    private static void EmitLoaded(ref HostAssembler a, int uppers)
    {
        a.StoreDword(Rsp, Frame.UppersDirty + 8, uppers);
        a.StoreDword(Rsp, Frame.UppersLoaded + 8, uppers);
        a.StoreDword(Rsp, Frame.VectorsLoaded + 8, 1);
        a.Byte(0xC3);
    }

    /// <summary>As the above, which it goes on in if nothing is loaded yet; where this is allowed, that is.</summary>
    private byte* EmitLoadAvx(ref HostAssembler a)
    {
        a.CompareDword(Rsp, Frame.AvxAllowed + 8, 0);
        byte* deny = a.JumpIf(HostCondition.Equal);
        a.StoreDword(Rsp, Frame.AvxLoaded + 8, 1);
        a.CompareDword(Rsp, Frame.VectorsLoaded + 8, 0);
        a.JumpIf(HostCondition.Equal, LoadVectors);
        a.Byte(0xC3);
        return deny;
    }

    private static byte* EmitLoadX87(ref HostAssembler a)
    {
        a.CompareDword(Rsp, Frame.X87Allowed + 8, 0);
        byte* deny = a.JumpIf(HostCondition.Equal);
        a.Load(Scratch1, Rsp, Frame.Bridge + 8);
        a.Op32(0xDD, 4, Scratch1, Bridge.OffsetOf(nameof(Bridge.X87Image))); // frstor
        a.StoreDword(Rsp, Frame.X87Loaded + 8, 1);
        a.Byte(0xC3);
        return deny;
    }

    /// <summary>MOVUPS of all sixteen registers from or to the state in Scratch1, and MXCSR.</summary>
    private void EmitVectors(ref HostAssembler a, bool load)
    {
        for (int i = 0; i < 16; i++)
        {
            a.Byte(0x41 | ((i >> 3) << 2));
            a.Byte(0x0F);
            a.Byte(load ? 0x10 : 0x11);
            a.Memory(i, Scratch1, _vectors + (32 * i));
        }

        EmitMxcsr(ref a, load);
    }

    /// <summary>The same with VMOVUPS of 32 bytes.</summary>
    private void EmitWholeVectors(ref HostAssembler a, bool load)
    {
        for (int i = 0; i < 16; i++)
        {
            a.Byte(0xC4);
            a.Byte((i < 8 ? 0x80 : 0) | 0x41); // R, X; B for Scratch1; 0F
            a.Byte(0x7C); // 256 bits
            a.Byte(load ? 0x10 : 0x11);
            a.Memory(i, Scratch1, _vectors + (32 * i));
        }

        EmitMxcsr(ref a, load);
    }

    private void EmitMxcsr(ref HostAssembler a, bool load)
    {
        a.Byte(0x41);
        a.Byte(0x0F);
        a.Byte(0xAE);
        a.Memory(load ? 2 : 3, Scratch1, _mxcsr); // ldmxcsr, stmxcsr
    }

    private static void EmitZeroUppers(ref HostAssembler a)
    {
        a.Byte(0xC5);
        a.Byte(0xF8);
        a.Byte(0x77);
    }

    private void EmitExit(ref HostAssembler a)
    {
        a.StoreFrame(Frame.Value, Scratch1);
        a.LoadFrame(Scratch1, Frame.Bridge);
        a.Op32(0x89, Scratch2, Scratch1, Bridge.OffsetOf(nameof(Bridge.Site)));
        a.Load(Scratch2, Scratch1, Bridge.OffsetOf(nameof(Bridge.Context)));
        for (int guest = 0; guest < GuestCount; guest++)
        {
            int home = HomeOf(guest);
            if (home >= 0 && IsGuests(guest))
            {
                a.Store(Scratch2, 8 * guest, home);
            }
        }

        for (int guest = 0; guest < GuestCount; guest++)
        {
            if (HomeOf(guest) < 0)
            {
                a.LoadFrame(Rax, SlotOf(guest));
                a.Store(Scratch2, 8 * guest, Rax);
            }
        }

        a.LoadFrame(Rax, Frame.Flags);
        a.Store(Scratch1, Bridge.OffsetOf(nameof(Bridge.Flags)), Rax);
        a.LoadFrame(Rax, Frame.SystemFlags);
        a.Store(Scratch2, _rflags, Rax);
        a.Store(Scratch1, Bridge.OffsetOf(nameof(Bridge.SystemFlags)), Rax);
        a.LoadFrame(Rax, Frame.GsBase);
        a.Store(Scratch2, _gsBase, Rax);
        a.Store(Scratch1, Bridge.OffsetOf(nameof(Bridge.GsBase)), Rax);
        a.Store(Scratch2, _tlb, HostRegister.Tlb);
        a.Store(Scratch1, Bridge.OffsetOf(nameof(Bridge.Tlb)), HostRegister.Tlb);
        for (int offset = Frame.Shared; offset <= Frame.CodeBase; offset += 8)
        {
            a.LoadFrame(Rax, offset);
            a.Store(Scratch1, offset, Rax); // the bridge starts as the frame does
        }

        a.LoadFrame(Rax, Frame.Value);
        a.Store(Scratch1, Bridge.OffsetOf(nameof(Bridge.Value)), Rax);
        a.Op32(0x8B, Rax, Rsp, Frame.VectorsLoaded);
        a.Op32(0x89, Rax, Scratch1, Bridge.OffsetOf(nameof(Bridge.VectorsSaved)));
        a.Op32(0x8B, Rcx, Rsp, Frame.X87Loaded);
        a.Op32(0x89, Rcx, Scratch1, Bridge.OffsetOf(nameof(Bridge.X87Saved)));
        a.CompareDword(Rsp, Frame.X87Loaded, 0);
        byte* noX87 = a.JumpIf(HostCondition.Equal);
        a.Op32(0xDD, 6, Scratch1, Bridge.OffsetOf(nameof(Bridge.X87Image))); // fnsave, which also resets for managed code
        HostAssembler.Patch(noX87, a.At);
        EmitLeave(ref a);
    }

    /// <summary>State in Scratch1. Whole registers only where an upper half is not zero, or was when it was loaded.</summary>
    private void EmitSaveVectors(ref HostAssembler a)
    {
        if (!HostCpu.HasAvx)
        {
            EmitVectors(ref a, load: false);
            return;
        }

        a.Load(Rcx, Rsp, Frame.UppersDirty); // and UppersLoaded
        a.Op64(0x85, Rcx, Rcx);
        byte* whole = a.JumpIf(HostCondition.NotEqual);
        EmitVectors(ref a, load: false);
        byte* done = a.Jump();
        HostAssembler.Patch(whole, a.At);
        EmitWholeVectors(ref a, load: false);
        a.Op32(0x89, Rcx, Scratch1, _uppersInUse);
        EmitZeroUppers(ref a);
        HostAssembler.Patch(done, a.At);
    }

    /// <summary>Bridge in Scratch1, state in Scratch2.</summary>
    private void EmitLeave(ref HostAssembler a)
    {
        a.CompareDword(Rsp, Frame.VectorsLoaded, 0);
        byte* none = a.JumpIf(HostCondition.Equal);
        a.Move(Rax, Scratch1);
        a.Move(Scratch1, Scratch2);
        EmitSaveVectors(ref a);
        a.Byte(0x0F);
        a.Byte(0xAE);
        a.Memory(2, Rax, Bridge.OffsetOf(nameof(Bridge.HostMxcsr)));
        HostAssembler.Patch(none, a.At);
        a.Lea(Rsp, Rsp, Frame.Size);
        for (int i = SavedRegisters.Length - 1; i >= 0; i--)
        {
            Pop(ref a, SavedRegisters[i]);
        }

        a.Byte(0xC3);
    }

    private void EmitEnter(ref HostAssembler a)
    {
        foreach (int register in SavedRegisters)
        {
            if (register >= 8)
            {
                a.Byte(0x41);
            }

            a.Byte(0x50 | (register & 7));
        }

        a.Lea(Rsp, Rsp, -Frame.Size);
        a.Move(Scratch1, Rdi);
        a.StoreFrame(Frame.Bridge, Scratch1);
        a.StoreFrame(Frame.Value, Rsi);
        for (int offset = Frame.Flags; offset < Frame.Copied; offset += 8)
        {
            a.Load(Rax, Scratch1, offset);
            a.StoreFrame(offset, Rax);
        }

        a.Load(HostRegister.Tlb, Scratch1, Bridge.OffsetOf(nameof(Bridge.Tlb)));
        a.StoreFrame(Frame.Retry, HostRegister.Tlb); // no code
        EmitResume(ref a, Bridge.OffsetOf(nameof(Bridge.ResumeVectors)), LoadVectors);
        EmitResume(ref a, Bridge.OffsetOf(nameof(Bridge.ResumeX87)), LoadX87);
        a.LoadFrame(Scratch2, Frame.Bridge);
        a.Load(Scratch1, Scratch2, Bridge.OffsetOf(nameof(Bridge.Value)));
        a.Load(Scratch2, Scratch2, Bridge.OffsetOf(nameof(Bridge.Context)));
        for (int guest = 0; guest < GuestCount; guest++)
        {
            if (HomeOf(guest) < 0)
            {
                a.Load(Rax, Scratch2, 8 * guest);
                a.StoreFrame(SlotOf(guest), Rax);
            }
        }

        for (int guest = 0; guest < GuestCount; guest++)
        {
            int home = HomeOf(guest);
            if (home >= 0 && IsGuests(guest))
            {
                a.Load(home, Scratch2, 8 * guest);
            }
        }

        if (_isSegmented)
        {
            SegmentedHome.EmitLoad(ref a, Scratch2);
        }

        a.JumpMemory(Rsp, Frame.Value);
    }

    /// <summary>Whether a guest register is in its home: code with segments has no use for R8 to R15.</summary>
    private bool IsGuests(int guest) => !_isSegmented || guest < FirstExtended;

    /// <summary>Calls a loader if the bridge asks for it.</summary>
    private static void EmitResume(ref HostAssembler a, int flag, byte* loader)
    {
        a.LoadFrame(Scratch1, Frame.Bridge);
        a.CompareDword(Scratch1, flag, 0);
        byte* skip = a.JumpIf(HostCondition.Equal);
        a.Call(loader);
        HostAssembler.Patch(skip, a.At);
    }

    private static void Pop(ref HostAssembler a, int register)
    {
        if (register >= 8)
        {
            a.Byte(0x41);
        }

        a.Byte(0x58 | (register & 7));
    }
}
