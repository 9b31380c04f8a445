using System.Buffers.Binary;
using System.Text;
using Strata.Machines.Boards;
using Strata.Machines.Boot;

namespace Strata.Machines.Firmware;

/// <summary>
/// Tables that say what the machine is: DMTF DSP0134, <i>System Management BIOS Reference Specification</i> 2.8. An entry point, and the
/// structures it points to: 0 BIOS, 1 system, 2 board, 3 chassis, 4 processor, 11 OEM strings, 16 memory array, 17 memory devices, 19 their
/// addresses, 32 boot, 127 end.
/// </summary>
internal sealed class SmbiosTables
{
    /// <summary>Bytes of the entry point.</summary>
    public const int EntryPointSize = 0x1F;

    private const int LargestTables = ushort.MaxValue;
    private const ulong LargestMemoryDevice = 16UL << 30;
    private const byte UnknownState = 2;
    private const byte SafeState = 3;
    private const ushort NoHandle = 0xFFFF;
    private const ushort NoErrorInformation = 0xFFFE;
    private const ushort Unknown16 = 0xFFFF;

    private readonly SmbiosOptions _options;
    private readonly List<byte> _bytes = [];
    private int _structures;
    private int _largest;

    private SmbiosTables(SmbiosOptions options) => _options = options;

    /// <summary>Makes the structures and the entry point for them.</summary>
    /// <param name="address">Guest-physical address of the structures; firmware that places them itself corrects it.</param>
    /// <param name="memory">Bytes of RAM.</param>
    /// <exception cref="BootImageException">The strings are too long.</exception>
    public static (byte[] EntryPoint, byte[] Structures) Build(SmbiosOptions options, uint address, int processors, ulong memory)
    {
        SmbiosTables tables = new(options);
        tables.AddIdentity();
        tables.AddProcessor(processors);
        tables.AddOemStrings();
        tables.AddMemory(memory);
        tables.Add(32, 0, new byte[7]); // booted without an error
        tables.Add(127, 0, []);
        if (tables._bytes.Count > LargestTables)
        {
            throw new BootImageException(
                $"The SMBIOS strings make tables of {tables._bytes.Count:N0} bytes, {LargestTables:N0} at most; shorten them.");
        }

        return (tables.EntryPoint(address), [.. tables._bytes]);
    }

    private static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte b in bytes)
        {
            sum += b;
        }

        return (byte)-sum;
    }

    private static void Put16(Span<byte> body, int offset, int value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(body[(offset - 4)..], (ushort)value);

    private static void Put32(Span<byte> body, int offset, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(body[(offset - 4)..], value);

    private static void Put64(Span<byte> body, int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(body[(offset - 4)..], value);

    private static ushort Handle(byte type, int index = 0) => (ushort)((type << 8) + index);

    private byte[] EntryPoint(uint address)
    {
        byte[] entry = new byte[EntryPointSize];
        "_SM_"u8.CopyTo(entry);
        entry[5] = EntryPointSize;
        (entry[6], entry[7]) = (2, 8);
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(8), (ushort)_largest);
        "_DMI_"u8.CopyTo(entry.AsSpan(0x10));
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(0x16), (ushort)_bytes.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(0x18), address);
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(0x1C), (ushort)_structures);
        entry[0x1E] = 0x28;
        entry[0x15] = Checksum(entry.AsSpan(0x10));
        entry[4] = Checksum(entry);
        return entry;
    }

    private void AddIdentity()
    {
        byte[] bios = new byte[0x18 - 4];
        bios[0x0A - 4] = 1 << 3;              // no characteristics are told
        bios[0x13 - 4] = (1 << 4) | (1 << 2); // a virtual machine; targeted content distribution
        (bios[0x14 - 4], bios[0x15 - 4], bios[0x16 - 4], bios[0x17 - 4]) = (1, 0, 0xFF, 0xFF);
        Add(0, 0, bios);

        byte[] system = new byte[0x1B - 4];
        _options.Uuid.TryWriteBytes(system.AsSpan(8 - 4)); // time fields little-endian, as 2.6 and later have them
        system[0x18 - 4] = 6; // woken up by the power switch
        Add(1, 0, system);

        byte[] board = new byte[0x0F - 4];
        board[9 - 4] = 1; // hosts the processors
        Put16(board, 0x0B, Handle(3));
        board[0x0D - 4] = 0x0A; // a motherboard
        Add(2, 0, board);

        byte[] chassis = new byte[0x16 - 4];
        chassis[5 - 4] = 1; // other
        (chassis[9 - 4], chassis[0x0A - 4], chassis[0x0B - 4], chassis[0x0C - 4]) = (SafeState, SafeState, SafeState, UnknownState);
        Add(3, 0, chassis);
    }

    private void AddProcessor(int processors)
    {
        byte[] body = new byte[0x2A - 4];
        body[5 - 4] = 3;    // a central processor
        body[6 - 4] = 1;    // of another family
        body[0x18 - 4] = 0x41; // socket populated, enabled
        body[0x19 - 4] = 1;
        Put16(body, 0x1A, NoHandle);
        Put16(body, 0x1C, NoHandle);
        Put16(body, 0x1E, NoHandle);
        (body[0x23 - 4], body[0x24 - 4], body[0x25 - 4]) = ((byte)processors, (byte)processors, (byte)processors);
        Put16(body, 0x26, 1 << 2); // 64-bit capable
        Put16(body, 0x28, 1);
        Add(4, 0, body, (0x04, "CPU 0"));
    }

    private void AddOemStrings()
    {
        if (_options.OemStrings.Count > 0)
        {
            Add(11, 0, [(byte)_options.OemStrings.Count], [.. _options.OemStrings.Select(text => (0, text))]);
        }
    }

    private void AddMemory(ulong memory)
    {
        int devices = (int)((memory + LargestMemoryDevice - 1) / LargestMemoryDevice);
        byte[] array = new byte[0x17 - 4];
        (array[4 - 4], array[5 - 4], array[6 - 4]) = (1, 3, 3); // elsewhere, system memory, no error correction
        bool isNarrow = memory >> 10 < 0x8000_0000;
        Put32(array, 0x07, isNarrow ? (uint)(memory >> 10) : 0x8000_0000);
        Put16(array, 0x0B, NoErrorInformation);
        Put16(array, 0x0D, devices);
        Put64(array, 0x0F, isNarrow ? 0 : memory);
        Add(16, 0, array);
        for (int i = 0; i < devices; i++)
        {
            AddMemoryDevice(i, Math.Min(LargestMemoryDevice, memory - ((ulong)i * LargestMemoryDevice)));
        }

        ulong low = Math.Min(memory, PcMemoryMap.LowMemoryLimit);
        AddMappedAddress(0, 0, low);
        if (memory > low)
        {
            AddMappedAddress(1, PcMemoryMap.HighMemoryStart, memory - low);
        }
    }

    private void AddMemoryDevice(int index, ulong size)
    {
        byte[] body = new byte[0x28 - 4];
        Put16(body, 0x04, Handle(16));
        Put16(body, 0x06, NoErrorInformation);
        Put16(body, 0x08, Unknown16);
        Put16(body, 0x0A, Unknown16);
        uint megabytes = (uint)(size >> 20);
        Put16(body, 0x0C, megabytes < 0x7FFF ? (int)megabytes : 0x7FFF);
        body[0x0E - 4] = 9; // a DIMM
        body[0x12 - 4] = 7; // RAM
        Put16(body, 0x13, 1 << 1);
        Put32(body, 0x1C, megabytes < 0x7FFF ? 0 : megabytes);
        Add(17, index, body, (0x10, $"DIMM {index}"));
    }

    private void AddMappedAddress(int index, ulong start, ulong length)
    {
        byte[] body = new byte[0x1F - 4];
        Put32(body, 0x04, (uint)(start >> 10));
        Put32(body, 0x08, (uint)(((start + length) >> 10) - 1));
        Put16(body, 0x0C, Handle(16));
        body[0x0E - 4] = 1;
        Add(19, index, body);
    }

    /// <summary>Appends a structure: its header, its body, and the strings of the options and of its own.</summary>
    /// <param name="strings">Strings, and the offsets where their numbers go; 0 for nowhere.</param>
    private void Add(byte type, int index, byte[] body, params ReadOnlySpan<(int Offset, string Text)> strings)
    {
        int start = _bytes.Count;
        List<string> texts = [];
        foreach ((int offset, string text) in strings)
        {
            texts.Add(text);
            if (offset != 0)
            {
                body[offset - 4] = (byte)texts.Count;
            }
        }

        foreach (SmbiosKey key in SmbiosKey.All.Where(key => key.Type == type))
        {
            if (_options.Values.GetValueOrDefault(key.Name, key.Default ?? string.Empty) is { Length: > 0 } text)
            {
                texts.Add(text);
                body[key.Offset - 4] = (byte)texts.Count;
            }
        }

        ushort handle = Handle(type, index);
        _bytes.AddRange([type, (byte)(body.Length + 4), (byte)handle, (byte)(handle >> 8)]);
        _bytes.AddRange(body);
        foreach (string text in texts)
        {
            _bytes.AddRange(Encoding.UTF8.GetBytes(text));
            _bytes.Add(0);
        }

        if (texts.Count == 0)
        {
            _bytes.Add(0);
        }

        _bytes.Add(0);
        _structures++;
        _largest = Math.Max(_largest, _bytes.Count - start);
    }
}
