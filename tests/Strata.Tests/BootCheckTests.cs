using System.Buffers.Binary;
using System.Text;
using Strata.Snapshots;

namespace Strata.Tests;

/// <summary>What is said about disks that firmware cannot start from.</summary>
public sealed class BootCheckTests : IDisposable
{
    private const int Block = 2048;
    private readonly TemporaryFolder _folder = new();
    private readonly List<MachineDisk> _disks = [];

    public void Dispose()
    {
        _disks.ForEach(disk => disk.Dispose());
        _folder.Dispose();
    }

    [Fact]
    public void Find_DiskWithoutABootSector_NamesIt()
    {
        Add(new DiskSpec { Path = _folder.Write("empty.raw", new byte[1 << 20]), Bus = DiskBus.Ide });

        string said = Assert.Single(BootCheck.Find(_disks));

        Assert.Contains("empty.raw has no boot sector", said, StringComparison.Ordinal);
        Assert.Contains("--cdrom", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Find_EmptyDiskBesideADiscThatStarts_SaysNothing()
    {
        Add(new DiskSpec { Path = _folder.Write("empty.raw", new byte[1 << 20]), Bus = DiskBus.Ide });
        Add(DiskSpec.Disc(_folder.Write("install.iso", Disc(blocks: 40, isBootable: true))));

        Assert.Empty(BootCheck.Find(_disks));
    }

    [Fact]
    public void Find_BootSector_SaysNothing()
    {
        byte[] disk = new byte[1 << 20];
        (disk[510], disk[511]) = (0x55, 0xAA);
        Add(new DiskSpec { Path = _folder.Write("disk.raw", disk), Bus = DiskBus.Nvme });

        Assert.Empty(BootCheck.Find(_disks));
    }

    [Fact]
    public void Find_DiscOfData_HasNoBootRecord()
    {
        Add(DiskSpec.Disc(_folder.Write("data.iso", Disc(blocks: 40, isBootable: false))));

        Assert.Contains("data.iso has no boot record", Assert.Single(BootCheck.Find(_disks)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(190, false)] // padding is left out at times
    [InlineData(191, true)]
    public void Find_DiscThatIsCutOff_SaysSo(int blocks, bool expected)
    {
        byte[] disc = Disc(blocks: 40, isBootable: true);
        BinaryPrimitives.WriteInt32LittleEndian(disc.AsSpan((16 * Block) + 80), blocks);
        Add(DiskSpec.Disc(_folder.Write("cut.iso", disc)));

        Assert.Equal(expected, BootCheck.Find(_disks).Any(said => said.Contains("cut.iso is cut off", StringComparison.Ordinal)));
    }

    [Fact]
    public void Find_NothingAtAll_SaysSo()
    {
        Add(DiskSpec.Disc(string.Empty));

        Assert.Contains("nothing to start.", Assert.Single(BootCheck.Find(_disks)), StringComparison.Ordinal);
    }

    private static byte[] Disc(int blocks, bool isBootable)
    {
        byte[] disc = new byte[blocks * Block];
        Span<byte> primary = disc.AsSpan(16 * Block);
        primary[0] = 1;
        Encoding.ASCII.GetBytes("CD001").CopyTo(primary[1..]);
        BinaryPrimitives.WriteInt32LittleEndian(primary[80..], blocks);
        BinaryPrimitives.WriteInt16LittleEndian(primary[128..], Block);
        Encoding.ASCII.GetBytes("\0CD001\u0001" + (isBootable ? "EL TORITO SPECIFICATION" : string.Empty)).CopyTo(disc, 17 * Block);
        return disc;
    }

    private void Add(DiskSpec spec) => _disks.Add(MachineDisk.Open(spec));
}
