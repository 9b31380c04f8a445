using System.Buffers.Binary;
using System.Text;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>SeaBIOS starts what is on disks and discs; the machine is seen by its screen, and typed at.</summary>
public sealed class FirmwareTests : IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(10));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task BootSector_OnIde_PrintsReadsAKeyAndWritesItsDisk()
    {
        foreach (Engine engine in (Engine[])[Engine.Interpreter, Engine.Translator])
        {
            string path = _folder.Write($"{engine.Name}.raw", BootSector.CreateDisk());
            MachineSpec spec = Describe(path) with { Engine = engine };
            MachineExit exit;
            await using (VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token))
            {
                await machine.Screen.WaitForTextAsync("key:", _timeout.Token);
                await machine.Screen.TypeAsync("Q", _timeout.Token);
                exit = await machine.WaitForExitAsync(_timeout.Token);
                Assert.Contains("The boot sector runs.\nkey: Q\n", machine.Screen.ReadText(), StringComparison.Ordinal);
            }

            byte[] disk = await File.ReadAllBytesAsync(path, _timeout.Token);
            Assert.Equal((MachineExitReason.DebugExit, 3), (exit.Reason, exit.Code));
            Assert.Equal(disk[..512], disk[512..1024]);
        }
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Reset_ByTheKeyboard_StartsTheFirmwareAgain()
    {
        string path = _folder.Write("disk.raw", BootSector.CreateDisk());
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Describe(path), _timeout.Token);
        await machine.Screen.WaitForTextAsync("key:", _timeout.Token);

        await machine.Screen.PressAsync("ctrl-alt-delete", _timeout.Token);
        while (machine.Resets == 0)
        {
            await Task.Delay(20, _timeout.Token);
        }

        await machine.Screen.WaitForTextAsync("key:", _timeout.Token);
        await machine.Screen.TypeAsync("z", _timeout.Token);
        Assert.Equal(MachineExitReason.DebugExit, (await machine.WaitForExitAsync(_timeout.Token)).Reason);
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task BootMenu_AsksForWhatToStart()
    {
        string path = _folder.Write("disk.raw", BootSector.CreateDisk());
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Describe(path) with { BootMenu = true }, _timeout.Token);

        await machine.Screen.WaitForTextAsync("Press ESC for boot menu", _timeout.Token);
        await machine.Screen.PressAsync("esc", _timeout.Token);
        await machine.Screen.WaitForTextAsync("STRATA DISK", _timeout.Token);
        await machine.Screen.TypeAsync("1", _timeout.Token);

        await machine.Screen.WaitForTextAsync("The boot sector runs.", _timeout.Token);
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Disk_WithoutABootSector_IsSaidOnScreenAndTerminal()
    {
        string path = _folder.Write("empty.raw", new byte[BootSector.DiskSize]);

        await using VirtualMachine machine = await VirtualMachine.StartAsync(Describe(path), _timeout.Token);

        await machine.Screen.WaitForTextAsync("not a bootable disk", _timeout.Token);
        await machine.Console.WaitForAsync("not a bootable disk", _timeout.Token);
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task GrubRescueDisc_Saved_GoesOnWhereItWas()
    {
        string disc = await FetchGrubAsync("grub-rescue-cdrom.iso");
        SnapshotStore store = new(_folder.PathOf("snapshots"));
        await using (VirtualMachine machine = await VirtualMachine.StartAsync(Describe(disc), _timeout.Token))
        {
            await machine.Screen.WaitForTextAsync("GNU GRUB", _timeout.Token);
            await machine.Screen.TypeAsync("c", _timeout.Token);
            await machine.Screen.WaitForTextAsync("grub> ", _timeout.Token);
            await machine.SuspendAsync(new SnapshotRequest { Name = "prompt" }, store, _timeout.Token);
        }

        await using VirtualMachine restored = await VirtualMachine.RestoreAsync(
            store, "prompt", new RestoreOptions { Engine = Engine.Interpreter }, cancellationToken: _timeout.Token);
        Assert.Contains("grub>", restored.Screen.ReadText(), StringComparison.Ordinal);
        await restored.Screen.TypeAsync("ls (cd)/\n", _timeout.Token); // needs the disc, the keyboard and the screen

        await restored.Screen.WaitForTextAsync("boot/", _timeout.Token);
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task GrubRescueDiskette_ShowsItsMenuAndReadsItsDrive()
    {
        MachineSpec spec = Describe(await FetchGrubAsync("grub-rescue-floppy.img"));
        spec = spec with { Disks = [DiskSpec.Diskette(spec.Disks[0].Path) with { ReadOnly = true }] };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);

        await machine.Screen.WaitForTextAsync("GNU GRUB", _timeout.Token);
        await machine.Screen.TypeAsync("c", _timeout.Token);
        await machine.Screen.WaitForTextAsync("grub> ", _timeout.Token);
        await machine.Screen.TypeAsync("hexdump --length=16 --skip=510 (fd0)\n", _timeout.Token);

        await machine.Screen.WaitForTextAsync("55 aa", _timeout.Token); // the end of the boot sector
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Memtest_FromItsDisc_FindsNoErrors()
    {
        string disc = await FetchAsync("memtest86+", "usr/lib/memtest86+/memtest86+x64.iso");
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Describe(disc) with { Memory = 32UL << 20 }, _timeout.Token);

        await machine.Screen.WaitForTextAsync("Test #4", _timeout.Token); // those before have passed

        Assert.Matches(@"Errors: 0\s", machine.Screen.ReadText());
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Command_GrubRescueDisc_ShowsItsMenuAndTakesKeys()
    {
        string disc = await FetchGrubAsync("grub-rescue-cdrom.iso");
        string name = $"grub-{Guid.NewGuid():N}"[..20];
        using HostCommand run = HostCommand.StartStrata("run", disc, "--name", name, "--net", "none");
        await run.WaitForOutputAsync("for a command-line", _timeout.Token); // the firmware's serial console: the menu's last words

        Assert.Contains("Use the ↑ and ↓ keys", await StrataAsync("screen", name), StringComparison.Ordinal);
        await StrataAsync("type", name, "c", "--key", "ctrl-l");
        string picture = _folder.PathOf("screen.png");
        await StrataAsync("screen", name, "--png", picture);
        byte[] png = await File.ReadAllBytesAsync(picture, _timeout.Token);
        await StrataAsync("stop", "--force", name);
        await run.WaitForExitAsync(_timeout.Token);

        Assert.Equal("PNG", Encoding.ASCII.GetString(png, 1, 3));
        Assert.Equal(
            (720, 400), (BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20))));
    }

    private static MachineSpec Describe(string path) => MachineSpec.StartingFrom(path) with
    {
        Memory = 128UL << 20,
        Networks = [],
        Engine = Engine.Translator,
    };

    private Task<string> FetchGrubAsync(string file) => FetchAsync("grub-rescue-pc", $"usr/lib/grub-rescue/{file}");

    private async Task<string> FetchAsync(string name, string file)
    {
        Directory.CreateDirectory(_folder.PathOf("work"));
        DebianPackages packages = await DebianPackages.OpenAsync(_folder.PathOf("work"), _timeout.Token);
        await packages.FetchAsync([name], _folder.PathOf("packages"), _timeout.Token);
        string package = Assert.Single(Directory.GetFiles(_folder.PathOf("packages"), "*.deb"));
        await HostCommand.RunAsync("dpkg-deb", ["-x", package, _folder.PathOf("root")], _timeout.Token);
        return Path.Combine(_folder.PathOf("root"), file);
    }

    private async Task<string> StrataAsync(params string[] arguments)
    {
        using HostCommand command = HostCommand.StartStrata(arguments);
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);
        Assert.True(code == 0, errors);
        return command.Output;
    }
}
