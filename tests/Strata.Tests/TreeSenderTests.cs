using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text;
using Strata.Core.Posix;
using Strata.Core.Sharing;
using Strata.Shares;

namespace Strata.Tests;

/// <summary>Trees of the host on their way to a guest: what is sent is put into a folder again, as a guest's agent would.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class TreeSenderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _leftOut = [];
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(2));

    public TreeSenderTests()
    {
        Directory.CreateDirectory(Source);
        Directory.CreateDirectory(_folder.PathOf("target"));
    }

    private string Source => _folder.PathOf("source");

    private string Copy => _folder.PathOf("target/copy");

    [Fact]
    public async Task Send_FileThatAnotherHasLocked_IsSent()
    {
        File.WriteAllText(Path.Combine(Source, "locked"), "content");
        string path = Path.Combine(Source, "locked");
        using FileStream locked = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None); // flock(2), exclusive

        await CopyAsync(Source);
        await CopyAsync(Path.Combine(Source, "locked"), "alone");

        Assert.Equal("content", File.ReadAllText(Path.Combine(Copy, "locked")));
        Assert.Equal("content", File.ReadAllText(_folder.PathOf("target/alone")));
        Assert.Empty(_leftOut);
    }

    [Fact]
    public async Task Send_NamesAndTargetsThatAreNoText_ArriveAsTheyAre()
    {
        using (HostFolder share = HostFolder.Open(Source))
        {
            Assert.Equal(Errno.None, share.MakeFolder(IFileShare.Root, [.. "d"u8, 0xE9], 0x1ED, default, out FileEntry entry));
            Assert.Equal(Errno.None, share.MakeNode(entry.Node, [0xFF], 0x81A4, default, out _));
            byte[] inside = [.. "d"u8, 0xE9, (byte)'/', 0xFF];
            Assert.Equal(Errno.None, share.MakeSymbolicLink(IFileShare.Root, [.. "l"u8, 0xFE], inside, default, out _));
        }

        await CopyAsync(Source);

        using HostFolder copy = HostFolder.Open(Copy);
        Assert.Equal(Errno.None, copy.Lookup(IFileShare.Root, [.. "d"u8, 0xE9], out FileEntry folder));
        Assert.Equal(Errno.None, copy.Lookup(folder.Node, [0xFF], out _));
        Assert.Equal(Errno.None, copy.Lookup(IFileShare.Root, [.. "l"u8, 0xFE], out FileEntry link));
        byte[] target = new byte[4096];
        Assert.Equal(Errno.None, copy.ReadLink(link.Node, target, out int length));
        Assert.Equal([.. "d"u8, 0xE9, (byte)'/', 0xFF], target[..length]);
        Assert.Empty(_leftOut);
    }

    [Fact]
    public async Task Send_FileWhoseOwnNameIsNoText_IsSent()
    {
        using (HostFolder share = HostFolder.Open(Source))
        {
            Assert.Equal(Errno.None, share.MakeNode(IFileShare.Root, [.. "caf"u8, 0xE9], 0x81A4, default, out _));
        }

        await CopyAsync(ByteText.GetString([.. Encoding.UTF8.GetBytes(Source), .. "/caf"u8, 0xE9]));

        Assert.True(File.Exists(Copy));
    }

    [Fact]
    public async Task Send_TreeDeeperThanAPathCanBeLong_IsSentWhole()
    {
        const int depth = 60;
        byte[] name = [.. Enumerable.Repeat((byte)'d', 200)];
        using (HostFolder share = HostFolder.Open(Source))
        {
            ulong node = IFileShare.Root;
            for (int i = 0; i < depth; i++)
            {
                Assert.Equal(Errno.None, share.MakeFolder(node, name, 0x1ED, default, out FileEntry entry));
                node = entry.Node;
            }

            Assert.Equal(Errno.None, share.MakeNode(node, "bottom"u8, 0x81A4, default, out _));
        }

        await CopyAsync(Source);

        using HostFolder copy = HostFolder.Open(Copy);
        ulong place = IFileShare.Root;
        for (int i = 0; i < depth; i++)
        {
            Assert.Equal(Errno.None, copy.Lookup(place, name, out FileEntry entry));
            place = entry.Node;
        }

        Assert.Equal(Errno.None, copy.Lookup(place, "bottom"u8, out _));
        Assert.Empty(_leftOut);
    }

    /// <summary>These files are for writing alone: not even root may read them.</summary>
    [Fact]
    public async Task Send_EntriesThatCannotBeRead_AreNamedAndTheRestIsSent()
    {
        const string parameters = "/proc/sys/vm";
        string[] forWriting = [.. Directory.GetFiles(parameters).Where(file => File.GetUnixFileMode(file) == UnixFileMode.UserWrite)];
        Assert.NotEmpty(forWriting);

        await CopyAsync(parameters);

        Assert.Subset(_leftOut.Select(what => what.Split(": ")[0]).ToHashSet(), forWriting.ToHashSet());
        Assert.All(forWriting, file => Assert.False(File.Exists(Path.Combine(Copy, Path.GetFileName(file)))));
        Assert.True(File.Exists(Path.Combine(Copy, "overcommit_memory")));
        Assert.Equal(File.GetUnixFileMode(parameters), File.GetUnixFileMode(Copy));
    }

    [Fact]
    public async Task Send_FileThatCannotBeReadToItsEnd_IsNamedAndLeavesNothing()
    {
        await CopyAsync("/proc/self/mem"); // nothing is mapped at 0

        Assert.StartsWith("/proc/self/mem: only a part", Assert.Single(_leftOut), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.PathOf("target")));
    }

    [Fact]
    public async Task Send_FileThatCannotBeReadToItsEndToAnOlderAgent_IsAnError() =>
        await Assert.ThrowsAsync<StrataException>(
            () => new TreeSender(Stream.Null, _leftOut.Add, canBreakOff: false, _timeout.Token).SendAsync("/proc/self/mem"));

    [Fact]
    public async Task Send_PipeOfTheHost_IsRead()
    {
        string fifo = _folder.PathOf("fifo");
        using (HostFolder share = HostFolder.Open(_folder.PathOf(".")))
        {
            Assert.Equal(Errno.None, share.MakeNode(IFileShare.Root, "fifo"u8, 0x1180, default, out _));
        }

        Task writing = Task.Run(() => File.WriteAllText(fifo, "through a pipe"), _timeout.Token);
        await Task.Run(() => CopyAsync(fifo), _timeout.Token).WaitAsync(_timeout.Token);
        await writing;

        Assert.Equal("through a pipe", File.ReadAllText(Copy));
    }

    public void Dispose()
    {
        // .NET deletes neither names that are no text nor what is deeper than a path can be long.
        using Process removal = Process.Start("rm", ["-rf", Source, _folder.PathOf("target")]);
        removal.WaitForExit();
        _timeout.Dispose();
        _folder.Dispose();
    }

    private async Task CopyAsync(string path, string name = "copy")
    {
        using MemoryStream sent = new();
        await new TreeSender(sent, _leftOut.Add, canBreakOff: true, _timeout.Token).SendAsync(path);
        sent.Position = 0;
        using HostFolder target = HostFolder.Open(_folder.PathOf("target"));
        TreeReceiver receiver = new(target, Encoding.UTF8.GetBytes(name), _leftOut.Add);
        while (await AgentFrame.ReadAsync(sent, _timeout.Token) is { } frame)
        {
            switch (frame.Type)
            {
                case 'N':
                    receiver.Add(TreeNode.Parse(frame.Payload));
                    break;
                case 'D':
                    receiver.Write(frame.Payload);
                    break;
                case 'L':
                    receiver.Abandon();
                    return;
                default:
                    receiver.End();
                    break;
            }
        }

        receiver.Abandon(); // the tree's own end, without a file
    }
}
