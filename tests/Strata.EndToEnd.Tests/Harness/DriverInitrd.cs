using System.Text;
using Strata.Images;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>An initial RAM disk that loads drivers and starts a shell on the serial port.</summary>
internal static class DriverInitrd
{
    /// <summary>What the shell's start is known by.</summary>
    public const string Ready = "the drivers are loaded";

    /// <param name="path">Where it is written.</param>
    /// <param name="boot">The kernel's package and busybox.</param>
    /// <param name="modules">With those that they depend on, in this order; those that the kernel has built in are left out.</param>
    public static void Write(string path, BootPackages boot, params string[] modules)
    {
        using FileStream output = File.Create(path);
        CpioWriter cpio = new(output);
        foreach (string folder in (string[])["bin", "sbin", "usr", "usr/bin", "usr/sbin", "proc", "sys", "dev", "mnt", "modules"])
        {
            cpio.AddDirectory(folder);
        }

        cpio.AddCharacterDevice("dev/console", 5, 1);
        cpio.AddFile("bin/busybox", File.ReadAllBytes(boot.Busybox), executable: true);
        cpio.AddLink("bin/sh", "busybox");
        StringBuilder load = new();
        foreach ((string module, byte[] content) in KernelModules.InLoadOrder(boot.Root, modules))
        {
            cpio.AddFile($"modules/{module}.ko", content, executable: false);
            load.Append("insmod /modules/").Append(module).Append(".ko\n");
        }

        cpio.AddFile("init", Encoding.ASCII.GetBytes(Script(load.ToString())), executable: true);
        cpio.Finish();
    }

    private static string Script(string load) =>
        $"""
        #!/bin/busybox sh
        /bin/busybox --install -s
        mount -t proc proc /proc
        mount -t sysfs sysfs /sys
        mount -t devtmpfs devtmpfs /dev
        {load}
        echo {Ready} on $(uname -r)
        exec setsid cttyhack sh

        """;
}
