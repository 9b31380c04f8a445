using System.Runtime.CompilerServices;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>An addressing form as a type argument.</summary>
internal unsafe interface IAddress
{
    /// <summary>
    /// The linear address of the memory operand. On a segment fault an exception is pending and the address hits no TLB entry.
    /// </summary>
    static abstract ulong Compute(VcpuContext* c, Op* op, int size, AccessKind kind);
}

/// <summary>64-bit addressing without segment base.</summary>
internal readonly unsafe struct Flat64 : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Compute(VcpuContext* c, Op* op, int size, AccessKind kind) =>
        *(ulong*)((byte*)c + op->Base) + (*(ulong*)((byte*)c + op->Index) << op->Scale) + op->Disp;
}

/// <summary>64-bit addressing through FS or GS.</summary>
internal readonly unsafe struct Based64 : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Compute(VcpuContext* c, Op* op, int size, AccessKind kind) =>
        Flat64.Compute(c, op, size, kind) + (&c->State.Es)[op->Segment].Base;
}

/// <summary>Everything else: 16- and 32-bit addressing, segment limits.</summary>
internal readonly unsafe struct AnyAddress : IAddress
{
    /// <summary>Never equal to the page of a TLB tag.</summary>
    private const ulong Nowhere = 1UL << 63;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ulong Compute(VcpuContext* c, Op* op, int size, AccessKind kind)
    {
        ulong ea = *(ulong*)((byte*)c + op->Base) + (*(ulong*)((byte*)c + op->Index) << op->Scale) + op->Disp;
        ea = op->AddressSize switch { 8 => ea, 4 => (uint)ea, _ => (ushort)ea };
        if ((c->Mode & (ModeBits.Flat | ModeBits.Code64)) == ModeBits.Flat && op->Segment <= (byte)SegmentIndex.Ds)
        {
            if (op->Segment != (byte)SegmentIndex.Cs || kind != AccessKind.Write)
            {
                return ea;
            }
        }

        Access.NotePosition(c, op);
        return X86Cpu.Of(c).TrySegmentLinear((SegmentIndex)op->Segment, ea, size, kind, out ulong va) ? va : Nowhere;
    }
}
