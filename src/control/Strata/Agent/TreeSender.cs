using System.Runtime.InteropServices;
using Strata.Control;
using Strata.Core.Posix;
using Strata.Core.Sharing;
using Strata.Shares;

namespace Strata;

/// <summary>
/// Sends a file or folder of the host to a guest, links as they are. A tree is read through a share's descriptors, so it may be deeper
/// than a path can be long, and change meanwhile: what cannot be read stays behind, and the rest goes on.
/// </summary>
/// <param name="leftOut">Hears of what cannot travel or be read.</param>
/// <param name="canBreakOff">The agent knows that a file can end in the middle; otherwise that ends the copy.</param>
internal sealed class TreeSender(Stream connection, Action<string> leftOut, bool canBreakOff, CancellationToken cancellationToken)
{
    private const int Piece = 64 << 10;
    private const uint Permissions = 0xFFF;
    private const uint KindMask = 0xF000;
    private const uint KindFolder = 0x4000;
    private const uint KindFile = 0x8000;
    private const uint KindLink = 0xA000;
    private const int LongestTarget = 4096;

    private readonly byte[] _piece = new byte[Piece];
    private readonly List<byte> _below = []; // path of what is sent below the tree's
    private string _root = string.Empty;

    /// <param name="path">On the host. A link here is followed, one below it is not; a device or FIFO is read.</param>
    /// <exception cref="StrataException">It cannot be read.</exception>
    /// <exception cref="IOException">The guest's agent takes no more.</exception>
    public async Task SendAsync(string path)
    {
        _root = path;
        HostFileStatus status = Guard(() => HostFileStatus.Of(path, followLink: true));
        if (status.IsFolder)
        {
            using HostFolder folder = GuestAgent.OpenFolder(path, readOnly: true);
            await SendTreeAsync(folder, status).ConfigureAwait(false);
            return;
        }

        FileStream file = Guard(() => HostFile.OpenRead(path));
        await using (file.ConfigureAwait(false))
        {
            await SendRootFileAsync(file, status).ConfigureAwait(false);
        }
    }

    private T Guard<T>(Func<T> open)
    {
        try
        {
            return open();
        }
        catch (IOException error)
        {
            throw new StrataException(StrataError.BadInput, $"{Text} cannot be read: {error.Message}; check the path.", error);
        }
    }

    private async Task SendRootFileAsync(Stream file, HostFileStatus status)
    {
        await NodeAsync(status.Mode, 'f', [], status.IsRegular ? status.Modified : null).ConfigureAwait(false);
        while (true)
        {
            int count;
            try
            {
                count = await file.ReadAsync(_piece, cancellationToken).ConfigureAwait(false);
            }
            catch (IOException error)
            {
                await BreakOffAsync(error.Message).ConfigureAwait(false);
                return;
            }

            if (count == 0)
            {
                break;
            }

            await AgentFrame.WriteAsync(connection, 'D', _piece.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
        }

        await AgentFrame.WriteAsync(connection, 'E', default, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Without recursion: how deep a tree is, is not for this process's stack to say.</summary>
    private async Task SendTreeAsync(HostFolder share, HostFileStatus status)
    {
        Stack<Level> levels = [];
        levels.Push(await EnterAsync(share, IFileShare.Root, status.Mode, status.Modified, 0).ConfigureAwait(false));
        while (levels.TryPeek(out Level? level))
        {
            _below.RemoveRange(level.PathLength, _below.Count - level.PathLength);
            if (!level.Names.TryDequeue(out byte[]? name))
            {
                levels.Pop();
                share.Forget(level.Node, 1);
                continue;
            }

            _below.AddRange([.. level.PathLength == 0 ? ReadOnlySpan<byte>.Empty : "/"u8, .. name]);
            Errno error = share.Lookup(level.Node, name, out FileEntry entry);
            if (_below.Count > TreeNode.LongestPath || error != Errno.None)
            {
                LeaveOut(error == Errno.None ? Errno.ENAMETOOLONG : error);
            }
            else if ((entry.Attributes.Mode & KindMask) == KindFolder)
            {
                (uint mode, FileTime modified) = (entry.Attributes.Mode, entry.Attributes.ModificationTime);
                levels.Push(await EnterAsync(share, entry.Node, mode, modified, _below.Count).ConfigureAwait(false));
            }
            else
            {
                await SendEntryAsync(share, entry).ConfigureAwait(false);
                share.Forget(entry.Node, 1);
            }
        }
    }

    private async Task<Level> EnterAsync(HostFolder share, ulong node, uint mode, FileTime modified, int pathLength)
    {
        await NodeAsync(mode, 'd', [], modified).ConfigureAwait(false);
        List<byte[]> names = [];
        Errno error = share.OpenFolder(node, out ulong handle);
        if (error == Errno.None)
        {
            error = share.SeekFolder(handle, 0);
            while (error == Errno.None)
            {
                error = share.ReadFolder(handle, out _, out ReadOnlySpan<byte> name);
                if (name.IsEmpty)
                {
                    break;
                }

                if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                {
                    names.Add(name.ToArray());
                }
            }

            share.Close(handle);
        }

        if (error != Errno.None)
        {
            LeaveOut(error);
        }

        names.Sort((one, other) => one.AsSpan().SequenceCompareTo(other));
        return new Level(node, pathLength, new Queue<byte[]>(names));
    }

    private async Task SendEntryAsync(HostFolder share, FileEntry entry)
    {
        switch (entry.Attributes.Mode & KindMask)
        {
            case KindFile:
                await SendFileAsync(share, entry).ConfigureAwait(false);
                break;
            case KindLink:
                byte[] target = new byte[LongestTarget];
                Errno error = share.ReadLink(entry.Node, target, out int length);
                if (error != Errno.None)
                {
                    LeaveOut(error);
                    break;
                }

                await NodeAsync(entry.Attributes.Mode, 'l', target[..length], entry.Attributes.ModificationTime).ConfigureAwait(false);
                break;
            default:
                leftOut($"{Text}: neither file, folder nor link");
                break;
        }
    }

    private async Task SendFileAsync(HostFolder share, FileEntry entry)
    {
        Errno error = share.Open(entry.Node, OpenMode.Read, out ulong handle, out _);
        if (error != Errno.None)
        {
            LeaveOut(error);
            return;
        }

        try
        {
            await NodeAsync(entry.Attributes.Mode, 'f', [], entry.Attributes.ModificationTime).ConfigureAwait(false);
            ulong offset = 0;
            int count;
            while ((error = share.Read(handle, offset, _piece, out count)) == Errno.None && count > 0)
            {
                await AgentFrame.WriteAsync(connection, 'D', _piece.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                offset += (uint)count;
            }
        }
        finally
        {
            share.Close(handle);
        }

        Task end = error == Errno.None ? AgentFrame.WriteAsync(connection, 'E', default, cancellationToken) : BreakOffAsync(Reason(error));
        await end.ConfigureAwait(false);
    }

    private string Text => Printable.Text(_below.Count == 0
        ? _root
        : $"{Path.TrimEndingDirectorySeparator(_root)}/{ByteText.GetString(CollectionsMarshal.AsSpan(_below))}");

    private static string Reason(Errno error) =>
        error == Errno.ESTALE ? "it has gone meanwhile" : Marshal.GetPInvokeErrorMessage((int)error);

    private void LeaveOut(Errno error) => leftOut($"{Text}: cannot be read: {Reason(error)}");

    /// <summary>The rest of a file cannot be read: the guest must not take what it got for all of it.</summary>
    private Task BreakOffAsync(string reason)
    {
        string message = $"{Text}: only a part of it can be read: {reason}";
        if (!canBreakOff)
        {
            throw new StrataException(
                StrataError.Host, $"{message}. The agent in the guest is an older one, which cannot go on behind that.");
        }

        leftOut(message);
        return AgentFrame.WriteAsync(connection, 'L', default, cancellationToken);
    }

    private Task NodeAsync(uint mode, char kind, byte[] target, FileTime? modified)
    {
        TreeNode node = new(mode & Permissions, kind, [.. _below], target, modified);
        return AgentFrame.WriteAsync(connection, 'N', node.ToBytes(), cancellationToken);
    }

    /// <param name="Node">In the share; one reference is held.</param>
    /// <param name="PathLength">Of the folder's path below the tree's, in bytes.</param>
    /// <param name="Names">What is still to be sent.</param>
    private sealed record Level(ulong Node, int PathLength, Queue<byte[]> Names);
}
