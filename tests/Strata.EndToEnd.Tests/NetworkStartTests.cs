using Strata.EndToEnd.Tests.Harness;
using Strata.Images;
using Strata.Machines.Boards;
using Strata.Networking.Nat;

namespace Strata.EndToEnd.Tests;

/// <summary>Machines that start from the network: iPXE in a card's ROM, with what our DHCP and TFTP tell it.</summary>
public sealed class NetworkStartTests : IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(15));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Ipxe_OnEitherCard_StartsAKernelByTftp()
    {
        DebianTiny image = new();
        await image.EnsureAsync(cancellationToken: _timeout.Token);
        File.CreateSymbolicLink(_folder.PathOf("elsewhere"), image.KernelPath);
        File.Copy(image.KernelPath, _folder.PathOf("vmlinuz"));
        File.Copy(image.InitrdPath, _folder.PathOf("initrd"));
        _folder.Write(
            "boot.ipxe",
            "#!ipxe\nkernel elsewhere || echo nothing leads out\nkernel vmlinuz console=ttyS0 quiet\ninitrd initrd\nboot\n"u8);
        foreach (NetworkCardModel model in (NetworkCardModel[])[NetworkCardModel.Virtio, NetworkCardModel.E1000])
        {
            await using VirtualMachine machine = await VirtualMachine.StartAsync(Describe("boot.ipxe", model), _timeout.Token);

            await machine.Console.WaitForAsync("nothing leads out", _timeout.Token);
            await machine.Console.WaitForAsync("poweroff ends the machine", _timeout.Token);
        }
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Pxelinux_FromTheFolder_ShowsItsMenu()
    {
        string root = await FetchAsync("pxelinux", "syslinux-common");
        File.Copy(Path.Combine(root, "usr/lib/PXELINUX/pxelinux.0"), _folder.PathOf("pxelinux.0"));
        foreach (string module in (string[])["ldlinux.c32", "menu.c32", "libutil.c32"])
        {
            File.Copy(Path.Combine(root, "usr/lib/syslinux/modules/bios", module), _folder.PathOf(module));
        }

        Directory.CreateDirectory(_folder.PathOf("pxelinux.cfg"));
        await File.WriteAllTextAsync(
            _folder.PathOf("pxelinux.cfg/default"), "UI menu.c32\nMENU TITLE From the network\nLABEL one\n  LOCALBOOT 0\n", _timeout.Token);

        await using VirtualMachine machine = await VirtualMachine.StartAsync(Describe("pxelinux.0"), _timeout.Token);

        await machine.Screen.WaitForTextAsync("From the network", _timeout.Token);
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Ipxe_AtItsPrompt_HasALease()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Describe(bootFile: null), _timeout.Token);
        await machine.Screen.WaitForTextAsync("Press Ctrl-B for the iPXE command line", _timeout.Token);
        await machine.Screen.PressAsync("ctrl-b", _timeout.Token);
        await machine.Screen.WaitForTextAsync("iPXE>", _timeout.Token);

        await machine.Screen.TypeAsync("dhcp && show ip\n", _timeout.Token);

        await machine.Screen.WaitForTextAsync("10.0.2.15", _timeout.Token);
    }

    private MachineSpec Describe(string? bootFile, NetworkCardModel model = NetworkCardModel.Virtio) => new()
    {
        Boot = [BootDevice.Network],
        Memory = 512UL << 20,
        Networks =
        [
            NetworkCard.User(new UserNetworkOptions { TftpFolder = _folder.Root, BootFile = bootFile }) with { Model = model },
        ],
    };

    private async Task<string> FetchAsync(params string[] names)
    {
        using TemporaryFolder work = new();
        DebianPackages packages = await DebianPackages.OpenAsync(work.PathOf(string.Empty), _timeout.Token);
        await packages.FetchAsync(names, work.PathOf("packages"), _timeout.Token);
        string root = _folder.PathOf("packages");
        foreach (string package in Directory.GetFiles(work.PathOf("packages"), "*.deb"))
        {
            await HostCommand.RunAsync("dpkg-deb", ["-x", package, root], _timeout.Token);
        }

        return root;
    }
}
