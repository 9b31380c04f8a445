using System.Text;
using Strata.Control;
using Strata.Core.Sharing;

namespace Strata;

/// <summary>Sends a file or folder of the host to a guest, links as they are.</summary>
/// <param name="leftOut">Hears of what cannot travel.</param>
internal sealed class TreeSender(Stream connection, Action<string> leftOut, CancellationToken cancellationToken)
{
    private const int Piece = 64 << 10;
    private const uint Permissions = 0xFFF;

    /// <param name="path">On the host. A link here is followed, one below it is not.</param>
    /// <exception cref="StrataException">Something on the host cannot be read.</exception>
    /// <exception cref="IOException">The guest's agent takes no more.</exception>
    public Task SendAsync(string path) => Directory.Exists(path) ? SendFolderAsync(path, string.Empty) : SendFileAsync(path, string.Empty);

    private async Task SendFolderAsync(string path, string below)
    {
        IEnumerable<FileSystemInfo> inside;
        HostFileStatus status;
        try
        {
            status = HostFileStatus.Of(path, followLink: below.Length == 0);
            inside = new DirectoryInfo(path).GetFileSystemInfos().OrderBy(info => info.Name, StringComparer.Ordinal);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, error);
        }

        await NodeAsync(status, 'd', below, string.Empty).ConfigureAwait(false);
        foreach (FileSystemInfo info in inside)
        {
            string name = below.Length == 0 ? info.Name : $"{below}/{info.Name}";
            if (info.LinkTarget is { } target)
            {
                await SendLinkAsync(info.FullName, name, target).ConfigureAwait(false);
            }
            else if (info is DirectoryInfo)
            {
                await SendFolderAsync(info.FullName, name).ConfigureAwait(false);
            }
            else
            {
                await SendFileAsync(info.FullName, name).ConfigureAwait(false);
            }
        }
    }

    private Task SendLinkAsync(string path, string below, string target)
    {
        HostFileStatus status;
        try
        {
            status = HostFileStatus.Of(path, followLink: false);
        }
        catch (IOException error)
        {
            throw Unreadable(path, error);
        }

        return NodeAsync(status, 'l', below, target);
    }

    private async Task SendFileAsync(string path, string below)
    {
        FileStream file;
        HostFileStatus status;
        try
        {
            status = HostFileStatus.Of(path, followLink: below.Length == 0);
            if (!status.IsRegular)
            {
                leftOut($"{Printable.Text(path)}: neither file, folder nor link");
                return;
            }

            file = File.OpenRead(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, error);
        }

        await using (file.ConfigureAwait(false))
        {
            await NodeAsync(status, 'f', below, string.Empty).ConfigureAwait(false);
            byte[] piece = new byte[Piece];
            int count;
            while ((count = await ReadAsync(file, piece, path).ConfigureAwait(false)) > 0)
            {
                await AgentFrame.WriteAsync(connection, 'D', piece.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            }

            await AgentFrame.WriteAsync(connection, 'E', default, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<int> ReadAsync(FileStream file, byte[] piece, string path)
    {
        try
        {
            return await file.ReadAsync(piece, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            throw Unreadable(path, error);
        }
    }

    private Task NodeAsync(HostFileStatus status, char kind, string below, string target)
    {
        TreeNode node = new(status.Mode & Permissions, kind, Encoding.UTF8.GetBytes(below), Encoding.UTF8.GetBytes(target), status.Modified);
        return AgentFrame.WriteAsync(connection, 'N', node.ToBytes(), cancellationToken);
    }

    private static StrataException Unreadable(string path, Exception error) =>
        new(StrataError.BadInput, $"{Printable.Text(path)} cannot be read: {error.Message}", error);
}
