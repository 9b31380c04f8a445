using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>Media change while the machine runs, whatever the guest does; snapshots know what was in a drive.</summary>
public sealed class MediaTests : IDisposable
{
    private const int DisketteSize = 1_474_560;
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(10));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task ChangeMedium_AfterASnapshot_IsUndoneByGoingBack()
    {
        string first = _folder.Write("first.iso", new byte[64 << 10]);
        string second = _folder.Write("second.iso", new byte[128 << 10]);
        SnapshotStore store = new(_folder.PathOf("snapshots"));
        await using VirtualMachine machine = await StartAsync(DiskSpec.Disc(string.Empty));
        Assert.Equal("empty", await MediaAsync(machine));

        await machine.ChangeMediumAsync(new MediumChange { Path = first }, _timeout.Token);
        Assert.Equal(first, await MediaAsync(machine));
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "first" }, store, _timeout.Token);
        await machine.ChangeMediumAsync(new MediumChange { Drive = "cd0", Path = second }, _timeout.Token);
        await machine.ChangeMediumAsync(new MediumChange(), _timeout.Token);
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "empty" }, store, _timeout.Token);
        Assert.Equal("empty", await MediaAsync(machine));

        await machine.RollBackAsync("first", store, _timeout.Token);
        Assert.Equal(first, await MediaAsync(machine));
        await machine.RollBackAsync("empty", store, _timeout.Token);
        Assert.Equal("empty", await MediaAsync(machine));
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Restore_OfAMachineWithAnotherDisc_HasThat()
    {
        string disc = _folder.Write("disc.iso", new byte[64 << 10]);
        SnapshotStore store = new(_folder.PathOf("snapshots"));
        await using (VirtualMachine machine = await StartAsync(DiskSpec.Disc(string.Empty)))
        {
            await machine.ChangeMediumAsync(new MediumChange { Path = disc }, _timeout.Token);
            await machine.SuspendAsync(new SnapshotRequest { Name = "disc" }, store, _timeout.Token);
        }

        await using VirtualMachine restored = await VirtualMachine.RestoreAsync(store, "disc", cancellationToken: _timeout.Token);

        Assert.Equal(disc, await MediaAsync(restored));
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task ChangeMedium_Bad_IsRefusedAndLeavesTheDriveAsItWas()
    {
        string diskette = _folder.Write("one.img", new byte[DisketteSize]);
        string odd = _folder.Write("odd.img", new byte[4 << 20]);
        await using VirtualMachine machine = await StartAsync(DiskSpec.Diskette(diskette), DiskSpec.Disc(string.Empty));

        await RefuseAsync(machine, new MediumChange { Path = diskette }, "cd0, fd0");
        await RefuseAsync(machine, new MediumChange { Drive = "cd7" }, "cd7");
        await RefuseAsync(machine, new MediumChange { Drive = "cd0", Path = _folder.PathOf("absent.iso") }, "absent.iso");
        await RefuseAsync(machine, new MediumChange { Drive = "fd0", Path = odd }, "diskette");

        Assert.Equal($"empty {diskette}", await MediaAsync(machine));
        await machine.ChangeMediumAsync(new MediumChange { Drive = "fd0" }, _timeout.Token);
        Assert.Equal("empty empty", await MediaAsync(machine));
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Command_Media_ShowsAndChangesThem()
    {
        string disc = _folder.Write("disc.iso", new byte[64 << 10]);
        string disk = _folder.Write("disk.raw", BootSector.CreateDisk());
        string name = $"media-{Guid.NewGuid():N}"[..20];
        using HostCommand run = HostCommand.StartStrata("run", disk, "--cdrom", "", "--name", name, "--net", "none");
        await run.WaitForOutputAsync("key:", _timeout.Token);

        Assert.Contains("cd0    shut    empty", await StrataAsync("media", name), StringComparison.Ordinal);
        await StrataAsync("media", name, "cd0", "--insert", disc);
        Assert.Contains($"cd0    shut    {disc}", await StrataAsync("media", name), StringComparison.Ordinal);
        await StrataAsync("media", name, "--eject");
        Assert.DoesNotContain("medium", await StrataAsync("media", name, "--output", "json"), StringComparison.Ordinal);

        await StrataAsync("stop", "--force", name);
        await run.WaitForExitAsync(_timeout.Token);
    }

    private static async Task<string> MediaAsync(VirtualMachine machine) =>
        string.Join(' ', (await machine.ListDrivesAsync()).Select(drive => drive.Medium ?? "empty"));

    private static async Task RefuseAsync(VirtualMachine machine, MediumChange change, string expected)
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => machine.ChangeMediumAsync(change));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    private async Task<VirtualMachine> StartAsync(params DiskSpec[] drives)
    {
        string disk = _folder.Write("disk.raw", BootSector.CreateDisk());
        MachineSpec spec = MachineSpec.StartingFrom(disk);
        return await VirtualMachine.StartAsync(
            spec with { Memory = 64UL << 20, Networks = [], Engine = Engine.Translator, Disks = [.. spec.Disks, .. drives] },
            _timeout.Token);
    }

    private async Task<string> StrataAsync(params string[] arguments)
    {
        using HostCommand command = HostCommand.StartStrata(arguments);
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);
        Assert.True(code == 0, errors);
        return command.Output;
    }
}
