using System.Text;

namespace Strata.Images;

/// <summary>An initramfs with perl and the guest's agent, to be unpacked over another one.</summary>
internal static class AgentOverlay
{
    private const string Libraries = "lib/x86_64-linux-gnu";
    private const string Modules = "usr/lib/x86_64-linux-gnu/perl-base";

    /// <summary>What the agent's script uses.</summary>
    private static readonly string[] PerlModules = ["strict.pm", "warnings.pm", "constant.pm", "warnings/register.pm"];

    private static readonly string[] SharedLibraries = ["libc.so.6", "libm.so.6", "libcrypt.so.1"];

    /// <param name="root">Where perl-base, libc6 and libcrypt1 were unpacked.</param>
    /// <exception cref="StrataException">They do not hold what they should.</exception>
    public static void Write(Stream output, string root)
    {
        CpioWriter cpio = new(output);
        foreach (string folder in (ReadOnlySpan<string>)
            ["strata", "lib64", "lib", Libraries, "usr", "usr/bin", "usr/lib", "usr/lib/x86_64-linux-gnu", Modules, Modules + "/warnings"])
        {
            cpio.AddDirectory(folder);
        }

        cpio.AddFile("usr/bin/perl", Read(root, "usr/bin/perl"), executable: true);
        cpio.AddFile("lib64/ld-linux-x86-64.so.2", Read(root, $"{Libraries}/ld-linux-x86-64.so.2"), executable: true);
        foreach (string library in SharedLibraries)
        {
            cpio.AddFile($"{Libraries}/{library}", Read(root, $"{Libraries}/{library}"), executable: true);
        }

        foreach (string module in PerlModules)
        {
            cpio.AddFile($"{Modules}/{module}", Read(root, $"{Modules}/{module}"), executable: false);
        }

        cpio.AddFile("strata/agent", Encoding.UTF8.GetBytes(GuestAgent.Script), executable: true);
        cpio.AddFile(
            "strata/start", "mkdir -p /dev/pts && mount -t devpts devpts /dev/pts\nperl /strata/agent </dev/null &\n"u8, executable: false);
        cpio.Finish();
    }

    /// <summary>A file of a package, or what a link beside it leads to.</summary>
    private static byte[] Read(string root, string path)
    {
        string place = Path.Combine(root, path);
        FileInfo file = new(place);
        if (file.LinkTarget is { } target)
        {
            place = Path.Combine(Path.GetDirectoryName(place)!, Path.GetFileName(target));
        }

        return File.Exists(place)
            ? File.ReadAllBytes(place)
            : throw new StrataException(
                StrataError.ImageUnavailable, $"Debian's packages hold no {path}; run apt-get update and try again.");
    }
}
