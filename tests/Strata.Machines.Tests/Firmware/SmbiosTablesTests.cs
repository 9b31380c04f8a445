using System.Buffers.Binary;
using System.Text;
using Strata.Machines.Boot;
using Strata.Machines.Firmware;

namespace Strata.Machines.Tests.Firmware;

/// <summary>DMTF DSP0134, System Management BIOS Reference Specification 2.8.</summary>
public sealed class SmbiosTablesTests
{
    private const uint Address = 0xF4020;
    private const ulong Gigabyte = 1UL << 30;

    [Fact]
    public void EntryPoint_Sums_AreZeroAndItPointsToTheStructures()
    {
        (byte[] entry, byte[] structures) = Build();

        Assert.Equal("_SM_"u8, entry.AsSpan(0, 4));
        Assert.Equal("_DMI_"u8, entry.AsSpan(0x10, 5));
        Assert.Equal(0, (byte)entry.Sum(value => value));
        Assert.Equal(0, (byte)entry[0x10..].Sum(value => value));
        Assert.Equal(structures.Length, BinaryPrimitives.ReadUInt16LittleEndian(entry.AsSpan(0x16)));
        Assert.Equal(Address, BinaryPrimitives.ReadUInt32LittleEndian(entry.AsSpan(0x18)));
        Assert.Equal(Structures(structures).Count, BinaryPrimitives.ReadUInt16LittleEndian(entry.AsSpan(0x1C)));
    }

    [Fact]
    public void Structures_OfAMachine_AreAllThereWithHandlesOfTheirOwn()
    {
        List<Structure> all = Structures(Build().Structures);

        Assert.Equal([0, 1, 2, 3, 4, 16, 17, 19, 32, 127], all.Select(structure => (int)structure.Type));
        Assert.Equal(all.Count, all.Select(structure => structure.Handle).Distinct().Count());
    }

    [Fact]
    public void Strings_Chosen_StandInTheirPlaces()
    {
        Guid uuid = new("00112233-4455-6677-8899-aabbccddeeff");
        SmbiosOptions options = new()
        {
            Values = new Dictionary<string, string> { ["serial"] = "ds=nocloud", ["product"] = "Räder", ["bios-version"] = string.Empty },
            Uuid = uuid,
        };

        List<Structure> all = Structures(SmbiosTables.Build(options, Address, 1, Gigabyte).Structures);

        Structure system = all.Single(structure => structure.Type == 1);
        Assert.Equal("ds=nocloud", system.Text(0x07));
        Assert.Equal("Räder", system.Text(0x05));
        Assert.Equal("Strata", system.Text(0x04));
        Assert.Equal(0, system.Bytes[0x06]); // no version
        Assert.Equal([0x33, 0x22, 0x11, 0x00, 0x55, 0x44], system.Bytes[8..14]);
        Assert.Equal(0, all[0].Bytes[0x05]); // an empty string is none
    }

    [Fact]
    public void OemStrings_Given_AreInTheirOrder()
    {
        List<Structure> all = Structures(
            SmbiosTables.Build(new SmbiosOptions { OemStrings = ["one", "two"] }, Address, 1, Gigabyte).Structures);

        Structure oem = all.Single(structure => structure.Type == 11);
        Assert.Equal(2, oem.Bytes[4]);
        Assert.Equal(["one", "two"], oem.Strings);
    }

    [Fact]
    public void Memory_Above3GiBAndMoreThanAModule_IsInPieces()
    {
        List<Structure> all = Structures(Build(40 * Gigabyte).Structures);

        List<Structure> devices = [.. all.Where(structure => structure.Type == 17)];
        Assert.Equal(
            [16384, 16384, 8192], devices.Select(device => (int)BinaryPrimitives.ReadUInt16LittleEndian(device.Bytes.AsSpan(0x0C))));
        List<Structure> ranges = [.. all.Where(structure => structure.Type == 19)];
        Assert.Equal([0u, 4 << 20], ranges.Select(range => BinaryPrimitives.ReadUInt32LittleEndian(range.Bytes.AsSpan(4))));
        Assert.Equal(
            [(3u << 20) - 1, (41u << 20) - 1], ranges.Select(range => BinaryPrimitives.ReadUInt32LittleEndian(range.Bytes.AsSpan(8))));
    }

    [Fact]
    public void Keys_Places_LieInTheirStructures()
    {
        List<Structure> all = Structures(Build().Structures);

        Assert.All(
            SmbiosKey.All, key => Assert.InRange(key.Offset, 4, all.First(structure => structure.Type == key.Type).Bytes.Length - 1));
        Assert.Equal(SmbiosKey.All.Count, SmbiosKey.All.DistinctBy(key => (key.Type, key.Offset)).Count());
    }

    [Fact]
    public void Strings_TooLong_AreRefused()
    {
        SmbiosOptions options = new() { Values = new Dictionary<string, string> { ["serial"] = new('x', 70_000) } };

        Assert.Throws<BootImageException>(() => SmbiosTables.Build(options, Address, 1, Gigabyte));
    }

    private static (byte[] EntryPoint, byte[] Structures) Build(ulong memory = Gigabyte) =>
        SmbiosTables.Build(new SmbiosOptions(), Address, 2, memory);

    /// <summary>Walks the structures as a guest does.</summary>
    private static List<Structure> Structures(byte[] bytes)
    {
        List<Structure> all = [];
        for (int at = 0; at < bytes.Length;)
        {
            byte[] body = bytes[at..(at + bytes[at + 1])];
            at += body.Length;
            List<string> strings = [];
            while (bytes[at] != 0)
            {
                int end = Array.IndexOf(bytes, (byte)0, at);
                strings.Add(Encoding.UTF8.GetString(bytes, at, end - at));
                at = end + 1;
            }

            at += strings.Count == 0 ? 2 : 1;
            all.Add(new Structure(body, strings));
        }

        return all;
    }

    private sealed record Structure(byte[] Bytes, IReadOnlyList<string> Strings)
    {
        public byte Type => Bytes[0];

        public ushort Handle => BinaryPrimitives.ReadUInt16LittleEndian(Bytes.AsSpan(2));

        public string Text(int offset) => Strings[Bytes[offset] - 1];
    }
}
