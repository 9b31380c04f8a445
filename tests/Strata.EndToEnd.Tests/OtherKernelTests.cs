using System.Buffers.Binary;
using System.Text;
using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>Kernels that are not Linux, from Debian's packages: Xen with a Linux dom0, and GNU Mach.</summary>
public sealed class OtherKernelTests : IDisposable
{
    private const string GenericKernel = "linux-image-amd64"; // Debian's cloud kernel can be no dom0
    private const string MachPackage = "gnumach-image-1.8-486";
    private const string XenCommandLine = "console=com1 dom0_mem=600M";

    private const string XenMenu =
        $$"""
        set timeout=0
        menuentry "Xen" {
            multiboot2 /boot/xen.gz {{XenCommandLine}}
            module2 /boot/vmlinuz console=hvc0
            module2 /boot/initrd
        }

        """;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(20));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact("apt-get", "dpkg-deb")]
    public async Task Xen_WithADebianDom0_ReachesTheShellAndPowersOff()
    {
        (string xen, BootPackages boot) = await FetchXenAsync();
        MachineSpec spec = new()
        {
            Kernel = xen,
            CommandLine = XenCommandLine,
            Modules = [new ModuleFile(boot.Kernel, "vmlinuz console=hvc0"), new ModuleFile(WriteInitrd(boot.Busybox), "initrd")],
            Memory = 1UL << 30,
            Engine = Engine.Translator,
            Networks = [],
        };

        await UseDom0Async(spec);
    }

    [ImageFact("apt-get", "dpkg-deb", "grub-mkrescue", "xorriso", "mformat")]
    public async Task Xen_ByGrubsMultiboot2_ReachesTheShellAndPowersOff()
    {
        (string xen, BootPackages boot) = await FetchXenAsync();
        Dictionary<string, string> files = new() { ["xen.gz"] = xen, ["vmlinuz"] = boot.Kernel, ["initrd"] = WriteInitrd(boot.Busybox) };
        string disc = await GrubDisc.CreateAsync(_folder, XenMenu, files, _timeout.Token);

        await UseDom0Async(
            MachineSpec.StartingFrom(disc) with { Memory = 1UL << 30, Engine = Engine.Translator, Networks = [] });
    }

    /// <summary>The 64-bit build of the package has UD2 at its system calls' entry; that of i386 serves them.</summary>
    [ImageFact("apt-get", "dpkg-deb")]
    public async Task GnuMach_WithAModule_RunsItsFirstTask()
    {
        DebianPackages packages = await OpenPackagesAsync("i386");
        await packages.FetchAsync([MachPackage], _folder.PathOf("mach"), _timeout.Token);
        string package = Assert.Single(Directory.GetFiles(_folder.PathOf("mach"), "*.deb"));
        await HostCommand.RunAsync("dpkg-deb", ["-x", package, _folder.PathOf("root")], _timeout.Token);
        MachineSpec spec = new()
        {
            Kernel = Assert.Single(Directory.GetFiles(_folder.PathOf("root/boot"), "gnumach-*.gz")),
            CommandLine = "console=com0 root=device:rd0",
            Modules = [
                new ModuleFile(_folder.Write("task", MachTask("the first task speaks\n")), "task first $(task-create) $(task-resume)")],
            Memory = 256UL << 20,
            Engine = Engine.Translator,
            Networks = [],
        };

        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync("the first task speaks", _timeout.Token);

        string output = machine.Console.Output;
        Assert.Contains("GNU Mach 1.8", output, StringComparison.Ordinal);
        Assert.Contains("module 0: task first", output, StringComparison.Ordinal);
        Assert.Contains("start task: ", output, StringComparison.Ordinal);
    }

    /// <summary>
    /// A statically linked i386 program that prints by the kernel's trap mach_print, number -30, and goes round for ever.
    /// </summary>
    private static byte[] MachTask(string text)
    {
        const uint address = 0x0804_8000;
        const int headers = 52 + 32;
        const int machPrint = -30;
        Assembler c = new(32);
        Label start = c.CreateLabel();
        Label trap = c.CreateLabel();
        Label forever = c.CreateLabel();
        c.call(start); // leaves the text's address on the stack, where the trap looks for it
        c.db([.. Encoding.ASCII.GetBytes(text), 0]);
        c.Label(ref start);
        c.call(trap);
        c.Label(ref forever);
        c.jmp(forever);
        c.Label(ref trap);
        c.mov(AssemblerRegisters.eax, machPrint);
        c.db(0x9A, 0, 0, 0, 0, 7, 0); // CALL FAR 7:0, the call gate of system calls
        c.ret();
        using MemoryStream code = new();
        c.Assemble(new StreamCodeWriter(code), address + headers);
        byte[] image = [.. new byte[headers], .. code.ToArray()];
        ReadOnlySpan<uint> header =
        [
            // ELF32, EM_386, one segment
            0x464C_457F, 0x0001_0101, 0, 0, 0x0003_0002, 1, address + headers, 52, 0, 0, 0x0020_0034, 0x0000_0001, 0,
            1, 0, address, address, (uint)image.Length, (uint)image.Length, 7, 0x1000, // PT_LOAD
        ];
        for (int i = 0; i < header.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(i * 4), header[i]);
        }

        return image;
    }

    private async Task<(string Xen, BootPackages Boot)> FetchXenAsync()
    {
        DebianPackages packages = await OpenPackagesAsync(DebianPackages.Amd64);
        string xen = await packages.FindVersionedAsync("xen-system-amd64", "xen-hypervisor-", _timeout.Token);
        BootPackages boot = await BootPackages.FetchAsync(
            packages, [xen], _folder.PathOf("work"), progress: null, _timeout.Token, GenericKernel);
        return (Assert.Single(Directory.GetFiles(Path.Combine(boot.Root, "boot"), "xen-*.gz")), boot);
    }

    private async Task UseDom0Async(MachineSpec spec)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync("dom0 of xen 4.", _timeout.Token);
        await machine.Console.WriteLineAsync("echo a she''ll: $((6 * 7)); poweroff -f", _timeout.Token);
        await machine.Console.WaitForAsync("a shell: 42", _timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);

        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
    }

    private async Task<DebianPackages> OpenPackagesAsync(string architecture)
    {
        Directory.CreateDirectory(_folder.PathOf("work"));
        return await DebianPackages.OpenAsync(_folder.PathOf("work"), _timeout.Token, architecture);
    }

    private string WriteInitrd(string busybox)
    {
        const string init = """
            #!/bin/busybox sh
            /bin/busybox --install -s /bin
            mount -t proc proc /proc
            mount -t sysfs sysfs /sys
            mount -t devtmpfs devtmpfs /dev
            echo dom0 of $(cat /sys/hypervisor/type) $(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor)
            exec setsid cttyhack sh

            """;
        string path = _folder.PathOf("initrd");
        using FileStream output = File.Create(path);
        CpioWriter cpio = new(output);
        foreach (string folder in (ReadOnlySpan<string>)["bin", "proc", "sys", "dev"])
        {
            cpio.AddDirectory(folder);
        }

        cpio.AddCharacterDevice("dev/console", 5, 1);
        cpio.AddFile("bin/busybox", File.ReadAllBytes(busybox), executable: true);
        cpio.AddLink("bin/sh", "busybox");
        cpio.AddFile("init", Encoding.ASCII.GetBytes(init), executable: true);
        cpio.Finish();
        return path;
    }
}
