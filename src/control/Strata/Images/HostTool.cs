using System.Diagnostics;

namespace Strata.Images;

/// <summary>Runs an ordinary command of the host and collects what it prints.</summary>
internal static class HostTool
{
    /// <returns>Standard output.</returns>
    /// <exception cref="StrataException">The tool is missing or failed.</exception>
    public static async Task<string> RunAsync(string folder, string tool, string[] arguments, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new(tool, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        start.Environment["LC_ALL"] = "C";
        Process? process;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new StrataException(StrataError.Host, $"The command {tool} is needed but cannot be started: {error.Message}; install it, or give --kernel and --initrd.", error);
        }

        using Process running = process ?? throw new StrataException(StrataError.Host, $"The command {tool} could not be started.");
        Task<string> errors = running.StandardError.ReadToEndAsync(cancellationToken);
        string output = await running.StandardOutput.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
        await running.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        if (running.ExitCode != 0)
        {
            string reason = (await errors.ConfigureAwait(false)).Trim().Split('\n')[^1];
            throw new StrataException(StrataError.ImageUnavailable, $"`{tool} {string.Join(' ', arguments)}` failed: {reason}");
        }

        return output;
    }
}
