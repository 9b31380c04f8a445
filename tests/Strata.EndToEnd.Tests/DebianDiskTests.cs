using Strata.Disks;
using Strata.Disks.Images;
using Strata.Disks.Operations;
using Strata.Disks.Qcow2;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>A Debian guest with a disk that the host's own tools made, and check afterwards.</summary>
public sealed class DebianDiskTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [HostToolFact("mke2fs", "debugfs", "e2fsck")]
    public async Task Disk_Ext4FromTheHost_IsReadAndWrittenByTheGuest()
    {
        string disk = await CreateDiskAsync();
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.Spec with { Disks = [disk] }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync("mount -t ext4 /dev/vda /mnt && cat /mnt/greeting", _timeout.Token);
        await machine.Console.WaitForAsync("Hello from the host 4711", _timeout.Token);
        await machine.Console.WriteLineAsync("md5sum /mnt/blob; rev /mnt/greeting > /mnt/reply; umount /mnt; poweroff", _timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);
        await machine.DisposeAsync();

        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
        Assert.Contains(BlobDigest(), machine.Console.Output, StringComparison.OrdinalIgnoreCase);
        await HostCommand.RunAsync("e2fsck", ["-fn", disk], _timeout.Token);
        Assert.Equal("1174 tsoh eht morf olleH\n", await HostCommand.RunAsync("debugfs", ["-R", "cat /reply", disk], _timeout.Token));
    }

    [HostToolFact("mke2fs", "debugfs", "e2fsck")]
    public async Task Disk_Qcow2Overlay_IsWrittenByTheGuestAndItsBackingImageIsNot()
    {
        string raw = await CreateDiskAsync();
        byte[] before = await File.ReadAllBytesAsync(raw, _timeout.Token);
        string overlay = _folder.PathOf("overlay.qcow2");
        Qcow2Image.Create(
            overlay, new DiskCreateOptions { Size = before.Length, BackingFile = "disk.raw", BackingFormat = "raw" }).Dispose();
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            guest.Spec with { Disks = [overlay, new DiskSpec { Path = raw, ReadOnly = true }] }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync(
            "mount -t ext4 /dev/vda /mnt && rev /mnt/greeting > /mnt/reply; umount /mnt; cat /sys/block/vdb/ro; poweroff", _timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);
        await machine.DisposeAsync();

        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
        Assert.Equal(before, await File.ReadAllBytesAsync(raw, _timeout.Token));
        string after = _folder.PathOf("after.raw");
        using (DiskImage disk = DiskImages.Open(overlay, new DiskOpenOptions { ReadOnly = true }))
        {
            Assert.True(disk.Check(repair: false).IsClean);
            Assert.False(disk.Describe().IsDirty);
            DiskConversion.Run(disk, after, "raw", new DiskCreateOptions { Size = before.Length }, cancellationToken: _timeout.Token);
        }

        await HostCommand.RunAsync("e2fsck", ["-fn", after], _timeout.Token);
        Assert.Equal("1174 tsoh eht morf olleH\n", await HostCommand.RunAsync("debugfs", ["-R", "cat /reply", after], _timeout.Token));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }

    /// <summary>A megabyte that no page cache or read-ahead makes by accident.</summary>
    private static byte[] Blob()
    {
        byte[] blob = new byte[1 << 20];
        new Random(20_24).NextBytes(blob);
        return blob;
    }

#pragma warning disable CA5351 // The guest's busybox checks the copy; nothing is protected by it.
    private static string BlobDigest() => Convert.ToHexString(System.Security.Cryptography.MD5.HashData(Blob()));
#pragma warning restore CA5351

    private async Task<string> CreateDiskAsync()
    {
        string content = _folder.PathOf("content");
        Directory.CreateDirectory(content);
        await File.WriteAllTextAsync(Path.Combine(content, "greeting"), "Hello from the host 4711\n", _timeout.Token);
        await File.WriteAllBytesAsync(Path.Combine(content, "blob"), Blob(), _timeout.Token);
        string disk = _folder.PathOf("disk.raw");
        await HostCommand.RunAsync("mke2fs", ["-q", "-t", "ext4", "-d", content, disk, "16M"], _timeout.Token);
        return disk;
    }
}
