using System.Text;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;
using Strata.Machines.Boards;

namespace Strata.EndToEnd.Tests;

/// <summary>Debian's kernels for real machines, started by GRUB, drive what a PC has with their own drivers.</summary>
public sealed class FirmwareKernelTests : IDisposable
{
    private const int DiskSize = 4 << 20;
    private const int DisketteSize = 1_474_560;

    private const string Menu =
        """
        set timeout=0
        menuentry "Linux" {
            linux /boot/vmlinuz console=ttyS0 quiet panic=-1
            initrd /boot/initrd
        }

        """;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(15));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageTheory("apt-get", "dpkg-deb", "grub-mkrescue", "xorriso", "mformat")]
    [InlineData("linux-image-amd64", "amd64")]
    [InlineData("linux-image-rt-amd64", "amd64")]
    [InlineData("linux-image-686-pae", "i386")]
    public async Task Kernel_WithItsDrivers_ReadsDisksAndHasALease(string package, string architecture)
    {
        string disc = await CreateDiscAsync(package, architecture, "ata_piix", "ahci", "nvme", "sd_mod", "e1000", "af_packet");
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            MachineSpec.StartingFrom(disc) with
            {
                Disks =
                [
                    DiskSpec.Disc(disc), CreateDisk("on-ide", DiskBus.Ide), CreateDisk("on-ahci", DiskBus.Ahci),
                    CreateDisk("on-nvme", DiskBus.Nvme),
                ],
                Boot = [BootDevice.Cdrom],
                Networks = [NetworkCard.User() with { Model = NetworkCardModel.E1000 }],
                Engine = Engine.Translator,
            },
            _timeout.Token);
        await machine.Console.WaitForAsync(DriverInitrd.Ready, _timeout.Token);

        // Disks are found by their drivers' threads, some time after these are loaded.
        await machine.Console.WriteLineAsync(
            "until [ -b /dev/sdb -a -b /dev/nvme0n1 ]; do sleep 1; done; head -qn 1 /dev/sd? /dev/nvme0n1", _timeout.Token);
        foreach (string text in (string[])["on-ide", "on-ahci", "on-nvme"])
        {
            await machine.Console.WaitForAsync(text + " is read", _timeout.Token);
        }

        await machine.Console.WriteLineAsync("ip link set eth0 up; udhcpc -i eth0 -f -n -q -s /bin/true", _timeout.Token);
        await machine.Console.WaitForAsync("lease of 10.0.2.15 obtained", _timeout.Token);
    }

    [ImageFact("apt-get", "dpkg-deb", "grub-mkrescue", "xorriso", "mformat")]
    public async Task Linux_MediaChangedWhileItRuns_ReadsTheNewOnesAndLocksTheDrive()
    {
        string disc = await CreateDiscAsync("linux-image-amd64", "amd64", "ata_piix", "sr_mod", "isofs", "floppy");
        string second = await CreateDataDiscAsync("second");
        string diskette = _folder.Write("diskette.img", Sector("a diskette", DisketteSize));
        string other = _folder.Write("other.img", Sector("the other diskette", DisketteSize));
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            MachineSpec.StartingFrom(disc) with
            {
                Disks = [DiskSpec.Disc(disc), DiskSpec.Diskette(diskette)],
                Boot = [BootDevice.Cdrom],
                Networks = [],
                Engine = Engine.Translator,
            },
            _timeout.Token);
        await machine.Console.WaitForAsync(DriverInitrd.Ready, _timeout.Token);

        await RunAsync(machine, "until mount -t iso9660 /dev/sr0 /mnt; do sleep 1; done; ls /mnt/boot", "vmlinuz");
        Assert.True((await DriveAsync(machine, "cd0")).IsLocked); // mounted
        await RunAsync(machine, "umount /mnt; echo u''nmounted", "unmounted");
        Assert.False((await DriveAsync(machine, "cd0")).IsLocked);

        // The kernel asks the drive for changes, as udev has it ask.
        await RunAsync(machine, "echo 500 > /sys/block/sr0/events_poll_msecs; echo w''atched", "watched");
        await machine.ChangeMediumAsync(new MediumChange { Drive = "cd0", Path = second }, _timeout.Token);
        await RunAsync(machine, "until mount -t iso9660 /dev/sr0 /mnt; do sleep 1; done; cat /mnt/text", "this is second");

        // The guest ejects the disc, and loads it again.
        await RunAsync(machine, "echo 1 > /proc/sys/dev/cdrom/autoeject; umount /mnt; echo e''jected", "ejected");
        Assert.True((await DriveAsync(machine, "cd0")).IsOpen);
        await RunAsync(machine, "until mount -t iso9660 /dev/sr0 /mnt; do sleep 1; done; echo l''oaded", "loaded");
        Assert.False((await DriveAsync(machine, "cd0")).IsOpen);

        await RunAsync(machine, "head -n 1 /dev/fd0", "a diskette");
        await machine.ChangeMediumAsync(new MediumChange { Drive = "fd0", Path = other }, _timeout.Token);
        await RunAsync(machine, "head -n 1 /dev/fd0", "the other diskette");
    }

    private async Task RunAsync(VirtualMachine machine, string command, string expected)
    {
        await machine.Console.WriteLineAsync(command, _timeout.Token);
        await machine.Console.WaitForAsync(expected, _timeout.Token);
    }

    private static async Task<RemovableDrive> DriveAsync(VirtualMachine machine, string name) =>
        (await machine.ListDrivesAsync()).Single(drive => drive.Name == name);

    private async Task<string> CreateDiscAsync(string package, string architecture, params string[] modules)
    {
        string work = Directory.CreateDirectory(_folder.PathOf("work")).FullName;
        DebianPackages packages = await DebianPackages.OpenAsync(work, _timeout.Token, architecture);
        BootPackages boot = await BootPackages.FetchAsync(packages, [], work, progress: null, _timeout.Token, package);
        string initrd = _folder.PathOf("initrd");
        DriverInitrd.Write(initrd, boot, modules);
        Dictionary<string, string> files = new() { ["vmlinuz"] = boot.Kernel, ["initrd"] = initrd };
        return await GrubDisc.CreateAsync(_folder, Menu, files, _timeout.Token);
    }

    private async Task<string> CreateDataDiscAsync(string name)
    {
        string folder = Directory.CreateDirectory(_folder.PathOf(name)).FullName;
        _folder.Write($"{name}/text", Encoding.ASCII.GetBytes($"this is {name}\n"));
        string disc = _folder.PathOf($"{name}.iso");
        await HostCommand.RunAsync("xorriso", ["-as", "mkisofs", "-quiet", "-o", disc, folder], _timeout.Token);
        return disc;
    }

    private DiskSpec CreateDisk(string name, DiskBus bus) =>
        DiskSpec.FromPath(_folder.Write($"{name}.raw", Sector($"{name} is read", DiskSize))) with { Bus = bus };

    private static byte[] Sector(string text, int size)
    {
        byte[] disk = new byte[size];
        Encoding.ASCII.GetBytes(text + "\n").CopyTo(disk, 0);
        return disk;
    }
}
