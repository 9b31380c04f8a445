using System.Runtime.InteropServices;
using Strata.Control;
using Strata.Core.Posix;
using Strata.Shares;

namespace Strata;

/// <content>Files and folders between host and guest.</content>
public sealed partial class GuestAgent
{
    private const int MostLinks = 40;
    private const uint TextFileBusy = 26; // ETXTBSY
    private const string RunsHint = "A program that runs is not written to; --replace puts the new one in its place";

    /// <summary>
    /// Of <see cref="AgentFrame"/>: the agent answers that it writes into what exists and goes on behind what it cannot write.
    /// </summary>
    private const uint GoesOn = 1;

    /// <summary>
    /// Copies a file or folder of the host to the guest, with permissions, times of modification and links as links. Where the target is a
    /// folder of the guest, the copy goes into it under its own name. Folders that exist are merged; the data of a file goes into what has
    /// its name: a file, which keeps its owner, mode and other names, a device, or what a link leads to. What cannot be read or written is
    /// left out, and the rest is copied.
    /// </summary>
    /// <param name="source">On the host; a link here is followed, a device or FIFO read. Bytes that are no UTF-8 as <see
    /// cref="ByteText"/> keeps them, here and below.</param>
    /// <param name="leftOut">Hears of each thing that stays behind; null to ignore them. It is called by one thread at a time.</param>
    /// <param name="replace">Files take the place of what exists, whatever it is but a folder, when their content is complete.</param>
    /// <exception cref="StrataException">No agent answers, or the source cannot be read or the target not be written at all.</exception>
    public async Task CopyToGuestAsync(
        string source,
        string guestPath,
        Action<string>? leftOut = null,
        bool replace = false,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(guestPath);
        if (HostFileStatus.TryOf(source, followLink: true) is null)
        {
            throw new StrataException(StrataError.BadInput, $"There is no {Printable.Text(source)} to copy; check the path.");
        }

        Lock gate = new();
        byte[] name = ByteText.GetBytes(NameOf(Path.GetFullPath(source)));
        byte[] request = [.. AgentFrame.Numbers((uint)name.Length), .. name, .. ByteText.GetBytes(guestPath)];
        (Stream connection, AgentFrame accepted) = await OpenAsync('U', request, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            bool goesOn = accepted.Number() >= GoesOn;
            if (goesOn && replace)
            {
                await WriteAsync(connection, 'M', AgentFrame.Numbers(1), cancellationToken).ConfigureAwait(false);
            }

            Task confirmed = ReadRepliesAsync(connection, LeaveOut, cancellationToken); // meanwhile, or both would wait for each other
            try
            {
                await new TreeSender(connection, LeaveOut, goesOn, cancellationToken).SendAsync(source).ConfigureAwait(false);
                await AgentFrame.WriteAsync(connection, 'E', default, cancellationToken).ConfigureAwait(false);
            }
            catch (IOException error)
            {
                await confirmed.ConfigureAwait(false); // an agent that cannot go on says why, and hangs up
                throw new StrataException(StrataError.Guest, $"The guest's agent was lost: {error.Message}", error);
            }
            catch
            {
                await connection.DisposeAsync().ConfigureAwait(false);
                await confirmed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw;
            }

            await confirmed.ConfigureAwait(false);
        }

        void LeaveOut(string what)
        {
            lock (gate)
            {
                leftOut?.Invoke(what);
            }
        }
    }

    /// <summary>
    /// Copies a file or folder of the guest to the host, with permissions, but for set-user-ID bits, and times of modification. Where the
    /// target is a folder, the copy goes into it under its own name. Folders that exist are merged, and files written into those that
    /// exist, as the other way; a device, or what a link leads to, only where the target itself is one. Nothing that the guest sends gets
    /// outside of the copy, whatever it is named; links that would lead outside are left out, as is what cannot be read or written.
    /// </summary>
    /// <param name="leftOut">Hears of each thing that stays in the guest. Null to ignore them.</param>
    /// <param name="replace">Files take the place of what exists, whatever it is but a folder, when their content is complete.</param>
    /// <exception cref="StrataException">No agent answers, it breaks the rules, or the source cannot be read or the target not be
    /// written at all.</exception>
    public async Task CopyFromGuestAsync(
        string guestPath,
        string target,
        Action<string>? leftOut = null,
        bool replace = false,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(guestPath);
        ArgumentException.ThrowIfNullOrEmpty(target);
        leftOut ??= _ => { };
        using IDisposable resources = OpenTarget(guestPath, target, leftOut, replace, out ITreeTarget tree);
        (Stream connection, _) = await OpenAsync('T', ByteText.GetBytes(guestPath), cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            try
            {
                await ReceiveAsync(connection, tree, guestPath, leftOut, cancellationToken).ConfigureAwait(false);
            }
            catch (InvalidDataException error)
            {
                throw new StrataException(StrataError.Guest, error.Message, error);
            }
            finally
            {
                tree.Abandon();
            }
        }
    }

    private static IDisposable OpenTarget(string guestPath, string target, Action<string> leftOut, bool replace, out ITreeTarget tree)
    {
        string full = Path.GetFullPath(target);
        HostFileStatus? status = HostFileStatus.TryOf(full, followLink: true);
        if (status is { IsFolder: false, IsRegular: false } && !replace)
        {
            FileStream stream = OpenDevice(full);
            tree = new StreamTarget(stream, target, leftOut);
            return stream;
        }

        full = status is { IsFolder: true } || replace ? full : FollowLinks(full);
        (string folder, string name) = status is { IsFolder: true }
            ? (full, NameOf(guestPath))
            : (Path.GetDirectoryName(full) ?? "/", Path.EndsInDirectorySeparator(target) ? throw NoFolder(target) : NameOf(full));
        if (HostFileStatus.TryOf(folder, followLink: true) is not { IsFolder: true })
        {
            throw NoFolder(folder);
        }

        HostFolder place = OpenFolder(folder, readOnly: false);
        tree = new TreeReceiver(place, ByteText.GetBytes(name), leftOut, replace);
        return place;
    }

    private static FileStream OpenDevice(string path)
    {
        try
        {
            return HostFile.OpenWrite(path);
        }
        catch (IOException error)
        {
            throw new StrataException(
                StrataError.BadInput, $"{Printable.Text(path)} cannot be written: {error.Message}; check its permissions.", error);
        }
    }

    /// <summary>What the user named may be a link; the data goes to where it leads, also where nothing is yet.</summary>
    private static string FollowLinks(string path)
    {
        for (int links = 0; HostFile.ReadLink(path) is { } next; links++)
        {
            path = links < MostLinks
                ? Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path) ?? "/", next))
                : throw new StrataException(
                    StrataError.BadInput, $"{Printable.Text(path)} is a link that leads nowhere; name another target.");
        }

        return path;
    }

    private static async Task ReceiveAsync(
        Stream connection, ITreeTarget tree, string guestPath, Action<string> leftOut, CancellationToken cancellationToken)
    {
        string root = guestPath.Length > 1 ? guestPath.TrimEnd('/') : guestPath;
        while (true)
        {
            AgentFrame frame = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
            switch (frame.Type)
            {
                case 'N':
                    tree.Add(TreeNode.Parse(frame.Payload));
                    break;
                case 'D':
                    tree.Write(frame.Payload);
                    break;
                case 'E' when tree.End():
                    return;
                case 'E':
                    break;
                case 'V':
                    leftOut($"{Printable.Text(ByteText.GetString(frame.Payload))}: neither file, folder nor link");
                    break;
                case 'L':
                    string path = frame.Text.Length == 0 ? root : $"{root}/{frame.Text}";
                    tree.LeaveOut($"{Printable.Text(path)}: cannot be read in the guest: {Reason(frame)}");
                    break;
                default:
                    throw Failure(frame);
            }
        }
    }

    /// <summary>What the agent says while a tree is sent to it.</summary>
    private static async Task ReadRepliesAsync(Stream connection, Action<string> leftOut, CancellationToken cancellationToken)
    {
        while (await ReadAsync(connection, cancellationToken).ConfigureAwait(false) is var frame && frame.Type != 'E')
        {
            if (frame.Type != 'L')
            {
                throw frame.Type == 'F' && frame.Number() == TextFileBusy
                    ? new StrataException(StrataError.Guest, $"The guest refused: {Printable.Text(frame.Text)}. {RunsHint}.")
                    : Failure(frame);
            }

            leftOut($"{Printable.Text(frame.Text)}: cannot be written in the guest: {Reason(frame)}");
        }
    }

    private static string Reason(AgentFrame frame) =>
        frame.Number() == TextFileBusy ? RunsHint : Marshal.GetPInvokeErrorMessage((int)frame.Number());

    /// <summary>
    /// An agent that cannot go on says so and hangs up: what it said is the better answer than that the connection broke.
    /// </summary>
    private static async Task SendAndConfirmAsync(Stream connection, Func<Task> send, CancellationToken cancellationToken)
    {
        try
        {
            await send().ConfigureAwait(false);
        }
        catch (IOException error)
        {
            AgentFrame said = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
            throw said.Type == 'F'
                ? Failure(said)
                : new StrataException(StrataError.Guest, $"The guest's agent was lost: {error.Message}", error);
        }

        AgentFrame end = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
        if (end.Type != 'E')
        {
            throw Failure(end);
        }
    }

    /// <summary>The last part of a path, which has to be a name.</summary>
    private static string NameOf(string path) =>
        Path.GetFileName(Path.TrimEndingDirectorySeparator(path)) is { Length: > 0 } name and not ("." or "..")
        ? name
        : throw new StrataException(
            StrataError.BadInput, $"{Printable.Text(path)} has no name that its copy could get; name a file or folder.");

    internal static HostFolder OpenFolder(string folder, bool readOnly)
    {
        try
        {
            return HostFolder.Open(folder, readOnly);
        }
        catch (IOException error)
        {
            throw new StrataException(
                StrataError.BadInput, error.Message.Replace("shared folder", "folder", StringComparison.Ordinal), error);
        }
    }

    private static StrataException NoFolder(string path) =>
        new(StrataError.BadInput, $"There is no folder {Printable.Text(path)} to copy to; make it first.");
}
