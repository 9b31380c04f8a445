using System.Globalization;
using System.Net;
using System.Runtime.Versioning;
using Strata.EndToEnd.Tests.Harness;
using Strata.Networking.Nat;
using Strata.Networking.Switching;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>Clones of a running Debian guest in one process: they go on where it is, and are machines of their own.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class CloneTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const string WhoAmI =
        "hostname; cat /sys/class/net/eth0/address; ip addr show eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'; head -c 32 /dev/urandom " +
        "| hexdump -v -e '/1 \"%02x\"'; echo; date +%s; cat /tmp/mark";

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    private MachineSpec Spec => guest.SpecWithAgent with
    {
        Name = "parent",
        Engine = Engine.Translator,
        Networks = [
            NetworkCard.User(new UserNetworkOptions { Forwards = [new PortForward(TransportProtocol.Tcp, IPAddress.Loopback, 0, 22)] })],
    };

    [Fact]
    public async Task ForkAsync_SeveralClones_AreMachinesOfTheirOwn()
    {
        await using VirtualMachine parent = await StartAsync(Spec);
        await RunAsync(parent, "echo before > /tmp/mark");
        string address = await RunAsync(parent, "cat /sys/class/net/eth0/address");

        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, 3);

        try
        {
            await RunAsync(parent, "echo after > /tmp/mark");
            string[][] all = await Task.WhenAll(clones.Select(async clone => (await RunAsync(clone, WhoAmI)).Split('\n')));
            Assert.All(clones, clone => Assert.True(clone.IdentityFailure is null, clone.IdentityFailure));
            Assert.Equal(["parent-1", "parent-2", "parent-3"], all.Select(clone => clone[0]));
            Assert.Equal(4, all.Select(clone => clone[1]).Append(address.Trim()).Distinct().Count());
            Assert.All(all, clone => Assert.Equal("10.0.2.15", clone[2]));
            Assert.Equal(3, all.Select(clone => clone[3]).Distinct().Count());
            Assert.All(all, clone => Assert.InRange(
                long.Parse(clone[4], CultureInfo.InvariantCulture) - DateTimeOffset.UtcNow.ToUnixTimeSeconds(), -30, 1));
            Assert.All(all, clone => Assert.Equal("before", clone[5]));
            Assert.Equal(4, clones.Append(parent).Select(machine => machine.GenerationId).Distinct().Count());
            Assert.Equal(4, clones.Append(parent).Select(machine => machine.ForwardedPorts[0].HostEndPoint.Port).Distinct().Count());
            Assert.Equal(
                "after\nparent\n",
                (await RunAsync(parent, "cat /tmp/mark; hostname")).Replace("debian-tiny", "parent", StringComparison.Ordinal));
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    /// <summary>A lease for the new address: the network knows the clone, which reaches the router.</summary>
    [Fact]
    public async Task ForkAsync_Clone_ReachesItsNetwork()
    {
        await using VirtualMachine parent = await StartAsync(Spec);

        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, 1);

        try
        {
            Assert.Contains("10.0.2.2", await RunAsync(clones[0], "ip route; ping -c 1 -W 5 10.0.2.2 >/dev/null && echo reached"));
            Assert.Contains("reached", await RunAsync(clones[0], "ping -c 1 -W 5 10.0.2.2 >/dev/null && echo reached"));
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    [Fact]
    public async Task ForkAsync_OfAClone_WorksAsOfItsParent()
    {
        await using VirtualMachine parent = await StartAsync(Spec);
        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, 1);
        await RunAsync(clones[0], "echo child > /tmp/mark");

        IReadOnlyList<VirtualMachine> grandchildren = await ForkAsync(clones[0], 2);

        try
        {
            await DisposeAllAsync(clones);
            Assert.Equal("child\nparent-1-2\n", await RunAsync(grandchildren[1], "cat /tmp/mark; hostname"));
        }
        finally
        {
            await DisposeAllAsync(grandchildren);
        }
    }

    /// <summary>The machine's own file is its own: what a clone writes lies over what it held at the fork.</summary>
    [Fact]
    public async Task ForkAsync_WithADisk_SharesWhatWasWrittenAndNothingAfterwards()
    {
        using TemporaryFolder folder = new();
        string disk = Path.Combine(folder.Root, "disk.raw");
        await File.WriteAllBytesAsync(disk, new byte[1 << 20], _timeout.Token);
        await using VirtualMachine parent = await StartAsync(Spec with { Disks = [new DiskSpec { Path = disk, Format = "raw" }] });
        await RunAsync(parent, "printf shared | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null");

        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, 2);

        try
        {
            await RunAsync(clones[0], "printf cloned | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null");
            const string read = "echo 3 > /proc/sys/vm/drop_caches; head -c 6 /dev/vda";
            Assert.Equal("cloned", await RunAsync(clones[0], read));
            Assert.Equal("shared", await RunAsync(clones[1], read));
            Assert.Equal("shared", await RunAsync(parent, read));
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    /// <summary>A switch of this process joins the machine and its clones: each has an address of its own there.</summary>
    [Fact]
    public async Task ForkAsync_OnASwitch_ClonesReachEachOther()
    {
        using VirtualSwitch network = new();
        await using VirtualMachine parent = await VirtualMachine.StartAsync(
            Spec with { Networks = [NetworkCard.Attached("lan")] },
            new MachineAttachments { Networks = new Dictionary<string, NetworkAttachment> { ["lan"] = NetworkAttachment.PortOf(network) } },
            _timeout.Token);
        await parent.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await RunAsync(parent, "true");

        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, 2);

        try
        {
            Assert.All(clones, clone => Assert.True(clone.IdentityFailure is null, clone.IdentityFailure));
            await RunAsync(parent, "ip addr add 192.168.7.1/24 dev eth0");
            await RunAsync(clones[0], "ip addr add 192.168.7.2/24 dev eth0");
            await RunAsync(clones[1], "ip addr add 192.168.7.3/24 dev eth0");
            Assert.Equal(
                "both\n",
                await RunAsync(clones[0], "ping -c 1 -W 9 192.168.7.1 >/dev/null && ping -c 1 -W 9 192.168.7.3 >/dev/null && echo both"));
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    [Fact]
    public async Task CreateForkPointAsync_Again_StoresWhatChangedAndKeepsOnlyTheNewest()
    {
        await using VirtualMachine parent = await StartAsync(Spec);
        ForkPoint first = await parent.CreateForkPointAsync(_timeout.Token);
        string folder = first.Store.Folder;
        long stored = StoredBytes(folder);
        await first.DisposeAsync();

        await using (ForkPoint second = await parent.CreateForkPointAsync(_timeout.Token))
        {
            Assert.Equal(folder, second.Store.Folder);
            Assert.False(Directory.Exists(Path.Combine(folder, first.Name)));
            Assert.InRange(StoredBytes(folder), stored, stored + (stored / 4));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
        }

        await parent.DisposeAsync();
        Assert.False(Directory.Exists(folder));
    }

    /// <summary>Clones begin in another set than the machine's snapshots, and both go on from their own last one.</summary>
    [Fact]
    public async Task CreateSnapshotAsync_BehindAFork_StoresWhatChangedSinceTheOneBefore()
    {
        using TemporaryFolder folder = new();
        string disk = folder.Write("disk.raw", new byte[4 << 20]);
        SnapshotStore store = new(folder.PathOf("set"));
        await using VirtualMachine parent = await StartAsync(Spec with { Disks = [new DiskSpec { Path = disk, Format = "raw" }] });
        await RunAsync(parent, "dd if=/dev/urandom of=/dev/vda bs=64k count=64 conv=notrunc,fsync 2>/dev/null");
        SnapshotReport first = await parent.CreateSnapshotAsync(new SnapshotRequest { Name = "first" }, store, _timeout.Token);
        await RunAsync(parent, "printf before | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null");
        await (await parent.CreateForkPointAsync(_timeout.Token)).DisposeAsync();
        await RunAsync(parent, "printf behind | dd of=/dev/vda bs=1 seek=1048576 conv=notrunc,fsync 2>/dev/null");

        SnapshotReport second = await parent.CreateSnapshotAsync(new SnapshotRequest { Name = "second" }, store, _timeout.Token);

        Assert.InRange(second.MemoryStored, 1, first.MemoryStored / 2);
        Assert.InRange(second.DisksStored, 1, first.DisksStored / 4);
        await parent.DisposeAsync();
        await using VirtualMachine again = await VirtualMachine.RestoreAsync(store, "second", cancellationToken: _timeout.Token);
        Assert.Equal(
            "before behind", await RunAsync(again, "head -c 6 /dev/vda; printf ' '; dd if=/dev/vda bs=1 skip=1048576 count=6 2>/dev/null"));
    }

    [Fact]
    public async Task ForkAsync_ThatKeepsIdentity_LeavesTheGuestAsItIs()
    {
        await using VirtualMachine parent = await StartAsync(Spec);
        string before = await RunAsync(parent, "hostname; cat /sys/class/net/eth0/address");

        IReadOnlyList<VirtualMachine> clones = await parent.ForkAsync(
            1, new ForkOptions { Each = new RestoreOptions { KeepIdentity = true } }, _timeout.Token);

        try
        {
            Assert.Equal(before, await RunAsync(clones[0], "hostname; cat /sys/class/net/eth0/address"));
            Assert.Equal(parent.GenerationId, clones[0].GenerationId);
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    [Fact]
    public async Task ForkAsync_WithoutAnAgent_SaysWhatTheCloneStillHas()
    {
        await using VirtualMachine parent = await VirtualMachine.StartAsync(
            guest.Spec with { Name = "parent", Engine = Engine.Translator }, _timeout.Token);
        await parent.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, 1);

        try
        {
            Assert.Contains("random numbers", clones[0].IdentityFailure, StringComparison.Ordinal);
            Assert.True(clones[0].IsNetworkLinkUp(0));
            await clones[0].Console.WriteAsync("echo it $((40 + 2)) runs\n"u8.ToArray());
            await clones[0].Console.WaitForAsync("it 42 runs", _timeout.Token);
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    [Fact]
    public async Task ForkAsync_FewerNamesThanClones_IsRefused()
    {
        await using VirtualMachine parent = await VirtualMachine.StartAsync(guest.Spec, _timeout.Token);

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => parent.ForkAsync(2, new ForkOptions { Names = ["one"] }, _timeout.Token));

        Assert.Contains("2 different names", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _timeout.Dispose();

    private static long StoredBytes(string folder) =>
        Directory.EnumerateFiles(Path.Combine(folder, "layers")).Sum(NonZeroBytes);

    /// <summary>Bytes of a sparse file, in pieces of 64 KiB that hold anything.</summary>
    private static long NonZeroBytes(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] buffer = new byte[1 << 16];
        long count = 0;
        int read;
        while ((read = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false)) > 0)
        {
            count += buffer.AsSpan(0, read).ContainsAnyExcept((byte)0) ? read : 0;
        }

        return count;
    }

    private static async Task DisposeAllAsync(IEnumerable<VirtualMachine> machines)
    {
        foreach (VirtualMachine machine in machines)
        {
            await machine.DisposeAsync();
        }
    }

    private async Task<VirtualMachine> StartAsync(MachineSpec spec)
    {
        VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await RunAsync(machine, "true");
        return machine;
    }

    /// <summary>The machine is busy: guests may take their time.</summary>
    private Task<IReadOnlyList<VirtualMachine>> ForkAsync(VirtualMachine machine, int count) =>
        machine.ForkAsync(
            count, new ForkOptions { Each = new RestoreOptions { IdentityPatience = TimeSpan.FromMinutes(1) } }, _timeout.Token);

    private async Task<string> RunAsync(VirtualMachine machine, string line)
    {
        GuestResult result = await machine.Agent.RunAsync(GuestCommand.Shell(line), default, _timeout.Token);
        Assert.Equal(string.Empty, result.ErrorText);
        return result.OutputText;
    }
}
