using System.Buffers.Binary;
using System.Text;
using Strata.Machines.Acpi;

namespace Strata.Machines.Firmware;

/// <summary>
/// ACPI tables for firmware to place: the bytes, and the script that says how to put them together. QEMU documentation, "QEMU Firmware
/// Configuration (fw_cfg) Device", and its table loader, which SeaBIOS and OVMF execute.
/// <code>
/// an entry, 128 bytes: 0 command (32), then
/// 1 allocate   4 file (56)  60 alignment (32)  64 zone: 1 high, 2 below 1 MiB
/// 2 pointer    4 file to change (56)  60 file pointed to (56)  116 offset (32)  120 size (8)
/// 3 checksum   4 file (56)  60 offset of the sum (32)  64 start (32)  68 length (32)
/// </code>
/// </summary>
internal static class TableLoader
{
    public const string TablesFile = "etc/acpi/tables";
    public const string RsdpFile = "etc/acpi/rsdp";
    public const string ScriptFile = "etc/table-loader";

    private const int EntrySize = 128;
    private const int NameSize = 56;
    private const int SecondName = 4 + NameSize;
    private const int ChecksumOffset = 9; // in a table's header
    private const int RsdpSize = 36;
    private const int RsdpSizeOfFirstVersion = 20;
    private const byte High = 1;
    private const byte Low = 2;

    /// <summary>The tables of a board, the root pointer apart, and the script.</summary>
    public static (byte[] Tables, byte[] Rsdp, byte[] Script) Build(int processors, AcpiDescription board)
    {
        AcpiPlaces places = new();
        byte[] image = AcpiTables.Build(0, processors, board, places); // pointers are offsets in the file so
        byte[] rsdp = image[..RsdpSize];
        (rsdp[8], rsdp[32]) = (0, 0); // OVMF sums up what is there as well, and drops tables whose sum is wrong then
        foreach ((int offset, int _) in places.Tables)
        {
            image[offset + ChecksumOffset] = 0;
        }

        List<byte> script = [];
        Allocate(script, TablesFile, 64, High);
        Allocate(script, RsdpFile, 16, Low);
        foreach ((int offset, int size) in places.Pointers)
        {
            Point(script, TablesFile, offset, size);
        }

        foreach ((int offset, int length) in places.Tables)
        {
            Sum(script, TablesFile, offset + ChecksumOffset, offset, length);
        }

        Point(script, RsdpFile, 16, 4);
        Point(script, RsdpFile, 24, 8);
        Sum(script, RsdpFile, 8, 0, RsdpSizeOfFirstVersion);
        Sum(script, RsdpFile, 32, 0, RsdpSize);
        return (image, rsdp, [.. script]);
    }

    private static void Allocate(List<byte> script, string file, uint alignment, byte zone)
    {
        Span<byte> entry = stackalloc byte[EntrySize];
        Begin(entry, 1, file);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[SecondName..], alignment);
        entry[SecondName + 4] = zone;
        script.AddRange(entry);
    }

    private static void Point(List<byte> script, string file, int offset, int size)
    {
        Span<byte> entry = stackalloc byte[EntrySize];
        Begin(entry, 2, file);
        Encoding.ASCII.GetBytes(TablesFile, entry[SecondName..]);
        BinaryPrimitives.WriteInt32LittleEndian(entry[(SecondName + NameSize)..], offset);
        entry[SecondName + NameSize + 4] = (byte)size;
        script.AddRange(entry);
    }

    private static void Sum(List<byte> script, string file, int offset, int start, int length)
    {
        Span<byte> entry = stackalloc byte[EntrySize];
        Begin(entry, 3, file);
        BinaryPrimitives.WriteInt32LittleEndian(entry[SecondName..], offset);
        BinaryPrimitives.WriteInt32LittleEndian(entry[(SecondName + 4)..], start);
        BinaryPrimitives.WriteInt32LittleEndian(entry[(SecondName + 8)..], length);
        script.AddRange(entry);
    }

    private static void Begin(Span<byte> entry, uint command, string file)
    {
        entry.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(entry, command);
        Encoding.ASCII.GetBytes(file, entry[4..]);
    }
}
