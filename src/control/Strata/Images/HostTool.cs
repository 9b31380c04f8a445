using System.Diagnostics;
using System.Globalization;

namespace Strata.Images;

/// <summary>Runs an ordinary command of the host and collects what it prints.</summary>
internal static class HostTool
{
    /// <summary>Where tools are that are no less useful to an ordinary user than to root.</summary>
    private static readonly string[] SystemFolders = ["/usr/sbin", "/sbin"];

    /// <param name="environment">Variables beyond this process's own.</param>
    /// <returns>Standard output.</returns>
    /// <exception cref="StrataException">The tool is missing or failed.</exception>
    public static async Task<string> RunAsync(
        string folder, string tool, string[] arguments, CancellationToken cancellationToken,
        params (string Name, string Value)[] environment)
    {
        using Process running = Start(folder, tool, arguments, environment);
        Task<string> output = running.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await FinishAsync(running, tool, arguments, cancellationToken).ConfigureAwait(false);
        return await output.ConfigureAwait(false);
    }

    /// <summary>Runs a tool whose standard output is a file's content.</summary>
    /// <inheritdoc cref="RunAsync"/>
    public static async Task RunToFileAsync(
        string folder, string tool, string[] arguments, string path, CancellationToken cancellationToken)
    {
        FileStream file = File.Create(path);
        await using (file.ConfigureAwait(false))
        {
            using Process running = Start(folder, tool, arguments, []);
            Task output = running.StandardOutput.BaseStream.CopyToAsync(file, CancellationToken.None);
            await FinishAsync(running, tool, arguments, cancellationToken).ConfigureAwait(false);
            await output.ConfigureAwait(false);
        }
    }

    /// <summary>Bytes that a folder takes on the disk, holes of sparse files left out.</summary>
    public static async Task<long> MeasureAsync(string folder, CancellationToken cancellationToken)
    {
        string line = await RunAsync(folder, "du", ["-s", "--block-size=1", "."], cancellationToken).ConfigureAwait(false);
        return long.Parse(line.Split('\t')[0], CultureInfo.InvariantCulture);
    }

    private static Process Start(string folder, string tool, string[] arguments, (string Name, string Value)[] environment)
    {
        ProcessStartInfo start = new(Find(tool), arguments)
        {
            RedirectStandardInput = true, // nothing for it to ask; and the terminal stays as it is
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        start.Environment["LC_ALL"] = "C";
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        try
        {
#pragma warning disable RS0030 // here and nowhere else
            Process process = Process.Start(start)
                ?? throw new StrataException(StrataError.Host, $"The command {tool} could not be started.");
#pragma warning restore RS0030
            process.StandardInput.Close();
            return process;
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new StrataException(
                StrataError.Host,
                $"The command {tool} is needed but cannot be started: {error.Message}; install it, or give --kernel and --initrd.", error);
        }
    }

    /// <summary>The tool itself if the search path leads to it.</summary>
    private static string Find(string tool)
    {
        string[] path = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries);
        return Array.Exists(path, folder => File.Exists(Path.Combine(folder, tool)))
            ? tool
            : SystemFolders.Select(folder => Path.Combine(folder, tool)).FirstOrDefault(File.Exists) ?? tool;
    }

    private static async Task FinishAsync(Process running, string tool, string[] arguments, CancellationToken cancellationToken)
    {
        Task<string> errors = running.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await running.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            running.Kill(entireProcessTree: true);
            await running.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false); // the caller removes what it was writing to
            throw;
        }

        if (running.ExitCode != 0)
        {
            string reason = (await errors.ConfigureAwait(false)).Trim().Split('\n')[^1];
            throw new StrataException(StrataError.ImageUnavailable, $"`{tool} {string.Join(' ', arguments)}` failed: {reason}");
        }
    }
}
