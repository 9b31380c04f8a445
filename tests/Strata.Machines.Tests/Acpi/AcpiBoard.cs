using System.Text;
using Strata.Core.Bus;
using Strata.Devices.Serial;
using Strata.Machines.Boards;
using Strata.Machines.Tests.Boot;

namespace Strata.Machines.Tests.Acpi;

/// <summary>A board that was built but not started, and its ACPI tables as an operating system finds them.</summary>
internal sealed class AcpiBoard : IDisposable, ISerialBackend
{
    public AcpiBoard(int processors = 1, bool hasHpet = false)
    {
        Board = new PcBoard(new PcBoardOptions
        {
            MemorySize = 16 << 20,
            Processors = processors,
            HasHpet = hasHpet,
            Serial = this,
            StartTime = DateTime.UnixEpoch,
            Kernel = BzImages.Create(),
        });
        Rsdp = FindRsdp();
        Xsdt = Table(Field64(Rsdp, 24));
        Tables = [.. Pointers(Xsdt, 8).Select(Table)];
    }

    public PcBoard Board { get; }

    public byte[] Rsdp { get; }

    public byte[] Xsdt { get; }

    /// <summary>What the XSDT lists.</summary>
    public IReadOnlyList<byte[]> Tables { get; }

    public byte[] Fadt => Tables.Single(table => Signature(table) == "FACP");

    public byte[] Madt => Tables.Single(table => Signature(table) == "APIC");

    public byte[] Dsdt => Table(Field64(Fadt, 140)); // X_DSDT

    public static string Signature(byte[] table) => Encoding.ASCII.GetString(table, 0, 4);

    public static ushort Field16(byte[] table, int offset) => BitConverter.ToUInt16(table, offset);

    public static uint Field32(byte[] table, int offset) => BitConverter.ToUInt32(table, offset);

    public static ulong Field64(byte[] table, int offset) => BitConverter.ToUInt64(table, offset);

    /// <summary>Addresses behind a table's header.</summary>
    public static IEnumerable<ulong> Pointers(byte[] table, int size) =>
        Enumerable.Range(0, (table.Length - 36) / size)
            .Select(i => size == 8 ? Field64(table, 36 + (i * 8)) : Field32(table, 36 + (i * 4)));

    public static byte Sum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte value in bytes)
        {
            sum += value;
        }

        return sum;
    }

    /// <summary>The table at an address, as long as its header says.</summary>
    public byte[] Table(ulong gpa) => Bytes(gpa, (int)Field32(Bytes(gpa, 8), 4));

    public byte[] Bytes(ulong gpa, int length)
    {
        Assert.InRange(length, 1, 1 << 16);
        Assert.True(Board.Memory.TryGetSpan(gpa, (uint)length, out ReadOnlySpan<byte> span), $"0x{gpa:x} is no RAM.");
        return span.ToArray();
    }

    public uint ReadPort(uint port, AccessWidth width) => Board.Ports.Read((ushort)port, width);

    public void WritePort(uint port, AccessWidth width, uint value) => Board.Ports.Write((ushort)port, width, value);

    public void Write(ReadOnlySpan<byte> bytes)
    {
        // The guest of these tests never runs.
    }

    public void Dispose() => Board.Dispose();

    /// <summary>ACPI specification 6.4, 5.2.5.1: on a 16-byte boundary between 0E0000h and 0FFFFFh.</summary>
    private byte[] FindRsdp()
    {
        for (ulong at = 0xE0000; at < 0x100000; at += 16)
        {
            if (Bytes(at, 8).AsSpan().SequenceEqual("RSD PTR "u8))
            {
                return Bytes(at, 36);
            }
        }

        throw new InvalidDataException("There is no RSDP.");
    }
}
