using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>The debian image as a disk that starts by itself: firmware, GRUB, Debian's kernel with its own drivers.</summary>
public sealed class DebianBootableTests : IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(90));
    private readonly DebianBootable _image = new();

    public void Dispose() => _timeout.Dispose();

    [ImageFact]
    public async Task Start_OnIdeAndVirtio_IsRunningAndSound()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        foreach ((DiskBus bus, string disk) in ((DiskBus, string)[])[(DiskBus.Virtio, "vda"), (DiskBus.Ide, "sda")])
        {
            await using VirtualMachine machine = await _image.StartAsync(
                spec => spec with
                {
                    Memory = 1UL << 30,
                    Disks = [spec.Disks[0] with { Bus = bus }],
                    CloudInit = new CloudInitSpec { UserData = "#cloud-config\n" },
                },
                cancellationToken: _timeout.Token);

            Assert.Equal(disk, await AskAsync(machine, "basename $(findmnt -no SOURCE /) | tr -d 3"));
            Assert.Equal("running", await AskAsync(machine, "systemctl is-system-running --wait"));
            Assert.Equal("vfat", await AskAsync(machine, "findmnt -no FSTYPE /boot/efi"));
            Assert.Equal("yes", await AskAsync(machine, "test -f /boot/efi/EFI/BOOT/BOOTX64.EFI && echo yes"));
            Assert.Equal("#cloud-config", await AskAsync(machine, "mount -L cidata -o ro /mnt && cat /mnt/user-data && umount /mnt"));
        }
    }

    private async Task<string> AskAsync(VirtualMachine machine, string line)
    {
        GuestResult result = await machine.Agent.RunAsync(GuestCommand.Shell(line), default, _timeout.Token);
        return result.OutputText.Trim();
    }
}
