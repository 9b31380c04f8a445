using Strata.Core.Sharing;
using Strata.Shares.Tests.Harness;

namespace Strata.Shares.Tests;

/// <summary>What a share does for a guest that behaves.</summary>
public sealed class HostFolderTests : IDisposable
{
    private static readonly FileOwner Owner = new(0, 0);

    private readonly SharedTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void Lookup_File_TellsWhatStatTells()
    {
        string path = _tree.Write("file", "content");
        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch.AddSeconds(1234567890));
        _tree.Share.SetAttributes(_tree.NodeOf("file"), new AttributeChange { Mode = 0x120 }, out _);

        Errno error = _tree.Lookup(IFileShare.Root, "file", out FileEntry entry);

        Assert.Equal(Errno.None, error);
        Assert.Equal((7UL, 0x8120U, 1U), (entry.Attributes.Size, entry.Attributes.Mode, entry.Attributes.Links));
        Assert.Equal(new FileTime(1234567890, 0), entry.Attributes.ModificationTime);
    }

    [Fact]
    public void Lookup_HardLinks_AreOneNode()
    {
        _tree.Write("one", "");
        Assert.Equal(Errno.None, _tree.Share.Link(_tree.NodeOf("one"), IFileShare.Root, "two"u8, out FileEntry entry));

        Assert.Equal(_tree.NodeOf("one"), entry.Node);
        Assert.Equal(2U, entry.Attributes.Links);
    }

    [Fact]
    public void Create_WriteAndRead_ReachTheHostsFile()
    {
        Errno error = _tree.Share.Create(
            IFileShare.Root, "new"u8, OpenMode.Read | OpenMode.Write, 0x1B6, Owner, out FileEntry entry, out ulong handle);
        Assert.Equal(Errno.None, error);

        Assert.Equal(Errno.None, _tree.Share.Write(handle, 3, "abc"u8, cached: false, out int written));
        byte[] buffer = new byte[10];
        Assert.Equal(Errno.None, _tree.Share.Read(handle, 1, buffer, out int read));

        Assert.Equal((3, 5), (written, read));
        Assert.Equal("\0\0abc"u8, buffer.AsSpan(0, read));
        Assert.Equal("\0\0\0abc", File.ReadAllText(_tree.PathOf("new")));
        Assert.Equal(0x81B6U, entry.Attributes.Mode); // whatever the umask of this process is
    }

    [Fact]
    public void Create_Existing_OpensItUnlessExclusive()
    {
        _tree.Write("old", "kept");

        Errno shared = _tree.Share.Create(IFileShare.Root, "old"u8, OpenMode.Read, 0x1A4, Owner, out FileEntry entry, out ulong handle);
        Errno exclusive = _tree.Share.Create(
            IFileShare.Root, "old"u8, OpenMode.Read | OpenMode.Exclusive, 0x1A4, Owner, out _, out _);

        Assert.Equal((Errno.None, Errno.EEXIST), (shared, exclusive));
        Assert.Equal(4UL, entry.Attributes.Size);
        Assert.NotEqual(0UL, handle);
    }

    [Fact]
    public void Open_Truncate_EmptiesTheFile()
    {
        string path = _tree.Write("file", "content");

        _tree.OpenFile("file", OpenMode.Write | OpenMode.Truncate);

        Assert.Equal(0, new FileInfo(path).Length);
    }

    [Fact]
    public void Open_Again_TellsWhetherTheContentIsTheSame()
    {
        string path = _tree.Write("file", "content");
        ulong node = _tree.NodeOf("file");
        LetATickPass();

        bool[] unchanged = [OpensUnchanged(node), OpensUnchanged(node)];
        File.WriteAllText(path, "CONTENT");
        LetATickPass();
        bool[] after = [OpensUnchanged(node), OpensUnchanged(node)];
        File.WriteAllText(path, "Content");
        bool[] soon = [OpensUnchanged(node), OpensUnchanged(node)];

        Assert.Equal([false, true], unchanged);
        Assert.Equal([false, true], after);
        Assert.Equal([false, false], soon);
    }

    [Fact]
    public void Write_AppendHandle_GoesToTheEndUnlessFromThePageCache()
    {
        string path = _tree.Write("log", "12345");
        ulong handle = _tree.OpenFile("log", OpenMode.Write | OpenMode.Append);
        File.AppendAllText(path, "host");

        _tree.Share.Write(handle, 5, "guest"u8, cached: false, out _);
        _tree.Share.Write(handle, 0, "C"u8, cached: true, out _);

        Assert.Equal("C2345hostguest", File.ReadAllText(path));
    }

    [Fact]
    public void Unlink_OpenFile_StaysReadableAndKnown()
    {
        _tree.Write("file", "content");
        ulong node = _tree.NodeOf("file");
        ulong handle = _tree.OpenFile("file", OpenMode.Read);

        Assert.Equal(Errno.None, _tree.Share.Unlink(IFileShare.Root, "file"u8));

        byte[] buffer = new byte[7];
        Assert.Equal(Errno.None, _tree.Share.Read(handle, 0, buffer, out _));
        Assert.Equal("content"u8, buffer);
        Assert.Equal(Errno.None, _tree.Share.GetAttributes(node, out NodeAttributes attributes));
        Assert.Equal(0U, attributes.Links);
        Assert.False(File.Exists(_tree.PathOf("file")));
    }

    [Theory]
    [InlineData(RenameMode.Replace, Errno.None, "one", null)]
    [InlineData(RenameMode.Keep, Errno.EEXIST, "two", "one")]
    [InlineData(RenameMode.Exchange, Errno.None, "one", "two")]
    public void Rename_NameExists_DoesAsTheModeSays(RenameMode mode, Errno expected, string second, string? first)
    {
        _tree.Write("one", "one");
        _tree.Write("two", "two");

        Errno error = _tree.Share.Rename(IFileShare.Root, "one"u8, IFileShare.Root, "two"u8, mode);

        Assert.Equal(expected, error);
        Assert.Equal(second, File.ReadAllText(_tree.PathOf("two")));
        Assert.Equal(first, File.Exists(_tree.PathOf("one")) ? File.ReadAllText(_tree.PathOf("one")) : null);
    }

    [Fact]
    public void ReadFolder_ManyNames_HasAllOfThem()
    {
        string[] names = [.. Enumerable.Range(0, 2000).Select(i => $"a-rather-long-name-of-a-file-{i:d5}")];
        foreach (string name in names)
        {
            _tree.Write(name, "");
        }

        Assert.Equal([".", "..", .. names], _tree.List(IFileShare.Root));
    }

    [Fact]
    public void ReadFolder_FromAnOffset_GoesOnBehindTheName()
    {
        _tree.Write("a", "");
        _tree.Write("b", "");
        _tree.Share.OpenFolder(IFileShare.Root, out ulong handle);
        _tree.Share.SeekFolder(handle, 0);
        _tree.Share.ReadFolder(handle, out FolderName first, out _);
        _tree.Share.ReadFolder(handle, out FolderName second, out _);

        _tree.Share.SeekFolder(handle, first.Offset);
        _tree.Share.ReadFolder(handle, out FolderName again, out _);

        Assert.Equal(second, again);
    }

    [Fact]
    public void SetAttributes_ModeSizeAndTimes_ChangeTheFile()
    {
        string path = _tree.Write("file", "content");
        AttributeChange change = new()
        {
            Mode = 0x180,
            Size = 3,
            ChangeModificationTime = TimeChange.Value,
            ModificationTime = new FileTime(1000, 500),
        };

        Errno error = _tree.Share.SetAttributes(_tree.NodeOf("file"), change, out NodeAttributes attributes);

        Assert.Equal(Errno.None, error);
        Assert.Equal((3UL, 0x8180U, new FileTime(1000, 500)), (attributes.Size, attributes.Mode, attributes.ModificationTime));
        Assert.Equal("con", File.ReadAllText(path));
    }

    [Fact]
    public void MakeSymbolicLink_Target_ReadsBackAsItIs()
    {
        Errno error = _tree.Share.MakeSymbolicLink(IFileShare.Root, "link"u8, "../../anywhere"u8, Owner, out FileEntry entry);
        Span<byte> target = stackalloc byte[4096];

        Assert.Equal(Errno.None, error);
        Assert.Equal(Errno.None, _tree.Share.ReadLink(entry.Node, target, out int length));
        Assert.Equal("../../anywhere"u8, target[..length]);
    }

    [Fact]
    public void CopyRange_BetweenFiles_CopiesOnTheHost()
    {
        _tree.Write("from", "0123456789");
        _tree.Write("to", "");
        ulong source = _tree.OpenFile("from", OpenMode.Read);
        ulong target = _tree.OpenFile("to", OpenMode.Write);

        Errno error = _tree.Share.CopyRange(source, 2, target, 1, 5, out ulong copied);

        Assert.Equal((Errno.None, 5UL), (error, copied));
        Assert.Equal("\023456", File.ReadAllText(_tree.PathOf("to")));
    }

    [Fact]
    public void Allocate_PunchHole_ReadsZeros()
    {
        string path = _tree.Write("file", new string('x', 16384));
        ulong handle = _tree.OpenFile("file", OpenMode.Write);

        Errno error = _tree.Share.Allocate(handle, 3, 4096, 8192);

        Assert.Equal(Errno.None, error);
        Assert.All(File.ReadAllBytes(path)[4096..12288], b => Assert.Equal(0, b));
    }

    [Fact]
    public void GetSpace_Share_HasTheNumbersOfItsFileSystem()
    {
        Assert.Equal(Errno.None, _tree.Share.GetSpace(out FileSystemSpace space));

        Assert.Equal(255U, space.LongestName);
        Assert.InRange(space.FreeBlocks, 1UL, space.Blocks);
    }

    [Theory]
    [InlineData("missing", "does not exist")]
    [InlineData("file", "is no folder")]
    public void Open_NoFolder_SaysWhyAndWhatToDo(string name, string reason)
    {
        _tree.Write("file", "");

        IOException error = Assert.Throws<IOException>(() => HostFolder.Open(_tree.PathOf(name)));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    private bool OpensUnchanged(ulong node)
    {
        Assert.Equal(Errno.None, _tree.Share.Open(node, OpenMode.Read, out ulong handle, out bool isUnchanged));
        _tree.Share.Close(handle);
        return isUnchanged;
    }

    /// <summary>A change just now could be followed by one in the same tick of the file system's clock.</summary>
    private static void LetATickPass()
    {
#pragma warning disable RS0030 // that clock moves by itself
        Thread.Sleep(200);
#pragma warning restore RS0030
    }
}
