using System.Diagnostics;
using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;
using Xunit.Abstractions;

namespace Strata.EndToEnd.Tests;

/// <summary>Snapshots and checkpoints of a small guest, and everything that can come between.</summary>
[Collection(CountedResources.Name)]
public sealed class SnapshotLifecycleTests(ITestOutputHelper output) : IDisposable
{
    private const int DiskSize = 4 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly TemporaryFolder _folder = new();

    private SnapshotStore Store => new(_folder.PathOf("set"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task RestoreAsync_AgainAndAgainOnBothEngines_LosesNoInterruptAndComputes()
    {
        VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        Engine[] engines = [Engine.Interpreter, Engine.Translator];
        Random random = new(20_26);
        for (int i = 0; i < 24; i++)
        {
            await Task.Delay(random.Next(0, 20));
            string name = $"s{i}";
            if (i % 3 == 0)
            {
                await machine.SuspendAsync(new SnapshotRequest { Name = name }, Store).WaitAsync(Patience);
            }
            else
            {
                await machine.CreateSnapshotAsync(new SnapshotRequest { Name = name }, Store).WaitAsync(Patience);
                await Task.Delay(random.Next(0, 10));
            }

            if (i % 3 == 1)
            {
                await machine.RollBackAsync(name, Store).WaitAsync(Patience);
                continue;
            }

            await machine.DisposeAsync();
            machine = await VirtualMachine.RestoreAsync(Store, name, new RestoreOptions { Engine = engines[random.Next(engines.Length)] })
                .WaitAsync(Patience);
        }

        await ChecksumMachine.AssertComputesAsync(machine);
        await machine.DisposeAsync();
    }

    [Fact]
    public async Task CreateSnapshotAsync_WhileTheEngineIsSwitchedAndTheMachineReset_IsWhole()
    {
        const int MostResets = 6; // ten within ten seconds end a machine that does not come up
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec() with { Reset = ResetPolicy.Always });
        using CancellationTokenSource end = new();
        Task switching = Task.Run(async () =>
        {
            for (int i = 0; !end.IsCancellationRequested; i++)
            {
                await machine.SwitchEngineAsync(i % 2 == 0 ? Engine.Translator : Engine.Interpreter);
                if (i % 5 == 4 && i < MostResets * 5)
                {
                    machine.Reset();
                }
            }
        });
        for (int i = 0; i < 10; i++)
        {
            await machine.CreateSnapshotAsync(new SnapshotRequest { Name = $"s{i}" }, Store).WaitAsync(Patience);
        }

        await end.CancelAsync();
        await switching.WaitAsync(Patience);
        await machine.DisposeAsync();
        await using VirtualMachine again = await VirtualMachine.RestoreAsync(Store, "s9");
        await ChecksumMachine.AssertComputesAsync(again);
    }

    [Fact]
    public async Task DisposeAsync_WhileASnapshotIsMade_EndsBothAndLeavesTheSetAsItWas()
    {
        for (int i = 0; i < 20; i++)
        {
            VirtualMachine machine = await VirtualMachine.StartAsync(Spec() with { Memory = 512UL << 20 });
            Task<SnapshotReport> making = machine.CreateSnapshotAsync(new SnapshotRequest { Name = $"s{i}" }, Store);
            await Task.Delay(i);
            await machine.DisposeAsync().AsTask().WaitAsync(Patience);

            Exception? error = await Record.ExceptionAsync(() => making.WaitAsync(Patience));

            Assert.True(error is null or StrataException, error?.ToString());
            Assert.Equal(error is null, Directory.Exists(Path.Combine(Store.Folder, $"s{i}")));
        }

        Assert.Empty(Directory.EnumerateDirectories(Store.Folder, ".*"));
    }

    [Fact]
    public async Task CreateSnapshotAsync_Cancelled_LeavesTheSetAsItWasAndTheNextHasAll()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "first" }, Store);
        for (int i = 0; i < 20; i++)
        {
            using CancellationTokenSource cancel = new();
            Task<SnapshotReport> making = machine.CreateSnapshotAsync(new SnapshotRequest { Name = $"s{i}" }, Store, cancel.Token);
            await Task.Delay(i % 4);
            await cancel.CancelAsync();
            Exception? error = await Record.ExceptionAsync(() => making.WaitAsync(Patience));
            Assert.True(error is null or OperationCanceledException, error?.ToString());
            Assert.Equal(error is null, Directory.Exists(Path.Combine(Store.Folder, $"s{i}")));
        }

        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "last" }, Store);
        await using VirtualMachine again = await VirtualMachine.RestoreAsync(Store, "last");
        await ChecksumMachine.AssertComputesAsync(again);
    }

    [Fact]
    public async Task CreateSnapshotAsync_NameThatIsTaken_IsRefusedAndTheMachineGoesOn()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store);

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store));

        Assert.Contains("already", error.Message, StringComparison.Ordinal);
        await ChecksumMachine.AssertComputesAsync(machine);
    }

    [Fact]
    public async Task CheckpointAsync_WhileOneIsOpen_IsRefusedAtOnce()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        await using (MachineCheckpoint checkpoint = await machine.CheckpointAsync())
        {
            await Assert.ThrowsAsync<StrataException>(() => machine.CheckpointAsync().WaitAsync(Patience));
            await Assert.ThrowsAsync<StrataException>(
                () => machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store).WaitAsync(Patience));
            await Task.Delay(20);
        }

        await (await machine.CheckpointAsync().WaitAsync(Patience)).DisposeAsync();
        await ChecksumMachine.AssertComputesAsync(machine);
    }

    [Fact]
    public async Task CheckpointAsync_ManyAtOnce_OneOpensAndTheOthersAreRefused()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());

        Task<MachineCheckpoint>[] asked = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(() => machine.CheckpointAsync()))];
        await Task.WhenAll(asked.Select(task => Record.ExceptionAsync(() => task))).WaitAsync(Patience);

        MachineCheckpoint opened = await Assert.Single(asked, task => task.IsCompletedSuccessfully);
        Assert.All(asked.Where(task => task.IsFaulted), task => Assert.IsType<StrataException>(task.Exception!.InnerException));
        await opened.DisposeAsync();
        await ChecksumMachine.AssertComputesAsync(machine);
    }

    [Fact]
    public async Task CheckpointAsync_MachineDisposedMeanwhile_EndsWithoutIt()
    {
        VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        MachineCheckpoint kept = await machine.CheckpointAsync();
        await machine.DisposeAsync().AsTask().WaitAsync(Patience);

        await Assert.ThrowsAsync<StrataException>(() => kept.RollBackAsync().WaitAsync(Patience));
        await kept.DisposeAsync();
        await Assert.ThrowsAsync<StrataException>(() => machine.CheckpointAsync().WaitAsync(Patience));
    }

    [Fact]
    public async Task RollBackAsync_OnceTheSuspendedMachineWentOn_IsRefusedAsItsDiskDid()
    {
        MachineSpec spec = Spec() with { Disks = [Disk()] };
        VirtualMachine machine = await VirtualMachine.StartAsync(spec);
        await machine.SuspendAsync(new SnapshotRequest { Name = "kept" }, Store);
        await using VirtualMachine again = await VirtualMachine.RestoreAsync(Store, "kept");

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => again.RollBackAsync("kept", Store));

        Assert.Contains("disk", error.Message, StringComparison.Ordinal);
        await ChecksumMachine.AssertComputesAsync(again);
    }

    [Fact]
    public async Task RestoreAsync_OfASuspendedMachineWhoseDiskChanged_IsRefusedWithTheDisk()
    {
        DiskSpec disk = Disk();
        VirtualMachine machine = await VirtualMachine.StartAsync(Spec() with { Disks = [disk] });
        await machine.SuspendAsync(new SnapshotRequest { Name = "kept" }, Store);
        await Task.Delay(20);
        File.WriteAllBytes(disk.Path, new byte[DiskSize]);

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.RestoreAsync(Store, "kept"));

        Assert.Contains(disk.Path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RestoreAsync_DiskChangedSinceTheSnapshot_GetsItsContentBack()
    {
        DiskSpec disk = Disk();
        byte[] content = File.ReadAllBytes(disk.Path);
        await CreateAndEndAsync(Spec() with { Disks = [disk] });
        File.WriteAllBytes(disk.Path, new byte[DiskSize]);

        await (await VirtualMachine.RestoreAsync(Store, "one")).DisposeAsync();

        Assert.Equal(content, File.ReadAllBytes(disk.Path));
    }

    /// <summary>An archive names files of whoever wrote it: they are none of the reader's.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RestoreAsync_OfAnImportedMachine_LeavesTheHostsFilesAlone(bool readOnly)
    {
        DiskSpec disk = Disk() with { ReadOnly = readOnly };
        string capture = _folder.PathOf("capture.pcap");
        await CreateAndEndAsync(Spec() with
        {
            Disks = [disk],
            Networks = [NetworkCard.User() with { Capture = capture }],
            Shares = [new FolderShare(_folder.Root, "all")],
        });
        SnapshotStore other = new(_folder.PathOf("other"));
        using MemoryStream archive = new();
        await SnapshotCatalog.ExportAsync(Store, "one", archive);
        archive.Position = 0;
        await SnapshotCatalog.ImportAsync(other, "copy", archive, allowHostPaths: true);
        byte[] mine = new byte[DiskSize];
        File.WriteAllBytes(disk.Path, mine);
        File.Delete(capture);

        await using VirtualMachine machine = await VirtualMachine.RestoreAsync(other, "copy");

        Assert.All(machine.Spec.Shares, share => Assert.True(share.IsReadOnly));
        await ChecksumMachine.AssertComputesAsync(machine);
        Assert.Equal(mine, File.ReadAllBytes(disk.Path));
        Assert.False(File.Exists(capture));
    }

    [Theory]
    [InlineData(DiskSize / 2)]
    [InlineData(DiskSize * 2)]
    public async Task RestoreAsync_DiskOfAnotherSize_IsRefusedAndLeftAlone(int size)
    {
        DiskSpec disk = Disk();
        await CreateAndEndAsync(Spec() with { Disks = [disk] });
        byte[] other = new byte[size];
        File.WriteAllBytes(disk.Path, other);

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.RestoreAsync(Store, "one"));

        Assert.Contains(disk.Path, error.Message, StringComparison.Ordinal);
        Assert.Equal(other, File.ReadAllBytes(disk.Path));
    }

    [Fact]
    public async Task RestoreAsync_WhileTheMachineHasItsDisk_IsRefused()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec() with { Disks = [Disk()] });
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store);

        await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.RestoreAsync(Store, "one"));

        await using VirtualMachine clone = await VirtualMachine.RestoreAsync(
            Store, "one", new RestoreOptions { Identity = MachineIdentity.New });
        await ChecksumMachine.AssertComputesAsync(clone);
        await ChecksumMachine.AssertComputesAsync(machine);
    }

    [Fact]
    public async Task CreateAndDelete_ManyTimes_LeavesNoDescriptorThreadOrFile()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec() with { Disks = [Disk()] });
        await CreateAndDeleteAsync(machine, 5);
        Resources before = Resources.Now();

        await CreateAndDeleteAsync(machine, 100);

        Report(before, Resources.Now());
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Store.Folder, "layers")));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Store.Folder, "disks")));
    }

    [Fact]
    public async Task RestoreAndDispose_ManyTimes_LeavesNoDescriptorThreadOrMapping()
    {
        await CreateAndEndAsync(Spec() with { Disks = [Disk() with { Snapshot = true }] });
        await RestoreAndDisposeAsync(5);
        Resources before = Resources.Now();

        await RestoreAndDisposeAsync(100);

        Report(before, Resources.Now());
    }

    private async Task CreateAndDeleteAsync(VirtualMachine machine, int times)
    {
        for (int i = 0; i < times; i++)
        {
            await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store).WaitAsync(Patience);
            await SnapshotCatalog.DeleteAsync(Store, "one");
        }
    }

    private async Task RestoreAndDisposeAsync(int times)
    {
        for (int i = 0; i < times; i++)
        {
            VirtualMachine machine = await VirtualMachine.RestoreAsync(Store, "one").WaitAsync(Patience);
            await machine.DisposeAsync().AsTask().WaitAsync(Patience);
        }
    }

    private async Task CreateAndEndAsync(MachineSpec spec)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec);
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store);
    }

    private MachineSpec Spec() => ChecksumMachine.SpecIn(_folder);

    private DiskSpec Disk()
    {
        byte[] content = new byte[DiskSize];
        new Random(5).NextBytes(content);
        return new DiskSpec { Path = _folder.Write("disk.raw", content), Format = "raw" };
    }

    private void Report(Resources before, Resources after)
    {
        output.WriteLine($"{before} -> {after}");
        Assert.InRange(after.Descriptors, 0, before.Descriptors + 10);
        Assert.InRange(after.Threads, 0, before.Threads + 10); // the pool's come and go
        Assert.InRange(after.Mappings, 0, before.Mappings + 60);
        Assert.InRange(after.Megabytes, 0, before.Megabytes + 100);
    }

    private sealed record Resources(int Descriptors, int Threads, int Mappings, long Megabytes)
    {
        public static Resources Now()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return new Resources(
                Directory.GetFileSystemEntries("/proc/self/fd").Length,
                HostThreads.Names().Length,
                File.ReadAllLines("/proc/self/maps").Length,
                Process.GetCurrentProcess().WorkingSet64 >> 20);
        }
    }
}
