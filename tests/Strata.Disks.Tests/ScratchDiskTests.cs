using FsCheck;
using FsCheck.Fluent;

namespace Strata.Disks.Tests;

/// <summary>A writable view whose base stays as it is.</summary>
public sealed class ScratchDiskTests : IDisposable
{
    private const int SectorSize = 512;

    /// <summary>Not a whole number of clusters: the last one is short.</summary>
    private const int Size = (5 * ScratchDisk.ClusterSize) + (3 * SectorSize);

    private readonly string _folder = Directory.CreateTempSubdirectory("strata-scratch-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Read_NothingWritten_ShowsTheBase()
    {
        byte[] content = Pattern();
        using ScratchDisk disk = Open(content);

        Assert.Equal(content, ReadAll(disk));
        Assert.Equal(0, disk.ChangedBytes);
    }

    [Fact]
    public void Write_OneSector_KeepsItsNeighboursAndTheBase()
    {
        byte[] content = Pattern();
        byte[] expected = [.. content];
        byte[] sector = [.. Enumerable.Repeat((byte)0xEE, SectorSize)];
        sector.CopyTo(expected, ScratchDisk.ClusterSize + SectorSize);
        using (ScratchDisk disk = Open(content))
        {
            disk.Write(ScratchDisk.ClusterSize + SectorSize, sector);

            Assert.Equal(expected, ReadAll(disk));
            Assert.Equal(ScratchDisk.ClusterSize, disk.ChangedBytes);
        }

        Assert.Equal(content, File.ReadAllBytes(BasePath));
    }

    [Fact]
    public void Write_AnySequence_ReadsLikeAnArray()
    {
        Gen<(int First, int Count, byte Value)> write =
            from first in Gen.Choose(0, (Size / SectorSize) - 1)
            from count in Gen.Choose(1, (Size / SectorSize) - first)
            from value in Gen.Choose(0, 255)
            select (first, count, (byte)value);
        Prop.ForAll(write.ListOf().ToArbitrary(), writes =>
        {
            byte[] expected = Pattern();
            using ScratchDisk disk = Open(expected);
            foreach ((int first, int count, byte value) in writes)
            {
                byte[] data = [.. Enumerable.Repeat(value, count * SectorSize)];
                data.CopyTo(expected, first * SectorSize);
                disk.Write(first * SectorSize, data);
            }

            Assert.Equal(expected, ReadAll(disk));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Over_Disposed_LeavesNoFileBehind()
    {
        string changes = Directory.CreateDirectory(Path.Combine(_folder, "changes")).FullName;
        File.WriteAllBytes(BasePath, Pattern());
        using ScratchDisk disk = ScratchDisk.Over(RawDisk.Open(BasePath, readOnly: true), changes);
        disk.Write(0, new byte[SectorSize]);

        Assert.Empty(Directory.GetFileSystemEntries(changes));
    }

    [Fact]
    public void Over_FolderThatIsNotThere_SaysWhatToDo()
    {
        File.WriteAllBytes(BasePath, Pattern());

        IOException error = Assert.Throws<IOException>(() => ScratchDisk.Over(RawDisk.Open(BasePath, readOnly: true), Path.Combine(_folder, "none")));

        Assert.Contains("TMPDIR", error.Message, StringComparison.Ordinal);
        using RawDisk free = RawDisk.Open(BasePath); // the base is closed
        Assert.Equal(Size / SectorSize, free.Sectors);
    }

    private string BasePath => Path.Combine(_folder, "base");

    private ScratchDisk Open(byte[] content)
    {
        File.WriteAllBytes(BasePath, content);
        return ScratchDisk.Over(RawDisk.Open(BasePath, readOnly: true), _folder);
    }

    private static byte[] Pattern() => [.. Enumerable.Range(0, Size).Select(i => (byte)(i / SectorSize * 7))];

    private static byte[] ReadAll(ScratchDisk disk)
    {
        byte[] content = new byte[Size];
        disk.Read(0, content);
        return content;
    }
}
