using System.Runtime.CompilerServices;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>From segment:offset to a linear address, with the limit and type checks of data accesses.</summary>
public sealed unsafe partial class X86Cpu
{
    /// <summary>
    /// Checks an access of <paramref name="size"/> bytes at segment:offset and forms the linear address. In 64-bit mode only
    /// FS and GS add a base, and canonicality is checked by the access itself.
    /// </summary>
    /// <returns>False if the segment forbids it: #SS(0) for SS, #GP(0) for the others.</returns>
    public bool TrySegmentLinear(SegmentIndex index, ulong offset, int size, AccessKind kind, out ulong va)
    {
        if (Is64Bit)
        {
            va = index >= SegmentIndex.Fs ? offset + Context->State.Segment(index).Base : offset;
            return true;
        }

        ref SegmentState segment = ref Context->State.Segment(index);
        va = (segment.Base + offset) & uint.MaxValue;
        return IsWithinSegment(segment, (uint)offset, (uint)size, kind)
            || Raise(index == SegmentIndex.Ss ? ExceptionVector.StackFault : ExceptionVector.GeneralProtection, 0);
    }

    /// <summary>Outside of 64-bit mode: the same question as <see cref="TrySegmentLinear"/>, without an exception.</summary>
    public bool IsAccessible(SegmentIndex index, ulong offset, int size, AccessKind kind, out ulong va)
    {
        ref SegmentState segment = ref Context->State.Segment(index);
        va = (segment.Base + offset) & uint.MaxValue;
        return IsWithinSegment(segment, (uint)offset, (uint)size, kind);
    }

    public bool TryReadSegment(SegmentIndex index, ulong offset, int size, out ulong value)
    {
        value = 0;
        return TrySegmentLinear(index, offset, size, AccessKind.Read, out ulong va)
            && TryRead(va, size, out value, index == SegmentIndex.Ss);
    }

    public bool TryWriteSegment(SegmentIndex index, ulong offset, int size, ulong value) =>
        TrySegmentLinear(index, offset, size, AccessKind.Write, out ulong va)
        && TryWrite(va, size, value, index == SegmentIndex.Ss);

    /// <summary>Mask of the stack pointer's width: 16 bits, 32 bits, or all 64 in 64-bit mode.</summary>
    public ulong StackMask => Is64Bit ? ulong.MaxValue : (Context->Mode & ModeBits.Stack32) != 0 ? uint.MaxValue : ushort.MaxValue;

    /// <summary>Writes the stack pointer at its current width; the bits above a 16-bit SP stay, those above ESP become zero.</summary>
    public void SetStackPointer(ulong value)
    {
        ref ulong rsp = ref Context->State.Gprs[Gpr.Rsp];
        ulong mask = StackMask;
        rsp = mask == ushort.MaxValue ? (rsp & ~mask) | (value & mask) : value & mask;
    }

    /// <summary>Pushes 2, 4 or 8 bytes; RSP changes only if the write succeeded.</summary>
    public bool TryPush(ulong value, int size)
    {
        ulong rsp = (Context->State.Gprs[Gpr.Rsp] - (ulong)size) & StackMask;
        if (!TryWriteSegment(SegmentIndex.Ss, rsp, size, value))
        {
            return false;
        }

        SetStackPointer(rsp);
        return true;
    }

    /// <summary>Pops 2, 4 or 8 bytes; RSP changes only if the read succeeded.</summary>
    public bool TryPop(int size, out ulong value)
    {
        ulong rsp = Context->State.Gprs[Gpr.Rsp] & StackMask;
        if (!TryReadSegment(SegmentIndex.Ss, rsp, size, out value))
        {
            return false;
        }

        SetStackPointer(rsp + (ulong)size);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsWithinSegment(in SegmentState segment, uint offset, uint size, AccessKind kind)
    {
        if (IsProtected && !IsAccessAllowed(segment, kind))
        {
            return false;
        }

        uint last = offset + size - 1;
        bool expandDown = (
            segment.Attributes & (SegmentState.Code | SegmentState.ConformingOrExpandDown)) == SegmentState.ConformingOrExpandDown
            && (segment.Attributes & SegmentState.NonSystem) != 0;
        if (!expandDown)
        {
            return last <= segment.Limit && (last >= offset || segment.Limit == uint.MaxValue);
        }

        uint top = (segment.Attributes & SegmentState.Big) != 0 ? uint.MaxValue : ushort.MaxValue;
        return offset > segment.Limit && last >= offset && last <= top;
    }

    private static bool IsAccessAllowed(in SegmentState segment, AccessKind kind)
    {
        if (!segment.IsUsable)
        {
            return false;
        }

        bool code = (segment.Attributes & SegmentState.Code) != 0;
        bool readableOrWritable = (segment.Attributes & SegmentState.ReadableOrWritable) != 0;
        return kind switch
        {
            AccessKind.Write => !code && readableOrWritable,
            AccessKind.Read => !code || readableOrWritable,
            _ => true,
        };
    }
}
