using Strata.EndToEnd.Tests.Harness;
using Strata.Networking.Nat;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>What is left as it was when a snapshot turns out to be damaged, or is of somebody who is not trusted.</summary>
public sealed class SnapshotFaultTests : IDisposable
{
    private const int DiskSize = 1 << 20;

    private readonly TemporaryFolder _folder = new();

    private SnapshotStore Store => new(_folder.PathOf("set"));

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RollBackAsync_ToASnapshotWithADamagedRecord_IsRefusedAndTheMachineGoesOn(bool canBeRead)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(ChecksumMachine.SpecIn(_folder) with { Disks = [Disk()] });
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store);
        await Task.Delay(20);
        Damage(canBeRead);

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => machine.RollBackAsync("one", Store));

        Assert.Contains("vcpu0", error.Message, StringComparison.Ordinal);
        await ChecksumMachine.AssertComputesAsync(machine);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RestoreAsync_OfASnapshotWithADamagedRecord_LeavesTheDisksFileAlone(bool canBeRead)
    {
        DiskSpec disk = Disk();
        await using (VirtualMachine machine = await VirtualMachine.StartAsync(ChecksumMachine.SpecIn(_folder) with { Disks = [disk] }))
        {
            await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store);
        }

        byte[] newer = new byte[DiskSize];
        newer.AsSpan().Fill(7);
        File.WriteAllBytes(disk.Path, newer);
        Damage(canBeRead);

        await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.RestoreAsync(Store, "one"));

        Assert.Equal(newer, File.ReadAllBytes(disk.Path));
    }

    [Fact]
    public async Task SuspendAsync_Report_SaysHowLongTheMachineStoodStill()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(ChecksumMachine.SpecIn(_folder));

        SnapshotReport report = await machine.SuspendAsync(new SnapshotRequest { Name = "one" }, Store);

        Assert.InRange(report.Pause, TimeSpan.FromTicks(1), report.Duration);
    }

    /// <summary>A clone reads the suspended machine's own disk, which must not change beneath it.</summary>
    [Fact]
    public async Task RestoreAsync_OfASuspendedMachineWhoseCloneRuns_IsRefusedUntilTheCloneEnds()
    {
        await using (VirtualMachine machine = await VirtualMachine.StartAsync(ChecksumMachine.SpecIn(_folder) with { Disks = [Disk()] }))
        {
            await machine.SuspendAsync(new SnapshotRequest { Name = "one" }, Store);
        }

        await using (VirtualMachine clone = await VirtualMachine.RestoreAsync(
            Store, "one", new RestoreOptions { Identity = MachineIdentity.New, KeepIdentity = true, Name = "clone" }))
        {
            StrataException error = await Assert.ThrowsAsync<StrataException>(() => VirtualMachine.RestoreAsync(Store, "one"));
            Assert.Contains("in use", error.Message, StringComparison.Ordinal);
        }

        await using VirtualMachine again = await VirtualMachine.RestoreAsync(Store, "one");
        await ChecksumMachine.AssertComputesAsync(again);
    }

    [Fact]
    public async Task ImportAsync_MachineWithSharedFolders_IsRefusedUnlessHostPathsAreAllowed()
    {
        using MemoryStream archive = await ExportAsync(
            ChecksumMachine.SpecIn(_folder) with { Shares = [new FolderShare(_folder.Root, "all")] });
        SnapshotStore other = new(_folder.PathOf("other"));

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => SnapshotCatalog.ImportAsync(other, "copy", archive));

        Assert.Contains(_folder.Root, error.Message, StringComparison.Ordinal);
        Assert.Contains("--allow-host-paths", error.Message, StringComparison.Ordinal);
        archive.Position = 0;
        Assert.Equal("copy", await SnapshotCatalog.ImportAsync(other, "copy", archive, allowHostPaths: true));
    }

    /// <summary>The guest could fetch them.</summary>
    [Fact]
    public async Task ImportAsync_MachineWithAFolderForTftp_IsRefusedUnlessHostPathsAreAllowed()
    {
        NetworkCard card = NetworkCard.User(new UserNetworkOptions { TftpFolder = _folder.Root });
        using MemoryStream archive = await ExportAsync(ChecksumMachine.SpecIn(_folder) with { Networks = [card] });
        SnapshotStore other = new(_folder.PathOf("other"));

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => SnapshotCatalog.ImportAsync(other, "copy", archive));

        Assert.Contains(_folder.Root, error.Message, StringComparison.Ordinal);
    }

    /// <summary>It would be started again from files of this host, which the archive names.</summary>
    [Theory]
    [InlineData(false, ResetPolicy.Exit)]
    [InlineData(true, ResetPolicy.Always)]
    public async Task ImportAsync_MachineThatResets_EndsThereUnlessHostPathsAreAllowed(bool allowHostPaths, ResetPolicy expected)
    {
        using MemoryStream archive = await ExportAsync(ChecksumMachine.SpecIn(_folder) with { Reset = ResetPolicy.Always });
        SnapshotStore other = new(_folder.PathOf("other"));

        await SnapshotCatalog.ImportAsync(other, "copy", archive, allowHostPaths);

        Assert.Equal(expected, SnapshotCatalog.ReadSpec(other, "copy").Reset);
    }

    [Fact]
    public async Task ForkAsync_FolderOfAProcessThatWasKilled_IsRemovedAndThatOfALivingOneStays()
    {
        string abandoned = Directory.CreateTempSubdirectory("strata-fork-").FullName;
        File.WriteAllText(Path.Combine(abandoned, ".owner"), string.Empty);
        string living = Directory.CreateTempSubdirectory("strata-fork-").FullName;
        try
        {
            using FileStream held = new(Path.Combine(living, ".owner"), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
            await using VirtualMachine machine = await VirtualMachine.StartAsync(ChecksumMachine.SpecIn(_folder));

            await using ForkPoint point = await machine.CreateForkPointAsync();

            Assert.False(Directory.Exists(abandoned));
            Assert.True(Directory.Exists(living));
            Assert.True(Directory.Exists(point.Store.Folder));
        }
        finally
        {
            Directory.Delete(living, recursive: true);
        }
    }

    /// <param name="canBeRead">Each field is one that could be, but the processor cannot have them together.</param>
    private void Damage(bool canBeRead)
    {
        const int header = sizeof(ushort) + sizeof(int);
        const int registers = sizeof(int) + (16 * sizeof(ulong));
        const int lastByteOfRip = header + registers + 7;
        new SnapshotMutation(Path.Combine(Store.Folder, "one")).ChangeRecord("vcpu0", canBeRead ? lastByteOfRip : 0, 0x7F);
    }

    private async Task<MemoryStream> ExportAsync(MachineSpec spec)
    {
        await using (VirtualMachine machine = await VirtualMachine.StartAsync(spec))
        {
            await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "one" }, Store);
        }

        MemoryStream archive = new();
        await SnapshotCatalog.ExportAsync(Store, "one", archive);
        archive.Position = 0;
        return archive;
    }

    private DiskSpec Disk() => new() { Path = _folder.Write("disk.raw", new byte[DiskSize]), Format = "raw" };
}
