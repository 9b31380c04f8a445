using Strata.Snapshots;

namespace Strata.Cli.Snapshots;

/// <summary>Snapshots into files and out of them, by the names that the command line gives.</summary>
internal static class SnapshotFile
{
    private const string Standard = "-";

    public static async Task ExportAsync(string machine, string name, string path, CancellationToken token)
    {
        if (path == Standard)
        {
            using StandardStream output = new(StandardStream.Output);
            await SnapshotCatalog.ExportAsync(machine, name, output, progress: null, token);
            return;
        }

        string part = $"{path}.{Environment.ProcessId}.part";
        try
        {
            FileStream file = new(part, FileMode.CreateNew, FileAccess.Write);
            await using (file.ConfigureAwait(false))
            {
                await SnapshotCatalog.ExportAsync(machine, name, file, LineProgress.ForTerminal(), token);
            }

            File.Move(part, path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(StrataError.Host, $"The file {path} cannot be written: {error.Message}", error);
        }
        finally
        {
            File.Delete(part);
        }
    }

    public static async Task<string> ImportAsync(string path, string machine, string? name, bool allowHostPaths, CancellationToken token)
    {
        if (path == Standard)
        {
            using StandardStream input = new(StandardStream.Input);
            return await SnapshotCatalog.ImportAsync(machine, name, input, allowHostPaths, token);
        }

        try
        {
            FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            await using (file.ConfigureAwait(false))
            {
                return await SnapshotCatalog.ImportAsync(machine, name, file, allowHostPaths, token);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(StrataError.BadInput, $"The file {path} cannot be read: {error.Message}", error);
        }
    }
}
