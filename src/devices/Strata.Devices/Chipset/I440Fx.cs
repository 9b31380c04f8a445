using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Pci;

namespace Strata.Devices.Chipset;

/// <summary>
/// The host bridge and memory controller of a PC: it decides whether RAM or the firmware's ROM shows below 1 MiB. Intel 82441FX data
/// sheet, "PAM—Programmable Attribute Map Registers" and "SMRAM—System Management RAM Control Register".
/// <code>
/// 59h  7..4 F0000–FFFFF
/// 5Ah  7..4 C4000–C7FFF  3..0 C0000–C3FFF     … 5Fh  7..4 EC000–EFFFF  3..0 E8000–EBFFF
///      of each: 1 write to RAM  0 read from RAM; otherwise from and to the bus, where the ROM is
/// 72h  6 D_OPEN (A0000–BFFFF is RAM)  4 D_LCK  3 G_SMRAME  2..0 C_BASE_SEG
/// </code>
/// </summary>
public sealed class I440Fx : PciFunction
{
    private const int AttributeMap = 0x59;
    private const int SystemManagement = 0x72;
    private const byte Open = 1 << 6;
    private const byte ReadRam = 1;
    private const byte WriteRam = 2;
    private const ulong SmallSegment = 0x4000;
    private const ulong FirstSegment = 0xC_0000;
    private const ulong LastSegment = 0xF_0000;
    private const ulong LastSegmentSize = 0x1_0000;
    private const ulong OneMegabyte = 0x10_0000;
    private const ulong VideoStart = 0xA_0000;
    private const ulong VideoSize = 0x2_0000;
    private const ulong LargestShadow = 0x2_0000;

    // Wiring
    private readonly AddressSpace _memory;
    private readonly GuestMemory _ram;
    private readonly GuestMemory _rom;

    // attributes in force; under ConfigGate
    private readonly byte[] _applied = new byte[(int)((LastSegment - FirstSegment) / SmallSegment) + 1];
    private readonly MemoryRegion?[] _regions; // what lies over RAM in each segment; under ConfigGate
    private MemoryRegion? _openRam; // under ConfigGate

    /// <param name="ram">Lies at guest-physical address 0.</param>
    /// <param name="rom">The firmware: its end shows below 1 MiB, at most 128 KiB of it.</param>
    public I440Fx(AddressSpace memory, GuestMemory ram, GuestMemory rom)
        : base(new PciIdentity(0x8086, 0x1237, 0x060000, 2, 0x1AF4, 0x1100))
    {
        ArgumentNullException.ThrowIfNull(memory);
        (_memory, _ram, _rom) = (memory, ram, rom);
        _regions = new MemoryRegion?[_applied.Length];
        Array.Fill(_applied, byte.MaxValue);
        AddRegisters(AttributeMap, [0, 0, 0, 0, 0, 0, 0], [0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33]);
        AddRegisters(SystemManagement, [0x02], [0x4F]); // never locked: nothing here runs in system management mode
    }

    /// <inheritdoc/>
    protected override void ApplyConfig(bool isLoading)
    {
        List<MemoryRegion> unmap = [];
        List<MemoryRegion> map = [];
        for (int i = 0; i < _applied.Length; i++)
        {
            byte attributes = AttributesOf(i);
            if (attributes != _applied[i])
            {
                Replace(ref _regions[i], CreateSegment(i, attributes), unmap, map);
                _applied[i] = attributes;
            }
        }

        bool isOpen = (Config[SystemManagement] & Open) != 0;
        if (isOpen != _openRam is not null)
        {
            MemoryRegion? open = isOpen
                ? MemoryRegion.Ram(VideoStart, _ram, VideoStart, VideoSize, MemoryRegion.OverlayPriority + 1)
                : null;
            Replace(ref _openRam, open, unmap, map);
        }

        if (unmap.Count + map.Count > 0)
        {
            _memory.Change(unmap, map);
        }
    }

    private static void Replace(ref MemoryRegion? place, MemoryRegion? wanted, List<MemoryRegion> unmap, List<MemoryRegion> map)
    {
        if (place is not null)
        {
            unmap.Add(place);
        }

        if (wanted is not null)
        {
            map.Add(wanted);
        }

        place = wanted;
    }

    private static (ulong Start, ulong Length) PlaceOf(int segment)
    {
        ulong start = FirstSegment + ((ulong)segment * SmallSegment);
        return (start, start == LastSegment ? LastSegmentSize : SmallSegment);
    }

    /// <summary>Segments count from C0000H; the register of the last one is the first.</summary>
    private byte AttributesOf(int segment)
    {
        byte register = segment == _applied.Length - 1 ? Config[AttributeMap] : Config[AttributeMap + 1 + (segment / 2)];
        bool isHigh = segment == _applied.Length - 1 || (segment & 1) != 0;
        return (byte)((isHigh ? register >> 4 : register) & (ReadRam | WriteRam));
    }

    /// <returns>What lies over RAM; null for nothing.</returns>
    private MemoryRegion? CreateSegment(int segment, byte attributes)
    {
        (ulong start, ulong length) = PlaceOf(segment);
        switch (attributes)
        {
            case ReadRam | WriteRam:
                return null;
            case ReadRam:
                return MemoryRegion.Rom(start, _ram, start, length);
        }

        ulong fromEnd = OneMegabyte - start;
        ShadowWriter? writes = attributes == WriteRam ? new ShadowWriter(_ram, start) : null;
        if (fromEnd <= Math.Min(LargestShadow, _rom.Size))
        {
            return MemoryRegion.Rom(start, _rom, _rom.Size - fromEnd, length, MemoryRegion.OverlayPriority, writes);
        }

        return writes is null
            ? MemoryRegion.Hole(start, length)
            : MemoryRegion.OfDevice(start, length, writes, MemoryRegion.OverlayPriority);
    }

    /// <summary>Takes writes to a segment that is read from the bus to the RAM below: so firmware copies itself into it.</summary>
    private sealed class ShadowWriter(GuestMemory ram, ulong start) : IMmioDevice
    {
        public ulong ReadMmio(ulong offset, AccessWidth width) => width.Mask();

        public void WriteMmio(ulong offset, AccessWidth width, ulong value)
        {
            using DmaWrite write = ram.BeginWrite(start + offset, (int)width);
            for (int i = 0; i < (int)width; i++)
            {
                write.Span[i] = (byte)(value >> (8 * i));
            }
        }
    }
}
