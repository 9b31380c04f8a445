using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Machines.Boards;

namespace Strata.Machines.Firmware;

/// <summary>
/// What a PC's BIOS leaves in memory for those who look there instead of asking: interrupt vectors, the BIOS data area, the extended
/// one, and MP tables. IBM PC/AT Technical Reference, "System BIOS"; Phoenix, <i>System BIOS for IBM PCs, Compatibles, and EISA
/// Computers</i>, 2nd edition, "BIOS Data Area".
/// <code>
/// 000h  256 vectors, offset and segment        40Eh  segment of the extended BIOS data area
/// 400h  ports of four serial interfaces        410h  equipment
/// 408h  ports of three parallel interfaces     413h  KiB of memory below the extended area
///                                              46Ch  timer ticks since midnight
/// </code>
/// </summary>
internal static class BiosArea
{
    private const int SerialPorts = 0x400;
    private const int ExtendedSegment = 0x40E;
    private const int Equipment = 0x410;
    private const int MemoryKilobytes = 0x413;
    private const ushort HasMathCoprocessor = 1 << 1;
    private const int SerialPortsShift = 9;
    private const ushort ProgramSegment = 0xF000;
    private const int Vectors = 256;

    /// <summary>Writes all of it, and gives the I/O APIC the ID that the tables name.</summary>
    /// <exception cref="InvalidOperationException">The machine has no RAM there.</exception>
    public static void Write(AddressSpace memory, int processors)
    {
        byte[] low = new byte[0x500];
        WriteVectors(low);
        BinaryPrimitives.WriteUInt16LittleEndian(low.AsSpan(SerialPorts), PcMemoryMap.SerialPort);
        BinaryPrimitives.WriteUInt16LittleEndian(low.AsSpan(ExtendedSegment), (ushort)(PcMemoryMap.ExtendedBiosStart >> 4));
        BinaryPrimitives.WriteUInt16LittleEndian(low.AsSpan(Equipment), HasMathCoprocessor | (1 << SerialPortsShift));
        BinaryPrimitives.WriteUInt16LittleEndian(low.AsSpan(MemoryKilobytes), (ushort)(PcMemoryMap.ExtendedBiosStart >> 10));
        Put(memory, 0, low);
        Put(memory, PcMemoryMap.ExtendedBiosStart, [(byte)((PcMemoryMap.VgaStart - PcMemoryMap.ExtendedBiosStart) >> 10)]); // its KiB
        Put(memory, PcMemoryMap.BiosProgramStart, BiosProgram.Bytes);
        Put(memory, PcMemoryMap.MpTablesStart, MpTables.Build((uint)PcMemoryMap.MpTablesStart, processors));
        memory.Write(PcMemoryMap.IoApicStart, AccessWidth.Dword, 0);
        memory.Write(PcMemoryMap.IoApicStart + 0x10, AccessWidth.Dword, (ulong)PcMemoryMap.IoApicId(processors) << 24);
    }

    /// <summary>
    /// Brings chips to where a BIOS leaves them: requests at vectors 08h and 70h, only the timer's let through, which ticks 18.2 times a
    /// second. For systems that are started as if by one; others need no ticks.
    /// </summary>
    public static void InitializeChips(PortSpace ports)
    {
        InitializeController(ports, 0x20, vectors: 0x08, wiring: 1 << 2, mask: 0xFA); // timer and cascade
        InitializeController(ports, 0xA0, vectors: 0x70, wiring: 2, mask: 0xFF);
        ports.Write(0x43, AccessWidth.Byte, 0x34); // counter 0, both bytes, mode 2
        ports.Write(0x40, AccessWidth.Byte, 0);
        ports.Write(0x40, AccessWidth.Byte, 0);
    }

    private static void InitializeController(PortSpace ports, ushort port, byte vectors, byte wiring, byte mask)
    {
        ushort data = (ushort)(port + 1);
        ports.Write(port, AccessWidth.Byte, 0x11); // ICW1: cascaded, ICW4 follows
        ports.Write(data, AccessWidth.Byte, vectors);
        ports.Write(data, AccessWidth.Byte, wiring);
        ports.Write(data, AccessWidth.Byte, 1); // ICW4: 8086
        ports.Write(data, AccessWidth.Byte, mask);
    }

    private static void WriteVectors(Span<byte> low)
    {
        for (int vector = 0; vector < Vectors; vector++)
        {
            int offset = (int)(PcMemoryMap.BiosProgramStart & 0xFFFF) + BiosProgram.HandlerOf(vector);
            BinaryPrimitives.WriteUInt16LittleEndian(low[(vector * 4)..], (ushort)offset);
            BinaryPrimitives.WriteUInt16LittleEndian(low[((vector * 4) + 2)..], ProgramSegment);
        }
    }

    private static void Put(AddressSpace memory, ulong address, ReadOnlySpan<byte> bytes)
    {
        if (!memory.TryWriteBytes(address, bytes))
        {
            throw new InvalidOperationException($"The BIOS area at 0x{address:x} lies outside of RAM.");
        }
    }
}
