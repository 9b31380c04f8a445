using System.Text;
using Strata.Core.Sharing;
using Strata.Shares;

namespace Strata;

/// <content>Files and folders between host and guest.</content>
public sealed partial class GuestAgent
{
    /// <summary>
    /// Copies a file or folder of the host to the guest, with permissions, times of modification and links as links. Where the target is a folder of the
    /// guest, the copy goes into it under its own name; folders that exist are merged, files replaced when their content is complete.
    /// </summary>
    /// <param name="source">On the host; a link here is followed.</param>
    /// <param name="leftOut">Hears of each thing that is neither file, folder nor link; null to ignore them.</param>
    /// <exception cref="StrataException">No agent answers, or one side cannot read or write.</exception>
    public async Task CopyToGuestAsync(string source, string guestPath, Action<string>? leftOut = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(guestPath);
        if (!Path.Exists(source))
        {
            throw new StrataException(StrataError.BadInput, $"There is no {source} to copy; check the path.");
        }

        byte[] name = Encoding.UTF8.GetBytes(NameOf(Path.GetFullPath(source)));
        byte[] request = [.. AgentFrame.Numbers((uint)name.Length), .. name, .. Encoding.UTF8.GetBytes(guestPath)];
        (Stream connection, _) = await OpenAsync('U', request, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            TreeSender sender = new(connection, leftOut ?? (_ => { }), cancellationToken);
            await SendAndConfirmAsync(
                connection,
                async () =>
                {
                    await sender.SendAsync(source).ConfigureAwait(false);
                    await AgentFrame.WriteAsync(connection, 'E', default, cancellationToken).ConfigureAwait(false);
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Copies a file or folder of the guest to the host, with permissions, but for set-user-ID bits, and times of modification. Where the target is a folder,
    /// the copy goes into it under its own name; folders that exist are merged, files replaced when their content is complete. Nothing
    /// that the guest sends gets outside of the copy, whatever it is named; links that would lead outside are left out.
    /// </summary>
    /// <param name="leftOut">Hears of each thing that stays in the guest: such links, devices, FIFOs and sockets. Null to ignore them.</param>
    /// <exception cref="StrataException">No agent answers, it breaks the rules, or one side cannot read or write.</exception>
    public async Task CopyFromGuestAsync(string guestPath, string target, Action<string>? leftOut = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(guestPath);
        ArgumentException.ThrowIfNullOrEmpty(target);
        string full = Path.GetFullPath(target);
        (string folder, string name) = Directory.Exists(full)
            ? (full, NameOf(guestPath))
            : (Path.GetDirectoryName(full) ?? "/", Path.EndsInDirectorySeparator(target) ? throw NoFolder(target) : NameOf(full));
        if (!Directory.Exists(folder))
        {
            throw NoFolder(folder);
        }

        (Stream connection, _) = await OpenAsync('T', Encoding.UTF8.GetBytes(guestPath), cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            using IFileShare place = OpenFolder(folder);
            TreeReceiver receiver = new(place, name, leftOut ?? (_ => { }));
            try
            {
                await ReceiveAsync(connection, receiver, leftOut, cancellationToken).ConfigureAwait(false);
            }
            catch (InvalidDataException error)
            {
                throw new StrataException(StrataError.Guest, error.Message, error);
            }
            finally
            {
                receiver.Abandon();
            }
        }
    }

    private static async Task ReceiveAsync(Stream connection, TreeReceiver receiver, Action<string>? leftOut, CancellationToken cancellationToken)
    {
        while (true)
        {
            AgentFrame frame = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
            switch (frame.Type)
            {
                case 'N':
                    receiver.Add(TreeNode.Parse(frame.Payload));
                    break;
                case 'D':
                    receiver.Write(frame.Payload);
                    break;
                case 'E' when receiver.End():
                    return;
                case 'E':
                    break;
                case 'V':
                    leftOut?.Invoke($"{Control.Printable.Text(Encoding.UTF8.GetString(frame.Payload))}: neither file, folder nor link");
                    break;
                default:
                    throw Failure(frame);
            }
        }
    }

    /// <summary>An agent that cannot go on says so and hangs up: what it said is the better answer than that the connection broke.</summary>
    private static async Task SendAndConfirmAsync(Stream connection, Func<Task> send, CancellationToken cancellationToken)
    {
        try
        {
            await send().ConfigureAwait(false);
        }
        catch (IOException error)
        {
            AgentFrame said = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
            throw said.Type == 'F' ? Failure(said) : new StrataException(StrataError.Guest, $"The guest's agent was lost: {error.Message}", error);
        }

        AgentFrame end = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
        if (end.Type != 'E')
        {
            throw Failure(end);
        }
    }

    /// <summary>The last part of a path, which has to be a name.</summary>
    private static string NameOf(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(path)) is { Length: > 0 } name and not ("." or "..")
        ? name
        : throw new StrataException(StrataError.BadInput, $"{path} has no name that its copy could get; name a file or folder.");

    private static HostFolder OpenFolder(string folder)
    {
        try
        {
            return HostFolder.Open(folder);
        }
        catch (IOException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message.Replace("shared folder", "folder", StringComparison.Ordinal), error);
        }
    }

    private static StrataException NoFolder(string path) => new(StrataError.BadInput, $"There is no folder {path} to copy to; make it first.");
}
