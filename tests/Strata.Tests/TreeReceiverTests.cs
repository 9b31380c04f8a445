using System.Runtime.Versioning;
using System.Text;
using Strata.Core.Sharing;
using Strata.Shares;

namespace Strata.Tests;

/// <summary>Trees that a hostile guest sends: nothing may get out of the target folder.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class TreeReceiverTests : IDisposable
{
    private const int Seed = 815;
    private const int Rounds = 3000;

    private static readonly byte[] Name = "copy"u8.ToArray();

    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _leftOut = [];
    private readonly HostFolder _share;
    private readonly TreeReceiver _receiver;

    public TreeReceiverTests()
    {
        Directory.CreateDirectory(_folder.PathOf("target"));
        _share = HostFolder.Open(_folder.PathOf("target"));
        _receiver = new TreeReceiver(_share, Name, _leftOut.Add);
    }

    [Fact]
    public void Add_Tree_IsWrittenWithModesAndLinks()
    {
        Folder("", 0b101_101_000);
        Link("link", "sub/file");
        Folder("sub", 0b111_000_000);
        File("sub/file", "content", 0b110_100_000);
        Link("sub/up", "../sub");
        Assert.True(_receiver.End());

        Assert.Equal("content", System.IO.File.ReadAllText(Target("sub/file")));
        Assert.Equal((UnixFileMode)0b110_100_000, System.IO.File.GetUnixFileMode(Target("sub/file")));
        Assert.Equal((UnixFileMode)0b101_101_000, System.IO.File.GetUnixFileMode(Target("")));
        Assert.Equal("sub/file", new FileInfo(Target("link")).LinkTarget);
        Assert.Equal("../sub", new FileInfo(Target("sub/up")).LinkTarget);
        Assert.Empty(_leftOut);
        System.IO.File.SetUnixFileMode(Target(""), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public void Add_TreeWithTimes_IsWrittenWithThem()
    {
        FileTime folder = new(1_000_000_000, 1);
        FileTime file = new(1_234_567_890, 123_456_789);
        FileTime link = new(-86_400, 999_999_999);
        _receiver.Add(new TreeNode(0b101_000_000, 'd', [], [], folder));
        _receiver.Add(new TreeNode(0b100_000_000, 'f', "file"u8.ToArray(), [], file));
        _receiver.Write("content"u8);
        _receiver.End();
        _receiver.Add(new TreeNode(0, 'l', "link"u8.ToArray(), "file"u8.ToArray(), link));
        Assert.True(_receiver.End());

        Assert.Equal(
            [folder, file, link],
            ((string[])["", "file", "link"]).Select(path => HostFileStatus.Of(Target(path), followLink: false).Modified));
        System.IO.File.SetUnixFileMode(Target(""), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Theory]
    [InlineData("../escape")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("/escape")]
    [InlineData("sub/../../escape")]
    [InlineData("sub//escape")]
    [InlineData("sub/")]
    [InlineData("missing/escape")]
    [InlineData("file/escape")]
    [InlineData("a\0b")]
    public void Add_PathThatIsNone_IsRefused(string path)
    {
        Folder("", 0b111_000_000);
        Folder("sub", 0b111_000_000);
        File("file", "x", 0b110_000_000);

        Assert.Throws<InvalidDataException>(() => _receiver.Add(new TreeNode(0x1FF, 'f', Encoding.UTF8.GetBytes(path), [])));
        Assert.False(Path.Exists(_folder.PathOf("escape")) || Path.Exists(_folder.PathOf("target/escape")));
    }

    [Fact]
    public void Add_FileBelowALinkOfTheTarget_DoesNotFollowIt()
    {
        Directory.CreateDirectory(_folder.PathOf("outside"));
        Directory.CreateDirectory(Target(""));
        Directory.CreateSymbolicLink(Target("logs"), _folder.PathOf("outside"));
        Folder("", 0b111_000_000);

        Folder("logs", 0b111_000_000);
        File("logs/file", "x", 0b110_000_000);
        Assert.True(_receiver.End());

        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.PathOf("outside")));
        Assert.StartsWith("logs: ", Assert.Single(_leftOut), StringComparison.Ordinal);
    }

    [Fact]
    public void Add_FileOverALink_LeavesBothAndSaysSo()
    {
        string outside = MakeLinkThatLeadsOut();

        Folder("", 0b111_000_000);
        File("file", "new", 0b110_000_000);
        File("rest", "rest", 0b110_000_000);
        _receiver.End();

        Assert.Equal("untouched", System.IO.File.ReadAllText(outside));
        Assert.Equal(outside, new FileInfo(Target("file")).LinkTarget);
        Assert.Equal("rest", System.IO.File.ReadAllText(Target("rest")));
        Assert.Contains("--replace", Assert.Single(_leftOut), StringComparison.Ordinal);
    }

    [Fact]
    public void Add_FileOverALinkWhenReplacing_ReplacesTheLink()
    {
        string outside = MakeLinkThatLeadsOut();
        TreeReceiver receiver = new(_share, Name, _leftOut.Add, replaces: true);

        receiver.Add(new TreeNode(0x1C0, 'd', [], []));
        receiver.Add(new TreeNode(0x180, 'f', "file"u8.ToArray(), []));
        receiver.Write("new"u8);
        receiver.End();
        receiver.End();

        Assert.Equal("untouched", System.IO.File.ReadAllText(outside));
        Assert.Equal("new", System.IO.File.ReadAllText(Target("file")));
        Assert.Null(new FileInfo(Target("file")).LinkTarget);
    }

    [Fact]
    public void Add_FileOverAFile_KeepsItsModeAndItsOtherNames()
    {
        System.IO.File.WriteAllText(Target(""), "what was there, and longer");
        System.IO.File.SetUnixFileMode(Target(""), (UnixFileMode)0b110_100_000);
        Assert.Equal(Errno.None, _share.Lookup(IFileShare.Root, Name, out FileEntry entry));
        Assert.Equal(Errno.None, _share.Link(entry.Node, IFileShare.Root, "other"u8, out _));

        File("", "new", 0b111_111_111);
        _receiver.End();

        Assert.Equal("new", System.IO.File.ReadAllText(_folder.PathOf("target/other")));
        Assert.Equal((UnixFileMode)0b110_100_000, System.IO.File.GetUnixFileMode(Target("")));
    }

    [Fact]
    public void Add_FolderOverAFolder_KeepsItsMode()
    {
        Directory.CreateDirectory(Target("sub"));
        System.IO.File.SetUnixFileMode(Target("sub"), (UnixFileMode)0b111_101_000);

        Folder("", 0b111_000_000);
        Folder("sub", 0b111_111_111);
        _receiver.End();

        Assert.Equal((UnixFileMode)0b111_101_000, System.IO.File.GetUnixFileMode(Target("sub")));
    }

    [Fact]
    public void Add_FileOverAFolder_IsLeftOutAndTheRestIsWritten()
    {
        Directory.CreateDirectory(Target("taken"));

        Folder("", 0b101_101_000);
        File("taken", "x", 0b110_000_000);
        File("written", "y", 0b110_000_000);
        Assert.True(_receiver.End());

        Assert.StartsWith("taken: ", Assert.Single(_leftOut), StringComparison.Ordinal);
        Assert.Equal("y", System.IO.File.ReadAllText(Target("written")));
    }

    [Theory]
    [InlineData(247)]
    [InlineData(248)]
    [InlineData(255)]
    public void Add_LongestNames_AreWritten(int length)
    {
        string name = new('k', length);

        Folder("", 0b111_000_000);
        File(name, "x", 0b110_000_000);
        _receiver.End();

        Assert.Equal("x", System.IO.File.ReadAllText(Target(name)));
    }

    [Fact]
    public void LeaveOut_RestOfAFile_LeavesNothingOfIt()
    {
        Folder("", 0b111_000_000);
        _receiver.Add(new TreeNode(0x1FF, 'f', "file"u8.ToArray(), []));
        _receiver.Write("half"u8);
        _receiver.LeaveOut("file: it cannot be read");
        File("next", "whole", 0b110_000_000);
        _receiver.End();

        Assert.Equal([Target("next")], Directory.EnumerateFileSystemEntries(Target("")));
        Assert.Equal(["file: it cannot be read"], _leftOut);
    }

    [Fact]
    public void Abandon_FoldersThatWereBegun_HaveTheirModes()
    {
        Folder("", 0b111_101_101);
        Folder("sub", 0b111_101_000);

        _receiver.Abandon();

        Assert.Equal((UnixFileMode)0b111_101_101, System.IO.File.GetUnixFileMode(Target("")));
        Assert.Equal((UnixFileMode)0b111_101_000, System.IO.File.GetUnixFileMode(Target("sub")));
    }

    [Fact]
    public void Add_FolderThatWasLeft_IsRefused()
    {
        Folder("", 0b111_000_000);
        Folder("one", 0b111_000_000);
        Folder("two", 0b111_000_000);

        Assert.Throws<InvalidDataException>(() => File("one/late", "x", 0b110_000_000));
    }

    [Fact]
    public void Add_FileBelowALinkOfTheSameTree_IsRefused()
    {
        Folder("", 0b111_000_000);
        Link("out", "..");

        Assert.Throws<InvalidDataException>(() => File("out/escape", "x", 0b110_000_000));
        Assert.True(_receiver.End());
        Assert.False(Path.Exists(Target("out")));
        Assert.Single(_leftOut);
    }

    [Fact]
    public void Add_SetUserId_IsDropped()
    {
        File("", "x", 0b100_111_101_101);

        Assert.Equal((UnixFileMode)0b111_101_101, System.IO.File.GetUnixFileMode(Target("")));
    }

    [Fact]
    public void Abandon_HalfAFile_LeavesNothing()
    {
        Folder("", 0b111_000_000);
        _receiver.Add(new TreeNode(0x1FF, 'f', "file"u8.ToArray(), []));
        _receiver.Write("half"u8);

        _receiver.Abandon();

        Assert.Empty(Directory.EnumerateFileSystemEntries(Target("")));
    }

    [Theory]
    [InlineData("l", "file", true)]
    [InlineData("l", "./a//b", true)]
    [InlineData("a/b/l", "../../c", true)]
    [InlineData("a/l", "..", true)]
    [InlineData("l", "..", false)]
    [InlineData("a/l", "../../c", false)]
    [InlineData("l", "a/../../c", false)]
    [InlineData("a/l", "b/..", false)]
    [InlineData("l", "/etc/passwd", false)]
    [InlineData("l", "", false)]
    public void StaysInside_Link_FollowsTheRule(string path, string target, bool expected) =>
        Assert.Equal(expected, TreeReceiver.StaysInside(Encoding.UTF8.GetBytes(path), Encoding.UTF8.GetBytes(target)));

    [Fact]
    public void Receiver_RandomTrees_NeverLeaveTheTarget()
    {
        Random random = new(Seed);
        string[] parts = ["a", "b", "..", ".", "", "/", "a/b", "../..", "a/..", "x\0y"];
        string canary = _folder.Write("canary", "alive"u8);
        for (int i = 0; i < Rounds; i++)
        {
            TreeReceiver receiver = new(_share, Name, _ => { });
            try
            {
                receiver.Add(new TreeNode(0x1C0, 'd', [], []));
                for (int node = 0; node < 5; node++)
                {
                    string path = string.Join('/', Enumerable.Range(0, random.Next(1, 4)).Select(_ => parts[random.Next(parts.Length)]));
                    string link = string.Join('/', Enumerable.Range(0, random.Next(1, 4)).Select(_ => parts[random.Next(parts.Length)]));
                    char kind = "dfl"[random.Next(3)];
                    receiver.Add(new TreeNode(0x1C0, kind, Encoding.UTF8.GetBytes(path), Encoding.UTF8.GetBytes(link)));
                    if (kind == 'f')
                    {
                        receiver.Write("evil"u8);
                        receiver.End();
                    }
                }

                receiver.End();
            }
            catch (Exception error) when (error is InvalidDataException or StrataException)
            {
                receiver.Abandon();
            }
        }

        Assert.Equal("alive", System.IO.File.ReadAllText(canary));
        Assert.Equal(
            [canary, _folder.PathOf("target")],
            Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(canary)!).Order(StringComparer.Ordinal));
        Assert.Equal([Target("")], Directory.EnumerateFileSystemEntries(_folder.PathOf("target")));
        Assert.All(
            Directory.EnumerateFileSystemEntries(
                Target(""), "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }),
            entry => Assert.StartsWith(Target(""), Path.GetFullPath(entry), StringComparison.Ordinal));
    }

    [Fact]
    public void Parse_RandomNodes_AreNodesOrInvalidData()
    {
        Random random = new(Seed);
        byte[] good = new TreeNode(0x1ED, 'l', "path"u8.ToArray(), "target"u8.ToArray()).ToBytes();
        int refused = 0;
        for (int i = 0; i < Rounds; i++)
        {
            byte[] bytes = good[..random.Next(good.Length + 1)];
            if (bytes.Length > 0)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            try
            {
                Assert.InRange(TreeNode.Parse(bytes).Path.Length, 0, bytes.Length);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, Rounds / 2, Rounds - 1);
    }

    [Fact]
    public void Parse_WhatWasWritten_ComesBack()
    {
        TreeNode node = TreeNode.Parse(new TreeNode(0x1ED, 'l', "path"u8.ToArray(), "target"u8.ToArray()).ToBytes());

        Assert.Equal(
            (0x1EDU, 'l', "path", "target"),
            (node.Mode, node.Kind, Encoding.UTF8.GetString(node.Path), Encoding.UTF8.GetString(node.Target)));
    }

    [Theory]
    [InlineData(0L, 0U)]
    [InlineData(long.MinValue, 999_999_999U)]
    public void Parse_NodeWithATime_ComesBack(long seconds, uint nanoseconds)
    {
        FileTime time = new(seconds, nanoseconds);

        Assert.Equal(time, TreeNode.Parse(new TreeNode(0, 'f', "path"u8.ToArray(), [], time).ToBytes()).Modified);
    }

    [Fact]
    public void Parse_TimeThatIsNone_IsInvalidData()
    {
        Assert.Null(TreeNode.Parse(new TreeNode(0, 'f', "path"u8.ToArray(), []).ToBytes()).Modified); // of an older agent
        Assert.Throws<InvalidDataException>(
            () => TreeNode.Parse(new TreeNode(0, 'f', "path"u8.ToArray(), [], new FileTime(0, 1_000_000_000)).ToBytes()));
        Assert.Throws<InvalidDataException>(
            () => TreeNode.Parse([.. new TreeNode(0, 'f', "path"u8.ToArray(), [], new FileTime(0, 0)).ToBytes(), 0]));
    }

    public void Dispose()
    {
        _share.Dispose();
        _folder.Dispose();
    }

    private string MakeLinkThatLeadsOut()
    {
        string outside = _folder.Write("outside", "untouched"u8);
        Directory.CreateDirectory(Target(""));
        System.IO.File.CreateSymbolicLink(Target("file"), outside);
        return outside;
    }

    private string Target(string path) => Path.TrimEndingDirectorySeparator(Path.Combine(_folder.PathOf("target"), "copy", path));

    private void Folder(string path, uint mode) => _receiver.Add(new TreeNode(mode, 'd', Encoding.UTF8.GetBytes(path), []));

    private void Link(string path, string target) =>
        _receiver.Add(new TreeNode(0x1FF, 'l', Encoding.UTF8.GetBytes(path), Encoding.UTF8.GetBytes(target)));

    private void File(string path, string content, uint mode)
    {
        _receiver.Add(new TreeNode(mode, 'f', Encoding.UTF8.GetBytes(path), []));
        _receiver.Write(Encoding.UTF8.GetBytes(content));
        Assert.False(_receiver.End());
    }
}
