using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;
using Xunit.Abstractions;

namespace Strata.EndToEnd.Tests;

/// <summary>
/// A guest that computes, counts time and writes to disks of all kinds, saved and put back at random moments. STRATA_SNAPSHOT_ROUNDS says
/// how often; `./build.sh snapshots` runs it at length.
/// </summary>
public sealed class DebianSnapshotTests(DebianGuest guest, ITestOutputHelper output) : IClassFixture<DebianGuest>, IDisposable
{
    private static readonly int Rounds = int.Parse(
        Environment.GetEnvironmentVariable("STRATA_SNAPSHOT_ROUNDS") ?? "6", CultureInfo.InvariantCulture);
    private static readonly Engine[] Engines = [Engine.Translator, Engine.Interpreter];

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5 + Rounds));
    private readonly TemporaryFolder _folder = new();

    private SnapshotStore Store => new(_folder.PathOf("set"));

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task SaveAndRestore_AtRandomMoments_LosesNothing(int processors)
    {
        int seed = int.Parse(Environment.GetEnvironmentVariable("STRATA_SEED") ?? "7", CultureInfo.InvariantCulture);
        Random random = new(seed);
        output.WriteLine($"seed {seed}");
        VirtualMachine machine = await BootAsync(processors);
        try
        {
            await StartJobsAsync(machine);
            for (int i = 0; i < Rounds; i++)
            {
                await Task.Delay(random.Next(0, 300), _timeout.Token);
                machine = await SaveAndComeBackAsync(machine, $"s{i}", (i + processors) % 5, Engines[random.Next(Engines.Length)], random);
                await AssertIsWellAsync(machine, i);
            }

            await AssertJobsWentWellAsync(machine);
        }
        catch (Exception)
        {
            output.WriteLine(machine.Console.Output);
            throw;
        }
        finally
        {
            await machine.DisposeAsync();
        }
    }

    [Fact]
    public async Task RollBackAsync_WithAnOpenConnection_EndsItForThePeer()
    {
        using TcpListener peer = new(IPAddress.Loopback, 0);
        peer.Start();
        await using VirtualMachine machine = await BootAsync(1);
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "before" }, Store, _timeout.Token);
        await machine.Console.WriteLineAsync($"(sleep 1000 | nc 10.0.2.2 {((IPEndPoint)peer.LocalEndpoint).Port}) &", _timeout.Token);
        using Socket connection = await peer.AcceptSocketAsync(_timeout.Token);

        await machine.RollBackAsync("before", Store, _timeout.Token);

        Exception? error = await Record.ExceptionAsync(
            async () => Assert.Equal(0, await connection.ReceiveAsync(new byte[1], _timeout.Token)));
        Assert.True(error is null or SocketException, error?.ToString());
        await AssertIsWellAsync(machine, 0);
    }

    [Fact]
    public async Task CheckpointAsync_AfterMuchChanged_PutsMemoryAndDisksBack()
    {
        await using VirtualMachine machine = await BootAsync(2);
        await RunAsync(
            machine,
            "printf before > /tmp/file; for d in vda vdb vdc; do printf before | dd of=/dev/$d conv=notrunc,fsync 2> /dev/null; done",
            "rea''dy", "ready");
        for (int i = 0; i < 3; i++)
        {
            await using MachineCheckpoint checkpoint = await machine.CheckpointAsync(_timeout.Token);
            await RunAsync(
                machine,
                "head -c 10000000 /dev/urandom > /tmp/much; printf after! > /tmp/file; for d in vda vdb vdc; do printf after! | dd " +
                "of=/dev/$d conv=notrunc,fsync 2> /dev/null; done",
                $"cha''nged-{i}",
                $"changed-{i}");
            int pages = checkpoint.ChangedPages;
            TimeSpan pause = await checkpoint.RollBackAsync();
            output.WriteLine($"{pages} pages, {pause.TotalMilliseconds:F1} ms");
        }

        await RunAsync(
            machine,
            "echo 3 > /proc/sys/vm/drop_caches; cat /tmp/file; ls /tmp/much; for d in vda vdb vdc; do head -c 6 /dev/$d; done",
            "loo''ked",
            "looked");
        string seen = machine.Console.Output;
        Assert.Contains("/tmp/much: No such file", seen, StringComparison.Ordinal);
        Assert.Equal(4, seen[seen.LastIndexOf("drop_caches", StringComparison.Ordinal)..].Split("before").Length - 1);
        await AssertIsWellAsync(machine, 9);
    }

    private async Task<VirtualMachine> BootAsync(int processors)
    {
        string raw = _folder.Write("raw.raw", new byte[1 << 20]);
        string thrown = _folder.Write("thrown.raw", new byte[1 << 20]);
        string qcow2 = _folder.PathOf("disk.qcow2");
        DiskTool.Create(qcow2, "qcow2", new DiskCreation { Size = 1 << 20 });
        MachineSpec spec = guest.SpecWithAgent with
        {
            Engine = Engine.Translator,
            Processors = processors,
            Disks = [
                new DiskSpec { Path = raw, Format = "raw" }, new DiskSpec { Path = qcow2 },
                new DiskSpec { Path = thrown, Format = "raw", Snapshot = true }],
        };
        VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        return machine;
    }

    /// <summary>
    /// For each disk a counter that is in the guest's memory and, by fsync, on the disk: they differ for ever once one of them is of
    /// another moment. A job that computes the same again and again, and one to which time must not go back.
    /// </summary>
    private async Task StartJobsAsync(VirtualMachine machine)
    {
        const string disk = "for d in vda vdb vdc; do (n=10000000; printf $n | dd of=/dev/$d conv=notrunc,fsync 2> /dev/null; while [ ! " +
            "-e /tmp/end ]; do "
            + "echo 1 > /proc/sys/vm/drop_caches; v=$(head -c 8 /dev/$d); [ $v = $n ] || echo $d has $v not $n >> /tmp/bad; n=$((n + 1)); "
            + "printf $n | dd of=/dev/$d conv=notrunc,fsync 2> /dev/null; done; echo $d $n >> /tmp/counted) & done";
        const string sum = "(s=$(md5sum /bin/busybox); while [ ! -e /tmp/end ]; do [ \"$(md5sum /bin/busybox)\" = \"$s\" ] || echo sum " +
            ">> /tmp/bad; done) &";
        const string clock = "(a=0; while [ ! -e /tmp/end ]; do read b c < /proc/uptime; b=${b%.*}${b#*.}; [ $b -ge $a ] || echo back $a " +
            "$b >> /tmp/bad; a=$b; sleep 0.01; done) &";
        foreach (string job in (string[])[disk, sum, clock])
        {
            await machine.Console.WriteLineAsync(job, _timeout.Token);
        }

        await RunAsync(machine, "dmesg -c > /dev/null", "star''ted", "started");
    }

    private async Task<VirtualMachine> SaveAndComeBackAsync(VirtualMachine machine, string name, int way, Engine engine, Random random)
    {
        SnapshotRequest request = new() { Name = name };
        if (way == 4)
        {
            IReadOnlyList<VirtualMachine> clones = await machine.ForkAsync(
                1, new ForkOptions { Each = new RestoreOptions { IdentityPatience = TimeSpan.FromMinutes(1) } }, _timeout.Token);
            await machine.DisposeAsync();
            Assert.True(clones[0].IdentityFailure is null, clones[0].IdentityFailure);
            return clones[0];
        }

        if (way == 0)
        {
            await machine.SuspendAsync(request, Store, _timeout.Token);
            await machine.DisposeAsync();
        }
        else
        {
            SnapshotReport report = await machine.CreateSnapshotAsync(request, Store, _timeout.Token);
            output.WriteLine(
                $"{name}: stood still for {report.Pause.TotalMilliseconds:F1} ms, {report.MemoryStored >> 10} KiB of memory, " +
                $"{report.DisksStored >> 10} KiB of disks");
            await Task.Delay(random.Next(0, 200), _timeout.Token);
        }

        if (way == 1)
        {
            output.WriteLine($"back in place in {(await machine.RollBackAsync(name, Store, _timeout.Token)).TotalMilliseconds:F1} ms");
            return machine;
        }

        await machine.DisposeAsync();
        return await VirtualMachine.RestoreAsync(Store, name, new RestoreOptions { Engine = engine }, cancellationToken: _timeout.Token);
    }

    private async Task AssertIsWellAsync(VirtualMachine machine, int round)
    {
        await RunAsync(machine, "sleep 0.1; sync", $"we''ll-{round}-$(cat /tmp/bad 2> /dev/null | wc -l)", $"well-{round}-0");
    }

    private async Task AssertJobsWentWellAsync(VirtualMachine machine)
    {
        await RunAsync(machine, "touch /tmp/end; wait", "e''nd", "end");
        await RunAsync(
            machine, "echo be''gin; cat /tmp/bad 2> /dev/null; dmesg | grep -iE 'error|bug|stall|hung|lost'; sort /tmp/counted", "sho''wn",
            "shown");
        string seen = machine.Console.Output;
        seen = seen[seen.LastIndexOf("begin", StringComparison.Ordinal)..];
        output.WriteLine(seen);
        Assert.Matches(@"\Abegin\r?\nvda \d+\r?\nvdb \d+\r?\nvdc \d+\r?\nshown", seen);
    }

    private async Task RunAsync(VirtualMachine machine, string command, string mark, string markPrinted)
    {
        await machine.Console.WriteLineAsync($"{command}; echo {mark}", _timeout.Token);
        await machine.Console.WaitForAsync(markPrinted, _timeout.Token);
    }
}
