using System.Diagnostics;

namespace Strata.Disks.Tests.Blocks;

/// <summary>The other implementation that images are exchanged with: qemu-img and qemu-io of Debian's package qemu-utils.</summary>
internal static class QemuImg
{
    public static bool IsInstalled { get; } = Find("qemu-img") is not null && Find("qemu-io") is not null;

    /// <summary>Runs qemu-img and expects success.</summary>
    public static string Run(params string[] arguments) => Run("qemu-img", arguments);

    /// <summary>Runs one qemu-io process with a list of its commands.</summary>
    public static string Io(string format, string path, IEnumerable<string> commands) =>
        Run("qemu-io", ["-f", format, .. commands.SelectMany(command => new[] { "-c", command }), path]);

    /// <summary>Runs qemu-io commands and then its abort, which leaves the image as a crash does.</summary>
    public static void IoThatAborts(string format, string path, IEnumerable<string> commands)
    {
        ProcessStartInfo start = new(
            "qemu-io", ["-f", format, .. commands.Append("abort").SelectMany(command => new[] { "-c", command }), path])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), "qemu-io did not end.");
        Assert.NotEqual(0, process.ExitCode);
    }

    /// <summary>Expects qemu-img to find the same bytes and the same size in both.</summary>
    public static void Compare(string format, string path, string raw) =>
        Assert.DoesNotContain("mismatch", Run("compare", "-f", format, "-F", "raw", path, raw), StringComparison.OrdinalIgnoreCase);

    /// <summary>Expects qemu-img to find nothing wrong, where it can check the format at all.</summary>
    public static void Check(string format, string path)
    {
        if (format is "vdi" or "vmdk" or "vhdx")
        {
            Run("check", "-f", format, path);
        }
    }

    /// <summary>
    /// Expects qemu-img to open what a crash left and to find no error in it; leaks are none. Where it has no check for a format, its
    /// opening is all that it says. A VHDX whose log is to be replayed it refuses to check without a repair, so that a copy is repaired.
    /// </summary>
    public static void CheckAfterCrash(string format, string path, string copy)
    {
        const int leaks = 3;
        string[] arguments = format switch
        {
            "qcow2" or "vdi" or "vmdk" => ["check", "-f", format, path],
            "vhdx" => ["check", "-f", format, "-r", "all", copy],
            _ => ["info", "-f", format, path],
        };
        if (format == "vhdx")
        {
            File.Copy(path, copy, overwrite: true);
        }

        (int code, string output) = Start("qemu-img", arguments);
        Assert.True(code is 0 or leaks, $"qemu-img {string.Join(' ', arguments)} ended with {code}: {output}");
    }

    /// <returns>Where a program is installed; null where it is not.</returns>
    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(
            folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static string Run(string program, IReadOnlyList<string> arguments)
    {
        (int code, string output) = Start(program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)} failed with {code}: {output}");
        return output;
    }

    private static (int Code, string Output) Start(string program, IReadOnlyList<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), $"{program} did not end.");
        return (process.ExitCode, output + error.Result);
    }
}

/// <summary>A test that exchanges images with qemu-img.</summary>
internal sealed class QemuImgTheoryAttribute : TheoryAttribute
{
    public QemuImgTheoryAttribute() => Skip = QemuImg.IsInstalled ? null : "qemu-img and qemu-io are not installed (Debian: qemu-utils).";
}

/// <inheritdoc cref="QemuImgTheoryAttribute"/>
internal sealed class QemuImgFactAttribute : FactAttribute
{
    public QemuImgFactAttribute() => Skip = QemuImg.IsInstalled ? null : "qemu-img and qemu-io are not installed (Debian: qemu-utils).";
}
