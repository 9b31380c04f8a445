using Strata.Core.Bus;

namespace Strata.Devices.Pci;

/// <summary>Memory-mapped registers of 32 bits each, as most controllers on PCI have.</summary>
public interface IDwordRegisters
{
    /// <summary>Reads the register at an offset, a multiple of four.</summary>
    uint ReadRegister(int offset);

    /// <summary>Writes the register at an offset, a multiple of four.</summary>
    void WriteRegister(int offset, uint value);
}

/// <summary>Accesses of all widths to such registers. The caller holds the device's lock.</summary>
public static class DwordRegisters
{
    /// <summary>Reads one or two registers, or a part of one; what reaches beyond reads as zeros.</summary>
    public static ulong Read(IDwordRegisters registers, ulong offset, AccessWidth width)
    {
        int register = (int)(offset & ~3UL);
        ulong value = registers.ReadRegister(register);
        if (width == AccessWidth.Qword)
        {
            value |= (ulong)registers.ReadRegister(register + 4) << 32;
        }

        return (value >> (int)((offset & 3) * 8)) & width.Mask();
    }

    /// <summary>Whether a write does something: registers are written by doublewords and quadwords at multiples of four.</summary>
    public static bool CanWrite(ulong offset, AccessWidth width) => width >= AccessWidth.Dword && (offset & 3) == 0;

    /// <summary>Writes one register or two, the lower one first; other writes are ignored.</summary>
    public static void Write(IDwordRegisters registers, ulong offset, AccessWidth width, ulong value)
    {
        if (!CanWrite(offset, width))
        {
            return;
        }

        registers.WriteRegister((int)offset, (uint)value);
        if (width == AccessWidth.Qword)
        {
            registers.WriteRegister((int)offset + 4, (uint)(value >> 32));
        }
    }
}
