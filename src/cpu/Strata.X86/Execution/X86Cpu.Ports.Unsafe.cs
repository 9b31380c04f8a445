using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>The I/O privilege rules. Intel SDM Vol. 1, "I/O Permission Bit Map".</summary>
public sealed unsafe partial class X86Cpu
{
    private const uint TssIoMapOffset = 0x66;

    /// <summary>Whether the current privilege may use the port; otherwise #GP(0) is pending.</summary>
    /// <param name="size">Bytes: 1, 2 or 4 consecutive ports.</param>
    public bool CheckPortAccess(ushort port, int size)
    {
        ref X86CpuState s = ref Context->State;
        bool virtual8086 = (Context->Mode & ModeBits.Virtual8086) != 0;
        if ((Context->Mode & ModeBits.Protected) == 0 || (!virtual8086 && Cpl <= (int)((s.Rflags >> 12) & 3)))
        {
            return true;
        }

        uint type = s.Tr.Attributes & SegmentState.TypeMask;
        if (!s.Tr.IsUsable || type is not (Descriptor.TypeTssAvailable or Descriptor.TypeTssBusy) || s.Tr.Limit < TssIoMapOffset + 1)
        {
            return RaiseGeneralProtection();
        }

        if (!TryReadSystem(s.Tr.Base + TssIoMapOffset, 2, out ulong map))
        {
            return false;
        }

        uint at = (uint)map + (uint)(port >> 3);
        if (at + 1 > s.Tr.Limit)
        {
            return RaiseGeneralProtection();
        }

        if (!TryReadSystem(s.Tr.Base + at, 2, out ulong bits))
        {
            return false;
        }

        ulong wanted = ((1UL << size) - 1) << (port & 7);
        return (bits & wanted) == 0 || RaiseGeneralProtection();
    }
}
