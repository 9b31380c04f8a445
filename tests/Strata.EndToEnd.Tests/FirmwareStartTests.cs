using System.Text;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;
using Strata.Machines.Boards;

namespace Strata.EndToEnd.Tests;

/// <summary>What people start from media: programs of Debian's packages, by boot loaders of both kinds of firmware.</summary>
public sealed class FirmwareStartTests : IDisposable
{
    private const string IsolinuxMenu = "DEFAULT it\nLABEL it\n  LINUX /it\n";

    private const string GraphicalMenu =
        """
        insmod all_video
        insmod gfxterm
        loadfont /boot/grub/fonts/unicode.pf2
        set gfxmode=1024x768
        terminal_output gfxterm
        set timeout=-1
        menuentry "Drawn as a picture" { true }

        """;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(10));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact("apt-get", "dpkg-deb", "mformat", "mmd", "mcopy")]
    public async Task Memtest_OnUefi_FindsNoErrors()
    {
        string disk = await CreateEfiDiskAsync(await FetchAsync("memtest86+", "boot/memtest86+x64.efi"));
        MachineSpec spec = Describe(disk) with { Firmware = FirmwareKind.Ovmf, Memory = 64UL << 20, Networks = [] };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);

        await machine.Screen.WaitForTextAsync("Test #4", _timeout.Token); // those before have passed

        Assert.Matches(@"Errors: 0\s", machine.Screen.ReadText());
    }

    [ImageTheory("apt-get", "dpkg-deb")]
    [InlineData(NetworkCardModel.Virtio)]
    [InlineData(NetworkCardModel.E1000)]
    public async Task Ipxe_FromItsDisc_HasALease(NetworkCardModel model) =>
        await LeaseAsync(Describe(await FetchAsync("ipxe", "usr/lib/ipxe/ipxe.iso"), model));

    [ImageFact("apt-get", "dpkg-deb", "xorriso")]
    public async Task Ipxe_ByIsolinux_HasALease()
    {
        string program = await FetchAsync("ipxe", "boot/ipxe.lkrn");
        string loader = await FetchAsync("isolinux", "usr/lib/ISOLINUX/isolinux.bin");
        string module = await FetchAsync("syslinux-common", "usr/lib/syslinux/modules/bios/ldlinux.c32");
        Directory.CreateDirectory(_folder.PathOf("disc/isolinux"));
        File.Copy(program, _folder.PathOf("disc/it"));
        File.Copy(loader, _folder.PathOf("disc/isolinux/isolinux.bin"));
        File.Copy(module, _folder.PathOf("disc/isolinux/ldlinux.c32"));
        _folder.Write("disc/isolinux/isolinux.cfg", Encoding.ASCII.GetBytes(IsolinuxMenu));
        string disc = _folder.PathOf("isolinux.iso");
        await HostCommand.RunAsync(
            "xorriso",
            [
                "-as", "mkisofs", "-quiet", "-o", disc, "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot",
                "-boot-load-size", "4", "-boot-info-table", _folder.PathOf("disc"),
            ],
            _timeout.Token);

        await LeaseAsync(Describe(disc));
    }

    [ImageFact("apt-get", "dpkg-deb", "grub-mkrescue", "xorriso", "mformat")]
    public async Task Ipxe_ByGrub_HasALease()
    {
        Dictionary<string, string> files = new() { ["it"] = await FetchAsync("ipxe", "boot/ipxe.lkrn") };
        const string menu = "set timeout=0\nmenuentry it { linux16 /boot/it }\n";

        await LeaseAsync(Describe(await GrubDisc.CreateAsync(_folder, menu, files, _timeout.Token)));
    }

    [ImageTheory("apt-get", "dpkg-deb", "mformat", "mmd", "mcopy")]
    [InlineData(NetworkCardModel.Virtio)]
    [InlineData(NetworkCardModel.E1000)]
    public async Task Ipxe_OnUefi_HasALease(NetworkCardModel model)
    {
        string disk = await CreateEfiDiskAsync(await FetchAsync("ipxe", "boot/ipxe.efi"));

        await LeaseAsync(Describe(disk, model) with { Firmware = FirmwareKind.Ovmf, Memory = 256UL << 20 });
    }

    [ImageTheory("grub-mkrescue", "xorriso", "mformat")]
    [InlineData(FirmwareKind.SeaBios)]
    [InlineData(FirmwareKind.Ovmf)]
    public async Task Grub_OnItsGraphicalTerminal_IsRead(FirmwareKind firmware)
    {
        string disc = await GrubDisc.CreateAsync(_folder, GraphicalMenu, new Dictionary<string, string>(), _timeout.Token);
        MachineSpec spec = Describe(disc) with { Firmware = firmware, Memory = 256UL << 20, Networks = [] };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);

        await machine.Screen.WaitForTextAsync("*Drawn as a picture", _timeout.Token);

        Assert.Contains("Use the ↑ and ↓ keys to select which entry is highlighted.", machine.Screen.ReadText(), StringComparison.Ordinal);
    }

    private static MachineSpec Describe(string path, NetworkCardModel model = NetworkCardModel.Virtio) =>
        MachineSpec.StartingFrom(path) with
        {
            Memory = 128UL << 20,
            Networks = [NetworkCard.User() with { Model = model }],
            Engine = Engine.Translator,
        };

    /// <summary>Calls up iPXE's prompt, which it offers for two seconds, and asks our network for an address.</summary>
    private async Task LeaseAsync(MachineSpec spec)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Screen.WaitForTextAsync("Open Source Network Boot Firmware", _timeout.Token);
        while (machine.Screen.ReadText()?.Contains("iPXE>", StringComparison.Ordinal) != true)
        {
            await machine.Screen.PressAsync("ctrl-b", _timeout.Token);
            await Task.Delay(100, _timeout.Token);
        }

        await machine.Screen.TypeAsync("\nifconf -c dhcp && show net0/ip\n", _timeout.Token);

        await machine.Screen.WaitForTextAsync("10.0.2.15", _timeout.Token);
    }

    /// <summary>A FAT file system without partitions, with what UEFI starts by itself.</summary>
    private async Task<string> CreateEfiDiskAsync(string program)
    {
        string disk = _folder.Write("efi.img", new byte[8 << 20]);
        await HostCommand.RunAsync("mformat", ["-i", disk, "::"], _timeout.Token);
        await HostCommand.RunAsync("mmd", ["-i", disk, "::EFI", "::EFI/BOOT"], _timeout.Token);
        await HostCommand.RunAsync("mcopy", ["-i", disk, program, "::EFI/BOOT/BOOTX64.EFI"], _timeout.Token);
        return disk;
    }

    private async Task<string> FetchAsync(string package, string file)
    {
        string folder = _folder.PathOf(package);
        Directory.CreateDirectory(_folder.PathOf("apt"));
        DebianPackages packages = await DebianPackages.OpenAsync(_folder.PathOf("apt"), _timeout.Token);
        await packages.FetchAsync([package], folder, _timeout.Token);
        await HostCommand.RunAsync("dpkg-deb", ["-x", Assert.Single(Directory.GetFiles(folder, "*.deb")), folder], _timeout.Token);
        return Path.Combine(folder, file);
    }
}
