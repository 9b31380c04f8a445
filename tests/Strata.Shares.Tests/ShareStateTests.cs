using Strata.Core.Sharing;
using Strata.Core.State;
using Strata.Shares.Tests.Harness;

namespace Strata.Shares.Tests;

/// <summary>What a guest knows of a share is saved and taken over by another opening of the same folder.</summary>
public sealed class ShareStateTests : IDisposable
{
    private static readonly FileOwner Owner = new(0, 0);

    private readonly SharedTree _tree = new();
    private HostFolder? _restored;

    public void Dispose()
    {
        _restored?.Dispose();
        _tree.Dispose();
    }

    [Fact]
    public void Load_NodesAndOpenFiles_AreUsableByTheirNumbers()
    {
        Directory.CreateDirectory(_tree.PathOf("folder/inner"));
        _tree.Write("folder/inner/file", "content");
        ulong node = _tree.NodeOf("folder/inner/file");
        ulong handle = _tree.OpenFile("folder/inner/file", OpenMode.Read | OpenMode.Write);

        HostFolder share = Restore();

        Assert.Equal(Errno.None, share.GetAttributes(node, out NodeAttributes attributes));
        Assert.Equal(7UL, attributes.Size);
        byte[] buffer = new byte[10];
        Assert.Equal(Errno.None, share.Read(handle, 0, buffer, out int count));
        Assert.Equal("content"u8, buffer.AsSpan(0, count));
        Assert.Equal(Errno.None, share.Write(handle, 0, "C"u8, cached: false, out _));
        Assert.Equal("Content", File.ReadAllText(_tree.PathOf("folder/inner/file")));
    }

    /// <summary>The guest's kernel compares the generation of what it is shown with that of what it knows.</summary>
    [Fact]
    public void Load_NodesAndHandles_HaveTheGenerationThatTheGuestKnows()
    {
        _tree.Write("file", "content");
        _tree.Lookup(IFileShare.Root, "file", out FileEntry before);

        HostFolder share = Restore();

        Assert.Equal(Errno.None, share.Lookup(IFileShare.Root, "file"u8, out FileEntry after));
        Assert.Equal((before.Node, before.Generation), (after.Node, after.Generation));
    }

    [Fact]
    public void Save_NodesThatWereGivenBack_AreNotInIt()
    {
        _tree.Write("file", "content");
        ulong node = _tree.NodeOf("file");
        _tree.Share.Forget(node, 1);

        Assert.Empty(_tree.Share.SaveState().Nodes);
    }

    [Fact]
    public void Load_OpenFolder_CanBeRead()
    {
        _tree.Write("file", "");
        Assert.Equal(Errno.None, _tree.Share.OpenFolder(IFileShare.Root, out ulong handle));

        HostFolder share = Restore();

        Assert.Equal(Errno.None, share.SeekFolder(handle, 0));
        Assert.Equal(Errno.None, share.ReadFolder(handle, out _, out ReadOnlySpan<byte> name));
        Assert.False(name.IsEmpty);
    }

    [Fact]
    public void Load_AppendingFile_StillAppends()
    {
        _tree.Write("log", "one");
        ulong handle = _tree.OpenFile("log", OpenMode.Write | OpenMode.Append);

        HostFolder share = Restore();

        Assert.Equal(Errno.None, share.Write(handle, 0, "two"u8, cached: false, out _));
        Assert.Equal("onetwo", File.ReadAllText(_tree.PathOf("log")));
    }

    [Fact]
    public void Load_TruncatingFile_IsNotTruncatedAgain()
    {
        _tree.Write("file", "old");
        ulong handle = _tree.OpenFile("file", OpenMode.Write | OpenMode.Truncate);
        _tree.Share.Write(handle, 0, "new content"u8, cached: false, out _);

        Restore();

        Assert.Equal("new content", File.ReadAllText(_tree.PathOf("file")));
    }

    [Fact]
    public void Load_NumbersGivenBefore_AreNotGivenAgain()
    {
        _tree.Write("gone", "");
        _tree.Write("new", "");
        ulong gone = _tree.NodeOf("gone");
        ulong handle = _tree.OpenFile("gone", OpenMode.Read);
        _tree.Share.Close(handle);
        _tree.Share.Forget(gone, 2);

        HostFolder share = Restore();

        Assert.Equal(Errno.None, share.Lookup(IFileShare.Root, "new"u8, out FileEntry entry));
        Assert.Equal(Errno.None, share.Open(entry.Node, OpenMode.Read, out ulong next, out _));
        Assert.True(entry.Node > gone);
        Assert.True(next > handle);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_FileThatIsGoneOrAnother_IsStale(bool replaced)
    {
        _tree.Write("file", "content");
        ulong node = _tree.NodeOf("file");
        ulong handle = _tree.OpenFile("file", OpenMode.Read);
        FileShareState state = _tree.Share.SaveState();
        File.Delete(_tree.PathOf("file"));
        Assert.Equal(replaced, replaced && _tree.Write("file", "another").Length > 0);

        HostFolder share = Restore(state);

        Assert.Equal(Errno.ESTALE, share.GetAttributes(node, out _));
        Assert.Equal(Errno.ESTALE, share.Read(handle, 0, new byte[1], out _));
        Assert.Equal(Errno.ESTALE, share.Synchronize(handle, dataOnly: false));
        Assert.Equal(Errno.ESTALE, share.FindData(handle, 0, hole: false, out _));
        share.Close(handle);
        Assert.Equal(Errno.EBADF, share.Read(handle, 0, new byte[1], out _));
    }

    [Fact]
    public void Load_FileWithoutAName_IsStale()
    {
        _tree.Write("file", "content");
        ulong handle = _tree.OpenFile("file", OpenMode.Read);
        ulong node = _tree.NodeOf("file");
        Assert.Equal(Errno.None, _tree.Share.Unlink(IFileShare.Root, "file"u8));

        HostFolder share = Restore();

        Assert.Equal(Errno.ESTALE, share.GetAttributes(node, out _));
        Assert.Equal(Errno.ESTALE, share.Read(handle, 0, new byte[1], out _));
        share.Close(handle);
        share.Forget(node, 2);
        Assert.Equal(1, share.NodeCount);
    }

    [Fact]
    public void Load_RenamedFolder_IsKnownByItsNewName()
    {
        Directory.CreateDirectory(_tree.PathOf("b"));
        ulong parent = _tree.NodeOf("b");
        Assert.Equal(Errno.None, _tree.Share.MakeFolder(IFileShare.Root, "a"u8, 0x1ED, Owner, out FileEntry later));
        Assert.Equal(Errno.None, _tree.Share.Rename(IFileShare.Root, "b"u8, later.Node, "c"u8, RenameMode.Replace));

        HostFolder share = Restore(); // its parent has the higher number now

        Assert.Equal(Errno.None, share.GetAttributes(parent, out _));
    }

    [Fact]
    public void Load_ReadOnlyShare_OpensNothingForWriting()
    {
        _tree.Write("file", "content");
        ulong handle = _tree.OpenFile("file", OpenMode.Read | OpenMode.Write);

        HostFolder share = Restore(readOnly: true);

        Assert.Equal(Errno.ESTALE, share.Write(handle, 0, "x"u8, cached: false, out _));
        Assert.Equal("content", File.ReadAllText(_tree.PathOf("file")));
    }

    [Fact]
    public void Load_SaveAgain_IsTheSame()
    {
        Directory.CreateDirectory(_tree.PathOf("folder"));
        _tree.Write("folder/file", "content");
        _tree.OpenFile("folder/file", OpenMode.Read | OpenMode.Write);
        _tree.Share.OpenFolder(_tree.NodeOf("folder"), out _);
        FileShareState state = _tree.Share.SaveState();

        HostFolder share = Restore(state);

        Assert.Equal(Bytes(state), Bytes(share.SaveState()));
        Assert.Equal(2, state.Nodes.Count);
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("../secret")]
    public void Load_NameThatLeadsElsewhere_IsRefused(string name)
    {
        _tree.Write("file", "content");
        _tree.NodeOf("file");
        FileShareState state = _tree.Share.SaveState();
        state.Nodes[0].Name = SharedTree.Bytes(name);

        Assert.Throws<StateException>(() => _tree.Share.LoadState(state));
    }

    [Fact]
    public void Load_ContradictoryRecord_IsRefusedAndNothingChanges()
    {
        _tree.Write("file", "content");
        ulong handle = _tree.OpenFile("file", OpenMode.Read);
        Action<FileShareState>[] changes =
        [
            state => state.Nodes = [state.Nodes[0], state.Nodes[0]],
            state => state.Nodes[0].Parent = 99,
            state => state.Nodes[0].Parent = state.Nodes[0].Node,
            state => state.Nodes[0].Node = IFileShare.Root,
            state => state.Nodes[0].Identity = [1],
            state => state.Nodes[0].Content = [1],
            state => state.LastNode = IFileShare.Root,
            state => state.LastHandle = 0,
            state => state.Handles[0].Node = 99,
            state => state.Handles = [state.Handles[0], state.Handles[0]],
            state => state.Nodes = [.. Enumerable.Range(0, 1000).Select(_ => state.Nodes[0])],
        ];

        Assert.All(changes, change =>
        {
            FileShareState state = _tree.Share.SaveState();
            change(state);
            Assert.Throws<StateException>(() => _tree.Share.LoadState(state));
        });

        Assert.Equal(Errno.None, _tree.Share.Read(handle, 0, new byte[1], out _));
    }

    /// <summary>A record that says of a FIFO that it is a file: opening it could wait for ever.</summary>
    [Fact]
    public void Load_KindThatIsNotTheFiles_IsStale()
    {
        Assert.Equal(Errno.None, _tree.Share.MakeNode(IFileShare.Root, "fifo"u8, 0x1180, Owner, out FileEntry entry));
        FileShareState state = _tree.Share.SaveState();
        state.Nodes[0].Kind = 0x8000;
        state.LastHandle = 1;
        state.Handles = [new SharedHandleState { Handle = 1, Node = entry.Node, IsFolder = false, Mode = OpenMode.Read }];

        HostFolder share = Restore(state);

        Assert.Equal(Errno.ESTALE, share.Read(1, 0, new byte[1], out _));
        Assert.Equal(Errno.ESTALE, share.Open(entry.Node, OpenMode.Read, out _, out _));
    }

    private static byte[] Bytes(FileShareState state)
    {
        StateWriter writer = new();
        writer.WriteRecord(state);
        return writer.ToArray();
    }

    private HostFolder Restore(FileShareState? state = null, bool readOnly = false)
    {
        byte[] bytes = Bytes(state ?? _tree.Share.SaveState());
        _restored = HostFolder.Open(_tree.Root, readOnly, new ShareLimits(1000, 100, 50, long.MaxValue));
        _restored.LoadState(new StateReader(bytes, "share").ReadRecord<FileShareState>());
        return _restored;
    }
}
