using System.Buffers.Binary;

namespace Strata.Tests.Specs;

/// <summary>Which firmware a machine gets follows from what its disks hold.</summary>
public sealed class FirmwareProbeTests : IDisposable
{
    private const int Sector = 2048;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true, true, FirmwareKind.SeaBios)]
    [InlineData(true, false, FirmwareKind.SeaBios)]
    [InlineData(false, true, FirmwareKind.Ovmf)]
    [InlineData(false, false, FirmwareKind.SeaBios)]
    public void StartingFrom_Disk_IsWhatItCanBeStartedBy(bool hasCode, bool hasEfi, FirmwareKind expected)
    {
        string path = _folder.Write("disk.raw", GptDisk(hasCode, hasEfi));

        Assert.Equal(expected, MachineSpec.StartingFrom(path).Firmware);
    }

    [Theory]
    [InlineData(new byte[] { 0 }, FirmwareKind.SeaBios)]
    [InlineData(new byte[] { 0xEF }, FirmwareKind.Ovmf)]
    [InlineData(new byte[] { 0, 0xEF }, FirmwareKind.SeaBios)]
    [InlineData(new byte[] { 0xEF, 0 }, FirmwareKind.SeaBios)]
    [InlineData(new byte[] { }, FirmwareKind.SeaBios)]
    public void StartingFrom_Disc_IsByItsBootCatalog(byte[] platforms, FirmwareKind expected)
    {
        string path = _folder.Write("disc.iso", Disc(platforms));

        Assert.Equal(expected, MachineSpec.StartingFrom(path).Firmware);
    }

    [Fact]
    public void Choose_EmptyDiskBeforeADisc_IsByTheDisc()
    {
        MachineSpec spec = new()
        {
            Disks =
            [
                new DiskSpec { Path = _folder.Write("empty.raw", new byte[1 << 20]), Bus = DiskBus.Ide },
                DiskSpec.Disc(_folder.Write("disc.iso", Disc([0xEF]))),
            ],
        };

        Assert.Equal(FirmwareKind.Ovmf, FirmwareProbe.Choose(spec));
    }

    [Theory]
    [InlineData(21)]
    [InlineData(22)]
    public void StartingFrom_AnyTables_EndsInAChoice(int seed)
    {
        Random random = new(seed);
        for (int i = 0; i < 100; i++)
        {
            byte[] image = i % 2 == 0 ? GptDisk(false, true) : Disc([0xEF]);
            int tables = i % 2 == 0 ? 440 : 16 * Sector;
            for (int changes = random.Next(1, 30); changes > 0; changes--)
            {
                image[tables + random.Next(Math.Min(4 * Sector, image.Length - tables))] = (byte)random.Next(256);
            }

            string path = _folder.Write($"{seed}-{i}", image);

            Assert.True(MachineSpec.StartingFrom(path).HasFirmware);
        }
    }

    [Theory]
    [InlineData(FirmwareKind.SeaBios)]
    [InlineData(FirmwareKind.None)]
    public async Task ResolveAsync_VariablesWithoutUefi_AreRefused(FirmwareKind kind)
    {
        MachineSpec spec = new() { Firmware = kind, FirmwareVariables = "v", Kernel = kind == FirmwareKind.None ? "k" : null };

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => spec.ResolveAsync());

        Assert.Contains("--firmware-vars", error.Message, StringComparison.Ordinal);
    }

    private static byte[] GptDisk(bool hasCode, bool hasEfi)
    {
        byte[] disk = new byte[1 << 20];
        disk[0] = hasCode ? (byte)0xEB : (byte)0;
        disk[450] = 0xEE;
        (disk[510], disk[511]) = (0x55, 0xAA);
        "EFI PART"u8.CopyTo(disk.AsSpan(512));
        BinaryPrimitives.WriteUInt64LittleEndian(disk.AsSpan(512 + 72), 2);
        BinaryPrimitives.WriteUInt32LittleEndian(disk.AsSpan(512 + 80), 128);
        BinaryPrimitives.WriteUInt32LittleEndian(disk.AsSpan(512 + 84), 128);
        new Guid("0FC63DAF-8483-4772-8E79-3D69D8477DE4").TryWriteBytes(disk.AsSpan(1024));
        if (hasEfi)
        {
            new Guid("C12A7328-F81F-11D2-BA4B-00A0C93EC93B").TryWriteBytes(disk.AsSpan(1024 + 128));
        }

        return disk;
    }

    private static byte[] Disc(byte[] platforms)
    {
        byte[] disc = new byte[24 * Sector];
        disc[16 * Sector] = 1;
        "CD001"u8.CopyTo(disc.AsSpan((16 * Sector) + 1));
        if (platforms.Length == 0)
        {
            return disc;
        }

        Span<byte> record = disc.AsSpan(17 * Sector);
        "CD001"u8.CopyTo(record[1..]);
        "EL TORITO SPECIFICATION"u8.CopyTo(record[7..]);
        BinaryPrimitives.WriteUInt32LittleEndian(record[0x47..], 20);
        Span<byte> catalog = disc.AsSpan(20 * Sector);
        (catalog[0], catalog[1], catalog[32]) = (1, platforms[0], 0x88);
        for (int i = 1; i < platforms.Length; i++)
        {
            Span<byte> header = catalog[(i * 64)..];
            (header[0], header[1], header[2]) = (i == platforms.Length - 1 ? (byte)0x91 : (byte)0x90, platforms[i], 1);
        }

        return disc;
    }
}
