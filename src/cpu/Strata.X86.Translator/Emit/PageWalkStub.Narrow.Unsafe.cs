using System.Runtime.InteropServices;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <content>Tables for linear addresses of 32 bits.</content>
internal unsafe ref partial struct PageWalkStub
{
    /// <summary>The bridge is in RCX. PAE joins the walk of four levels, two-level tables have entries of their own size.</summary>
    /// <param name="a">Where the code goes.</param>
    /// <param name="directory">Code that goes on at the directory whose address is in RDX, with the rights so far in RSI.</param>
    /// <returns>The displacement of a jump to what follows a walk.</returns>
    private readonly byte* EmitNarrow(ref HostAssembler a, byte* directory)
    {
        a.Move(Rax, Scratch1);
        a.Shift64(HostAssembler.ShiftRight, Rax, 32);
        LeaveIf(ref a, HostCondition.NotEqual);
        a.CompareDword(Rcx, Bridge.OffsetOf(nameof(Bridge.WalkForm)), (int)WalkForm.Pae);
        byte* legacy = a.JumpIf(HostCondition.NotEqual);
        EmitPointer(ref a);
        a.Jump(directory);
        HostAssembler.Patch(legacy, a.At);
        return EmitLegacy(ref a);
    }

    /// <summary>The register that stands for the top level of PAE tables, into RDX: it has no rights to restrict.</summary>
    private readonly void EmitPointer(ref HostAssembler a)
    {
        a.Load(Rcx, Rcx, Bridge.OffsetOf(nameof(Bridge.Context)));
        a.Move(Rax, Scratch1);
        a.Shift64(HostAssembler.ShiftRight, Rax, 30 - 3);
        a.And32(Rax, 3 << 3);
        a.Op64(Add, Rcx, Rax);
        a.Load(Rdx, Rcx, (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Pdptes)));
        a.TestDword(Rdx, Present);
        LeaveIf(ref a, HostCondition.Equal);
        a.LoadConstant(Rsi, Writable | User);
    }

    /// <returns>The displacement of a jump to what follows a walk.</returns>
    private readonly byte* EmitLegacy(ref HostAssembler a)
    {
        a.Load(Rcx, Rcx, Bridge.OffsetOf(nameof(Bridge.Context)));
        a.Load(Rdx, Rcx, (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Cr3)));
        EmitLegacyLevel(ref a, LegacyDirectoryShift);
        a.LoadFrame(Rcx, Frame.Bridge);
        a.Op64(TestRegister, Rdx, Rcx, Bridge.OffsetOf(nameof(Bridge.WalkReserved)));
        LeaveIf(ref a, HostCondition.NotEqual);
        a.Move(Rsi, Rdx);
        a.TestDword(Rdx, Large);
        byte* large = a.JumpIf(HostCondition.NotEqual);
        EmitLegacyLevel(ref a, 12);
        a.Op64(And, Rsi, Rdx);
        a.Move(Rdi, Rdx);
        a.And32(Rdx, ~0xFFF);
        byte* found = a.Jump();
        // an address above 4 GiB (PSE-36) counts as reserved there: it leaves
        EmitLarge(ref a, large, LegacyDirectoryShift, tlb.LargePages);
        HostAssembler.Patch(found, a.At);
        return a.Jump();
    }

    /// <summary>From the entry in RDX, or CR3, to that of the table that it leads to.</summary>
    private readonly void EmitLegacyLevel(ref HostAssembler a, int shift)
    {
        a.And32(Rdx, ~0xFFF);
        EmitOffset(ref a);
        a.Move(Rax, Scratch1);
        a.Shift64(HostAssembler.ShiftRight, Rax, shift - 2);
        a.And32(Rax, 0x3FF << 2);
        a.Op64(Add, Rdx, Rax);
        a.LoadConstant(Rcx, (ulong)ram.Memory.Base);
        a.Op64(Add, Rdx, Rcx);
        a.Op32(0x8B, Rdx, Rdx, 0);
        a.Move(Rax, Rdx);
        a.And32(Rax, Present | Accessed);
        a.Immediate32(CompareImmediate, Rax, Present | Accessed, wide: false);
        LeaveIf(ref a, HostCondition.NotEqual);
    }
}
