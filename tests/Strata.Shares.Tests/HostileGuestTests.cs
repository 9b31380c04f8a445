using Strata.Core.Sharing;
using Strata.Shares.Tests.Harness;

namespace Strata.Shares.Tests;

/// <summary>A guest that wants out of the folder, or more than its part of the host.</summary>
public sealed class HostileGuestTests : IDisposable
{
    private static readonly FileOwner Owner = new(0, 0);

    private readonly SharedTree _tree = new();

    public static TheoryData<string> BadNames => ["", ".", "..", "a/b", "/etc/passwd", "../secret", "a\0b", new string('x', 256)];

    public void Dispose() => _tree.Dispose();

    [Theory]
    [MemberData(nameof(BadNames))]
    public void Names_NoSingleComponent_AreRefusedEverywhere(string name)
    {
        Directory.CreateDirectory(_tree.PathOf("a"));
        _tree.Write("a/b", "");
        _tree.Write("file", "");
        byte[] bytes = SharedTree.Bytes(name);
        Errno expected = bytes.Length > 255 ? Errno.ENAMETOOLONG : Errno.EINVAL;
        HostFolder share = _tree.Share;
        ulong file = _tree.NodeOf("file");

        Assert.Equal(expected, share.Lookup(IFileShare.Root, bytes, out _));
        Assert.Equal(expected, share.Create(IFileShare.Root, bytes, OpenMode.Write, 0x1A4, Owner, out _, out _));
        Assert.Equal(expected, share.MakeFolder(IFileShare.Root, bytes, 0x1ED, Owner, out _));
        Assert.Equal(expected, share.MakeNode(IFileShare.Root, bytes, 0x8000, Owner, out _));
        Assert.Equal(expected, share.MakeSymbolicLink(IFileShare.Root, bytes, "x"u8, Owner, out _));
        Assert.Equal(expected, share.Link(file, IFileShare.Root, bytes, out _));
        Assert.Equal(expected, share.Unlink(IFileShare.Root, bytes));
        Assert.Equal(expected, share.RemoveFolder(IFileShare.Root, bytes));
        Assert.Equal(expected, share.Rename(IFileShare.Root, bytes, IFileShare.Root, "x"u8, RenameMode.Replace));
        Assert.Equal(expected, share.Rename(IFileShare.Root, "file"u8, IFileShare.Root, bytes, RenameMode.Replace));
        Assert.Equal(["a", "file"], Directory.EnumerateFileSystemEntries(_tree.Root).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void SymbolicLink_ToTheOutside_IsNeverFollowed()
    {
        File.CreateSymbolicLink(_tree.PathOf("file"), _tree.SecretPath);
        Directory.CreateSymbolicLink(_tree.PathOf("folder"), _tree.Outside);
        ulong file = _tree.NodeOf("file");
        ulong folder = _tree.NodeOf("folder");

        Assert.Equal(Errno.ELOOP, _tree.Share.Open(file, OpenMode.Read, out _, out _));
        Assert.Equal(
            Errno.ELOOP, _tree.Share.Create(IFileShare.Root, "file"u8, OpenMode.Write | OpenMode.Truncate, 0x1A4, Owner, out _, out _));
        Assert.Equal(Errno.ENOTDIR, _tree.Share.OpenFolder(folder, out _));
        Assert.Equal(Errno.ENOTDIR, _tree.Lookup(folder, "secret", out _));
        Assert.Equal(Errno.ENOTDIR, _tree.Share.Create(folder, "new"u8, OpenMode.Write, 0x1A4, Owner, out _, out _));
        Assert.Equal(Errno.EINVAL, _tree.Share.SetAttributes(file, new AttributeChange { Size = 0 }, out _));
        Assert.Equal(Errno.EOPNOTSUPP, _tree.Share.SetAttributes(file, new AttributeChange { Mode = 0x1FF }, out _));
        Assert.Equal(Errno.None, _tree.Share.SetAttributes(file, Touch(1000), out _));
        Assert.NotEqual(1000, new DateTimeOffset(File.GetLastWriteTimeUtc(_tree.SecretPath)).ToUnixTimeSeconds());
        Assert.Equal(SharedTree.Secret, File.ReadAllText(_tree.SecretPath));
    }

    [Fact]
    public void Folder_ReplacedByALinkAfterTheLookup_StaysTheOldFolder()
    {
        Directory.CreateDirectory(_tree.PathOf("folder"));
        ulong folder = _tree.NodeOf("folder");
        Directory.Move(_tree.PathOf("folder"), _tree.PathOf("moved"));
        Directory.CreateSymbolicLink(_tree.PathOf("folder"), _tree.Outside);

        Assert.Equal(Errno.ENOENT, _tree.Lookup(folder, "secret", out _));
        Assert.Equal(Errno.None, _tree.Share.Create(folder, "new"u8, OpenMode.Write, 0x1A4, Owner, out _, out _));

        Assert.True(File.Exists(_tree.PathOf("moved/new")));
    }

    [Fact]
    public void Folder_SwappedForALinkAllTheTime_NothingLeaves()
    {
        using SharedTree tree = new(held: 1); // nodes are found again by name at nearly every step
        Directory.CreateDirectory(tree.PathOf("real"));
        File.WriteAllText(tree.PathOf("real/secret"), "inside");
        Directory.CreateSymbolicLink(tree.PathOf("link"), tree.Outside);
        using CancellationTokenSource stop = new();
        Thread swapper = new(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Directory.Move(tree.PathOf("real"), tree.PathOf("x"));
                Directory.Move(tree.PathOf("link"), tree.PathOf("real"));
                Directory.Move(tree.PathOf("real"), tree.PathOf("link"));
                Directory.Move(tree.PathOf("x"), tree.PathOf("real"));
            }
        });
        swapper.Start();
        int opened = 0;
        byte[] buffer = new byte[100];
        for (int i = 0; i < 20_000; i++)
        {
            if (tree.Lookup(IFileShare.Root, "real", out FileEntry folder) == Errno.None
                && tree.Lookup(folder.Node, "secret", out FileEntry file) == Errno.None
                && tree.Share.Open(file.Node, OpenMode.Read, out ulong handle, out _) == Errno.None)
            {
                tree.Share.Read(handle, 0, buffer, out int count);
                Assert.Equal("inside"u8, buffer.AsSpan(0, count));
                tree.Share.Close(handle);
                opened++;
            }
        }

        stop.Cancel();
        swapper.Join();
        Assert.NotEqual(0, opened);
    }

    [Fact]
    public void Open_FifoOrSocket_IsRefusedWithoutBlocking()
    {
        Assert.Equal(Errno.None, _tree.Share.MakeNode(IFileShare.Root, "fifo"u8, 0x11B6, Owner, out FileEntry fifo));

        Assert.Equal(Errno.ENXIO, _tree.Share.Open(fifo.Node, OpenMode.Read, out _, out _));
        Assert.Equal(Errno.ENXIO, _tree.Share.Create(IFileShare.Root, "fifo"u8, OpenMode.Write, 0x1A4, Owner, out _, out _));
    }

    [Theory]
    [InlineData(0x2000U)]
    [InlineData(0x6000U)]
    [InlineData(0x4000U)]
    [InlineData(0xA000U)]
    public void MakeNode_DeviceOrOtherKind_IsRefused(uint kind)
    {
        Assert.Equal(Errno.EPERM, _tree.Share.MakeNode(IFileShare.Root, "node"u8, kind | 0x1B6, Owner, out _));

        Assert.Empty(Directory.EnumerateFileSystemEntries(_tree.Root));
    }

    [Fact]
    public void SetUserIdBits_Anywhere_AreDropped()
    {
        _tree.Share.Create(IFileShare.Root, "created"u8, OpenMode.Write, 0xDED, Owner, out FileEntry created, out _);
        _tree.Share.MakeNode(IFileShare.Root, "made"u8, 0x8DED, Owner, out FileEntry made);
        _tree.Share.SetAttributes(created.Node, new AttributeChange { Mode = 0xDED }, out NodeAttributes changed);

        Assert.Equal((0x81EDU, 0x81EDU, 0x81EDU), (created.Attributes.Mode, made.Attributes.Mode, changed.Mode));
    }

    [Fact]
    public void ReadOnlyShare_EveryChange_IsRefused()
    {
        using SharedTree tree = new(readOnly: true);
        tree.Write("file", "content");
        ulong file = tree.NodeOf("file");
        HostFolder share = tree.Share;

        Errno[] errors =
        [
            share.Open(file, OpenMode.Write, out _, out _),
            share.Open(file, OpenMode.Read | OpenMode.Truncate, out _, out _),
            share.Create(IFileShare.Root, "new"u8, OpenMode.Read, 0x1A4, Owner, out _, out _),
            share.Create(IFileShare.Root, "file"u8, OpenMode.Write | OpenMode.Truncate, 0x1A4, Owner, out _, out _),
            share.MakeFolder(IFileShare.Root, "new"u8, 0x1ED, Owner, out _),
            share.MakeNode(IFileShare.Root, "new"u8, 0x8000, Owner, out _),
            share.MakeSymbolicLink(IFileShare.Root, "new"u8, "x"u8, Owner, out _),
            share.Link(file, IFileShare.Root, "new"u8, out _),
            share.Unlink(IFileShare.Root, "file"u8),
            share.RemoveFolder(IFileShare.Root, "file"u8),
            share.Rename(IFileShare.Root, "file"u8, IFileShare.Root, "new"u8, RenameMode.Replace),
            share.SetAttributes(file, new AttributeChange { Size = 0 }, out _),
            share.SetAttributes(file, Touch(5), out _),
        ];

        Assert.All(errors, error => Assert.Equal(Errno.EROFS, error));
        Assert.Equal("content", File.ReadAllText(tree.PathOf("file")));
        Assert.Equal(Errno.None, share.Open(file, OpenMode.Read, out _, out _));
    }

    [Fact]
    public void Nodes_MoreThanAllowed_AreRefusedUntilSomeAreForgotten()
    {
        using SharedTree tree = new(nodes: 3);
        tree.Write("a", "");
        tree.Write("b", "");
        tree.Write("c", "");
        ulong a = tree.NodeOf("a");
        tree.NodeOf("b");

        Assert.Equal(Errno.ENFILE, tree.Lookup(IFileShare.Root, "c", out _));
        tree.Share.Forget(a, ulong.MaxValue);
        Assert.Equal(Errno.None, tree.Lookup(IFileShare.Root, "c", out _));
        Assert.Equal(3, tree.Share.NodeCount);
    }

    [Fact]
    public void Handles_MoreThanAllowed_AreRefused()
    {
        using SharedTree tree = new(handles: 2);
        tree.Write("a", "");
        ulong node = tree.NodeOf("a");
        tree.Share.Open(node, OpenMode.Read, out _, out _);
        tree.Share.OpenFolder(IFileShare.Root, out ulong folder);

        Assert.Equal(Errno.ENFILE, tree.Share.Open(node, OpenMode.Read, out _, out _));
        Assert.Equal(Errno.ENFILE, tree.Share.OpenFolder(IFileShare.Root, out _));
        Assert.Equal(Errno.ENFILE, tree.Share.Create(IFileShare.Root, "new"u8, OpenMode.Write, 0x1A4, Owner, out _, out _));
        tree.Share.Close(folder);
        Assert.Equal(Errno.None, tree.Share.Open(node, OpenMode.Read, out _, out _));
        Assert.False(File.Exists(tree.PathOf("new")));
    }

    [Fact]
    public void Files_BehindTheLargestSize_AreRefused()
    {
        using SharedTree tree = new(fileSize: 1000);
        tree.Write("a", new string('x', 998));
        ulong handle = tree.OpenFile("a", OpenMode.Write);
        ulong appending = tree.OpenFile("a", OpenMode.Write | OpenMode.Append);
        HostFolder share = tree.Share;

        Assert.Equal(Errno.EFBIG, share.Write(handle, 998, "abc"u8, cached: false, out _));
        Assert.Equal(Errno.EFBIG, share.Write(handle, ulong.MaxValue, "abc"u8, cached: true, out _));
        Assert.Equal(Errno.EFBIG, share.Write(appending, 0, "abc"u8, cached: false, out _));
        Assert.Equal(Errno.EFBIG, share.Allocate(handle, 0, 0, 1001));
        Assert.Equal(Errno.EFBIG, share.SetAttributes(tree.NodeOf("a"), new AttributeChange { Size = 1001 }, out _));
        Assert.Equal(Errno.None, share.Write(appending, 0, "ab"u8, cached: false, out _));
        Assert.Equal(1000, new FileInfo(tree.PathOf("a")).Length);
    }

    [Fact]
    public void DeepFolders_FewDescriptors_AreFoundAgain()
    {
        using SharedTree tree = new(held: 2, nodes: 5000);
        List<ulong> nodes = [IFileShare.Root];
        for (int i = 0; i < 2000; i++)
        {
            Assert.Equal(Errno.None, tree.Share.MakeFolder(nodes[^1], "deep"u8, 0x1ED, Owner, out FileEntry entry));
            nodes.Add(entry.Node);
        }

        Assert.Equal(Errno.None, tree.Share.GetAttributes(nodes[1000], out _));
        Assert.Equal(Errno.None, tree.Share.GetAttributes(nodes[^1], out _));
        RemoveDeep(tree, nodes);
    }

    [Fact]
    public void Node_OfAnotherFileUnderTheOldName_IsStale()
    {
        using SharedTree tree = new(held: 1);
        tree.Write("a", "old");
        ulong node = tree.NodeOf("a");
        tree.Write("b", "");
        tree.NodeOf("b");
        tree.NodeOf("b"); // "a" is let go now
        File.Move(tree.PathOf("b"), tree.PathOf("a"), overwrite: true);

        Assert.Equal(Errno.ESTALE, tree.Share.GetAttributes(node, out _));
        Assert.Equal(Errno.ESTALE, tree.Share.Open(node, OpenMode.Write | OpenMode.Truncate, out _, out _));
    }

    [Fact]
    public void Numbers_NobodyGaveOut_AreErrors()
    {
        byte[] buffer = new byte[10];

        Assert.Equal(Errno.ESTALE, _tree.Share.GetAttributes(0, out _));
        Assert.Equal(Errno.ESTALE, _tree.Share.GetAttributes(ulong.MaxValue, out _));
        Assert.Equal(Errno.EBADF, _tree.Share.Read(7, 0, buffer, out _));
        Assert.Equal(Errno.EBADF, _tree.Share.SeekFolder(7, 0));
        Assert.Equal(Errno.EBADF, _tree.Share.ReadFolder(7, out _, out _));
        _tree.Share.Close(7);
        _tree.Share.Forget(99, 1);
        _tree.Share.Forget(IFileShare.Root, 1);
        Assert.Equal(Errno.None, _tree.Share.GetAttributes(IFileShare.Root, out _));
    }

    [Fact]
    public void Reset_OpenFiles_LeavesNothing()
    {
        _tree.Write("a", "");
        ulong handle = _tree.OpenFile("a", OpenMode.Read);

        _tree.Share.Reset();

        Assert.Equal((1, 0), (_tree.Share.NodeCount, _tree.Share.HandleCount));
        Assert.Equal(Errno.EBADF, _tree.Share.Read(handle, 0, new byte[1], out _));
    }

    [Fact]
    public void Forget_EveryNode_LeavesNoDescriptor()
    {
        int before = Descriptors();
        Assert.NotEqual(0, before); // the root
        Directory.CreateDirectory(_tree.PathOf("x/y"));
        ulong x = _tree.NodeOf("x");
        ulong y = _tree.NodeOf("x/y");

        _tree.Share.Forget(x, 2); // the parent first
        _tree.Share.Forget(y, 1);

        Assert.Equal(1, _tree.Share.NodeCount);
        Assert.Equal(before, Descriptors());
    }

    /// <summary>Open descriptors in this tree. One that another test closes meanwhile has no target.</summary>
    private int Descriptors() => Directory.EnumerateFileSystemEntries("/proc/self/fd")
        .Count(
            link => new FileInfo(link).LinkTarget is { } target && target.StartsWith(_tree.PathOf(string.Empty), StringComparison.Ordinal));

    private static AttributeChange Touch(long seconds) => new()
    {
        ChangeModificationTime = TimeChange.Value,
        ModificationTime = new FileTime(seconds, 0),
    };

    private static void RemoveDeep(SharedTree tree, List<ulong> nodes)
    {
        for (int i = nodes.Count - 2; i >= 0; i--)
        {
            Assert.Equal(Errno.None, tree.Share.RemoveFolder(nodes[i], "deep"u8));
            tree.Share.Forget(nodes[i + 1], 1);
        }
    }
}
