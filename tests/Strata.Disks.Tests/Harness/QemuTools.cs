using System.Diagnostics;

namespace Strata.Disks.Tests.Harness;

/// <summary>QEMU's qemu-img and qemu-io, the reference implementation of the format.</summary>
internal static class QemuTools
{
    /// <summary>Why tests that need them are skipped; null where they are installed.</summary>
    public static string? Missing
    {
        get
        {
            string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':');
            string? missing = new[] { "qemu-img", "qemu-io" }.FirstOrDefault(
                tool => !folders.Any(folder => File.Exists(Path.Combine(folder, tool))));
            return missing is null ? null : $"The host has no {missing}; install qemu-utils.";
        }
    }

    /// <summary>Runs qemu-img; any other exit code than 0 is a failure of the test.</summary>
    /// <returns>Standard output.</returns>
    public static string Image(params string[] arguments) => Run("qemu-img", arguments);

    /// <summary>Runs commands of qemu-io on an image.</summary>
    public static void Io(string path, params string[] commands) =>
        Run("qemu-io", ["-f", "qcow2", .. commands.SelectMany(command => new[] { "-c", command }), path]);

    /// <summary>No errors and no leaks.</summary>
    public static void AssertSound(string path) => Run("qemu-img", ["check", "-f", "qcow2", path]);

    /// <summary>No errors; leaks are allowed.</summary>
    public static void AssertNotCorrupt(string path)
    {
        const int leaks = 3;
        (int code, string output) = Start("qemu-img", ["check", "-f", "qcow2", path]);
        Assert.True(code is 0 or leaks, $"qemu-img check ended with {code}: {output}");
    }

    /// <summary>Both show the guest the same bytes.</summary>
    public static void AssertSame(string path, string format, string other, string otherFormat) =>
        Run("qemu-img", ["compare", "-f", format, "-F", otherFormat, path, other]);

    private static string Run(string tool, string[] arguments)
    {
        (int code, string output) = Start(tool, arguments);
        Assert.True(code == 0, $"{tool} {string.Join(' ', arguments)} ended with {code}: {output}");
        return output;
    }

    private static (int Code, string Output) Start(string tool, string[] arguments)
    {
        using Process process = Process.Start(
            new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })
            ?? throw new InvalidOperationException($"{tool} did not start.");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.GetAwaiter().GetResult());
    }
}
