using Strata.Core.Sharing;
using Strata.Shares.Tests.Harness;

namespace Strata.Shares.Tests;

/// <summary>Nodes that the guest comes back to with a number alone, as open_by_handle_at(2), an NFS server or fanotify do.</summary>
public sealed class FileHandleTests : IDisposable
{
    private static readonly FileOwner Owner = new(0, 0);

    private readonly SharedTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void LookupSelf_NodeThatWasGivenBack_IsTheSameFile()
    {
        Directory.CreateDirectory(_tree.PathOf("folder"));
        _tree.Write("folder/file", "content");
        ulong folder = _tree.NodeOf("folder");
        ulong node = _tree.NodeOf("folder/file");
        _tree.Share.Forget(node, 10);
        _tree.Share.Forget(folder, 10);
        Assert.Equal(1, _tree.Share.NodeCount);

        Errno error = _tree.Share.LookupSelf(node, out FileEntry entry);

        Assert.Equal((Errno.None, node, 7UL), (error, entry.Node, entry.Attributes.Size));
        Assert.Equal(3, _tree.Share.NodeCount); // and its folder
        Assert.Equal(node, _tree.NodeOf("folder/file"));
        Assert.Equal(folder, _tree.NodeOf("folder"));
    }

    [Fact]
    public void Lookup_OfANameWhoseNodeWasGivenBack_HasTheSameNumber()
    {
        _tree.Write("file", "");
        ulong node = _tree.NodeOf("file");
        _tree.Share.Forget(node, 1);

        Assert.Equal(node, _tree.NodeOf("file"));
    }

    [Fact]
    public void LookupParent_OfAFile_IsItsFolder()
    {
        Directory.CreateDirectory(_tree.PathOf("a/b"));
        ulong a = _tree.NodeOf("a");
        ulong b = _tree.NodeOf("a/b");
        _tree.Share.Forget(a, 10);

        Assert.Equal(Errno.None, _tree.Share.LookupParent(b, out FileEntry parent));
        Assert.Equal(Errno.None, _tree.Share.LookupParent(a, out FileEntry root));
        Assert.Equal(Errno.None, _tree.Share.LookupParent(IFileShare.Root, out FileEntry above));

        Assert.Equal((a, IFileShare.Root, IFileShare.Root), (parent.Node, root.Node, above.Node));
    }

    [Fact]
    public void LookupSelf_AfterARename_IsTheSameFile()
    {
        _tree.Write("old", "content");
        ulong node = _tree.NodeOf("old");
        _tree.Share.Forget(node, 1);
        _tree.NodeOf("old");
        _tree.Share.Rename(IFileShare.Root, "old"u8, IFileShare.Root, "new"u8, RenameMode.Replace);
        _tree.Share.Forget(node, 1);

        Assert.Equal(Errno.None, _tree.Share.LookupSelf(node, out FileEntry entry));
        Assert.Equal(7UL, entry.Attributes.Size);
    }

    [Fact]
    public void LookupSelf_FileThatIsGoneOrAnother_IsStale()
    {
        _tree.Write("gone", "");
        _tree.Write("replaced", "");
        ulong gone = _tree.NodeOf("gone");
        ulong replaced = _tree.NodeOf("replaced");
        _tree.Share.Forget(gone, 1);
        _tree.Share.Forget(replaced, 1);

        File.Delete(_tree.PathOf("gone"));
        _tree.Write("other", "");
        File.Move(_tree.PathOf("other"), _tree.PathOf("replaced"), overwrite: true);

        Assert.Equal(Errno.ESTALE, _tree.Share.LookupSelf(gone, out _));
        Assert.Equal(Errno.ESTALE, _tree.Share.LookupSelf(replaced, out _));
        Assert.Equal(Errno.ESTALE, _tree.Share.LookupSelf(999, out _));
        Assert.Equal(Errno.ESTALE, _tree.Share.LookupParent(999, out _));
    }

    [Fact]
    public void Unlink_OfAFileThatWasGivenBack_HoldsNothing()
    {
        _tree.Write("file", "");
        ulong node = _tree.NodeOf("file");
        _tree.Share.Forget(node, 1);

        Assert.Equal(Errno.None, _tree.Share.Unlink(IFileShare.Root, "file"u8));

        Assert.Equal(Errno.ESTALE, _tree.Share.LookupSelf(node, out _));
        Assert.Equal(1, _tree.Share.NodeCount);
    }

    /// <summary>1,000 nodes, so 62 more are remembered: those given back last.</summary>
    [Fact]
    public void Forget_MoreThanAreRemembered_DropsTheOldest()
    {
        List<ulong> nodes = [];
        for (int i = 0; i < 200; i++)
        {
            _tree.Write($"file{i}", "");
            nodes.Add(_tree.NodeOf($"file{i}"));
        }

        nodes.ForEach(node => _tree.Share.Forget(node, 1));

        Assert.Equal(1, _tree.Share.NodeCount);
        Assert.Equal(62, nodes.Count(node => _tree.Share.LookupSelf(node, out _) == Errno.None));
        Assert.Equal(Errno.None, _tree.Share.LookupSelf(nodes[^1], out _));
        Assert.Equal(Errno.ESTALE, _tree.Share.LookupSelf(nodes[0], out _));
    }

    /// <summary>Whatever order things are given back and come back in, the books agree at the end.</summary>
    [Fact]
    public void LookupsAndForgets_InAnyOrder_LeaveNothing()
    {
        using SharedTree tree = new(nodes: 160, held: 5); // ten are remembered
        Random random = new(11);
        for (int i = 0; i < 40; i++)
        {
            Directory.CreateDirectory(tree.PathOf($"d{i % 4}/e{i % 8}"));
            tree.Write($"d{i % 4}/e{i % 8}/f{i}", "");
        }

        Dictionary<ulong, ulong> references = [];
        for (int step = 0; step < 20_000; step++)
        {
            ulong node = references.Count == 0 ? IFileShare.Root : references.Keys.ElementAt(random.Next(references.Count));
            switch (random.Next(5))
            {
                case 0:
                    tree.Share.Forget(node, references.GetValueOrDefault(node));
                    references.Remove(node);
                    break;
                case 1 when tree.Share.LookupSelf((ulong)random.Next(1, 200), out FileEntry found) == Errno.None:
                    references[found.Node] = references.GetValueOrDefault(found.Node) + 1;
                    break;
                case 2:
                    byte[] one = SharedTree.Bytes($"d{random.Next(4)}");
                    byte[] other = SharedTree.Bytes($"d{random.Next(4)}");
                    tree.Share.Rename(IFileShare.Root, one, IFileShare.Root, other, RenameMode.Exchange);
                    break;
                default:
                    string name = random
                        .Next(3) switch { 0 => $"d{random.Next(4)}", 1 => $"e{random.Next(8)}", _ => $"f{random.Next(40)}" };
                    if (tree.Lookup(random.Next(2) == 0 ? IFileShare.Root : node, name, out FileEntry entry) == Errno.None)
                    {
                        references[entry.Node] = references.GetValueOrDefault(entry.Node) + 1;
                    }

                    break;
            }
        }

        foreach ((ulong node, ulong count) in references)
        {
            tree.Share.Forget(node, count);
        }

        Assert.Equal(1, tree.Share.NodeCount);
        Assert.InRange(Enumerable.Range(2, 10_000).Count(node => tree.Share.GetAttributes((ulong)node, out _) == Errno.None), 1, 10);
    }

    [Fact]
    public void Generation_OfAnotherRun_IsAnother()
    {
        _tree.Write("file", "");
        using HostFolder other = HostFolder.Open(_tree.Root);

        _tree.Lookup(IFileShare.Root, "file", out FileEntry ours);
        other.Lookup(IFileShare.Root, "file"u8, out FileEntry theirs);
        _tree.Share.LookupSelf(IFileShare.Root, out FileEntry root);

        Assert.Equal(ours.Node, theirs.Node);
        Assert.NotEqual(ours.Generation, theirs.Generation);
        Assert.Equal(0U, root.Generation); // the driver makes the root itself
    }

    [Fact]
    public void LookupSelf_AfterAReset_IsStale()
    {
        _tree.Share.MakeFolder(IFileShare.Root, "folder"u8, 0x1ED, Owner, out FileEntry folder);
        _tree.Share.Forget(folder.Node, 1);

        _tree.Share.Reset();

        Assert.Equal(Errno.ESTALE, _tree.Share.LookupSelf(folder.Node, out _));
        Assert.Equal(Errno.None, _tree.Share.LookupSelf(IFileShare.Root, out _));
    }
}
