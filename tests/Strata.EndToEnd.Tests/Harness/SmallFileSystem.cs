using System.Diagnostics;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A file system of its own that is soon full; root alone can have one.</summary>
internal sealed class SmallFileSystem : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <param name="size">As mount(8) has it.</param>
    public SmallFileSystem(string size)
    {
        Directory.CreateDirectory(Root);
        if (!Run("mount", "-t", "tmpfs", "-o", $"size={size}", "strata-test", Root))
        {
            _folder.Dispose();
            throw new InvalidOperationException("No file system could be mounted.");
        }
    }

    public string Root => _folder.PathOf("mounted");

    public void Dispose()
    {
        Run("umount", "--lazy", Root);
        _folder.Dispose();
    }

    /// <summary>Why there can be none here; null if there can.</summary>
    public static string? ReasonToSkip()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return "Only root can mount a file system.";
        }

        if (HostTools.ReasonToSkip(["mount", "umount"]) is { } reason)
        {
            return reason;
        }

        try
        {
            using SmallFileSystem probe = new("64k");
            return null;
        }
        catch (InvalidOperationException error)
        {
            return error.Message;
        }
    }

    private static bool Run(string tool, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}

/// <summary>A test that fills a file system.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SmallFileSystemFactAttribute : FactAttribute
{
    public SmallFileSystemFactAttribute() => Skip = SmallFileSystem.ReasonToSkip();
}
