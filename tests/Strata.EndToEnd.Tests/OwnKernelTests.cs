using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>The steps of docs/kernel.md, with packaged kernels in the place of one's own.</summary>
public sealed class OwnKernelTests : IDisposable
{
    private const string Menu =
        """
        set timeout=1
        menuentry "My kernel" {
            linux /boot/bzImage console=ttyS0 quiet
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

    [ImageFact("grub-mkrescue", "xorriso", "mformat")]
    public async Task Disc_ByGrub_StartsTheKernel()
    {
        DebianTiny image = new();
        await image.EnsureAsync(cancellationToken: _timeout.Token);
        Directory.CreateDirectory(_folder.PathOf("disc/boot/grub"));
        File.Copy(image.KernelPath, _folder.PathOf("disc/boot/bzImage"));
        File.Copy(image.InitrdPath, _folder.PathOf("disc/boot/initrd"));
        await File.WriteAllTextAsync(_folder.PathOf("disc/boot/grub/grub.cfg"), Menu, _timeout.Token);
        string disc = _folder.PathOf("my.iso");
        await HostCommand.RunAsync("grub-mkrescue", ["-o", disc, _folder.PathOf("disc")], _timeout.Token);

        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            MachineSpec.StartingFrom(disc) with { Networks = [] }, _timeout.Token);

        await machine.Console.WaitForAsync("poweroff ends the machine", _timeout.Token);
    }

    /// <summary>memtest86+ is started by the protocol of Linux, and small enough for a diskette.</summary>
    [ImageFact("apt-get", "dpkg-deb", "mformat", "mcopy", "syslinux")]
    public async Task Floppy_BySyslinux_StartsTheKernel()
    {
        string kernel = await FetchAsync("memtest86+", "boot/memtest86+x64.bin");
        string floppy = _folder.Write("floppy.img", new byte[1440 << 10]);
        string configuration = _folder.Write("syslinux.cfg", "DEFAULT mine\nLABEL mine\n  KERNEL bzImage\n"u8);
        await HostCommand.RunAsync("mformat", ["-i", floppy, "-f", "1440", "::"], _timeout.Token);
        await HostCommand.RunAsync("syslinux", ["--install", floppy], _timeout.Token);
        await HostCommand.RunAsync("mcopy", ["-i", floppy, kernel, "::bzImage"], _timeout.Token);
        await HostCommand.RunAsync("mcopy", ["-i", floppy, configuration, "::"], _timeout.Token);

        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            MachineSpec.StartingFrom(floppy) with { Memory = 64UL << 20, Networks = [] }, _timeout.Token);

        await machine.Screen.WaitForTextAsync("Memtest86+", _timeout.Token);
    }

    private async Task<string> FetchAsync(string package, string file)
    {
        DebianPackages packages = await DebianPackages.OpenAsync(Directory.CreateDirectory(_folder.PathOf("apt")).FullName, _timeout.Token);
        await packages.FetchAsync([package], _folder.PathOf("packages"), _timeout.Token);
        string archive = Assert.Single(Directory.GetFiles(_folder.PathOf("packages"), "*.deb"));
        await HostCommand.RunAsync("dpkg-deb", ["-x", archive, _folder.PathOf("root")], _timeout.Token);
        return Path.Combine(_folder.PathOf("root"), file);
    }
}
