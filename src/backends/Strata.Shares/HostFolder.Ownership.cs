using System.Buffers.Text;
using Strata.Core.Sharing;

namespace Strata.Shares;

/// <content>
/// Whose a file is. Root's share has the host's owners. Any other share belongs to one user and group of the guest, who stand for those of
/// this process; if somebody else owns a file there, an extended attribute of it says so: <c>user.strata.owner</c> =
/// <c>USER:GROUP[:MODE]</c>, decimal and octal. The host's user needs to read and write a file, and to enter a folder, to get at the note:
/// where the guest's permissions lack that, the host's have it and the note has the guest's. Files of other users of the host have no note,
/// and it would not count.
/// </content>
public sealed partial class HostFolder
{
    private const int LongestNote = 32;
    private const uint FileAccess = 0x180; // 0600
    private const uint FolderAccess = 0x1C0; // 0700
    private const int ModeBits = 12;
    private readonly bool _isMapped;
    private readonly FileOwner _owner; // in the guest's numbers

    private static ReadOnlySpan<byte> OwnerAttribute => "user.strata.owner"u8;

    /// <summary>Owner and permissions as the guest sees them.</summary>
    private (FileOwner Owner, uint Mode) ViewOf(in HostFiles.FileStatus status, int descriptor)
    {
        if (!MayHaveNote(status) || !TryReadNote(descriptor, out FileOwner owner, out uint? noted))
        {
            return (UnnotedOwner(status), status.Mode);
        }

        uint permissions = status.Mode & ~KindMask;
        bool isNoted = noted is { } mode && permissions == (mode | AccessFor(status)); // or the host's user has changed them since
        return (owner, isNoted ? (status.Mode & KindMask) | noted!.Value : status.Mode);
    }

    private FileOwner UnnotedOwner(in HostFiles.FileStatus status) => !_isMapped
        ? new FileOwner(status.UserId, status.GroupId)
        : new FileOwner(
            status.UserId == _userId ? _owner.UserId : status.UserId,
            status.GroupId == _groupId ? _owner.GroupId : status.GroupId);

    /// <summary>Linux lets users put attributes on files and folders only.</summary>
    private bool MayHaveNote(in HostFiles.FileStatus status) =>
        _isMapped && status.UserId == _userId && (status.Mode & KindMask) is KindFile or KindFolder;

    private static uint AccessFor(in HostFiles.FileStatus status) => (status.Mode & KindMask) == KindFolder ? FolderAccess : FileAccess;

    /// <summary>
    /// A new file belongs to the guest's user who made it, where the host lets it, and has the permissions that the guest asked
    /// for, whatever this process's umask is. What the host refuses stays as it was made.
    /// </summary>
    private void GiveTo(FileOwner owner, int folder, int made, uint mode)
    {
        bool inherits = GetStatus(folder, out HostFiles.FileStatus parent) == Errno.None && (parent.Mode & SetGroupId) != 0;
        if (!_isMapped && owner != default)
        {
            _ = HostFiles.ChangeOwner(made, owner.UserId, inherits ? uint.MaxValue : owner.GroupId);
        }

        if (GetStatus(made, out HostFiles.FileStatus status) != Errno.None || (status.Mode & KindMask) == KindLink)
        {
            return;
        }

        uint wanted = (status.Mode & KindMask) == KindFolder ? mode | (status.Mode & SetGroupId) : mode;
        FileOwner guest = inherits ? owner with { GroupId = ViewOf(parent, folder).Owner.GroupId } : owner;
        if (!MayHaveNote(status) || SetView(made, status, guest, wanted) != Errno.None)
        {
            _ = ChangeHostMode(made, status, wanted);
        }
    }

    private Errno ChangeOwner(int descriptor, uint? user, uint? group)
    {
        if (!_isMapped)
        {
            return HostFiles.ChangeOwner(descriptor, user ?? uint.MaxValue, group ?? uint.MaxValue);
        }

        Errno error = GetStatus(descriptor, out HostFiles.FileStatus status);
        if (error != Errno.None)
        {
            return error;
        }

        (FileOwner now, uint mode) = ViewOf(status, descriptor);
        FileOwner wanted = new(user ?? now.UserId, group ?? now.GroupId);
        return wanted == now ? Errno.None
            : MayHaveNote(status) ? SetView(descriptor, status, wanted, mode & ~KindMask)
            : IsOwnLink(status) ? Errno.None
            : Errno.EPERM;
    }

    /// <summary>
    /// A link has no place for a note, and stays the share's. Programs that copy owners ask for it all the same, and take an error for a
    /// failure of the whole.
    /// </summary>
    private bool IsOwnLink(in HostFiles.FileStatus status) => status.UserId == _userId && (status.Mode & KindMask) == KindLink;

    /// <param name="mode">Permissions.</param>
    private Errno ChangeMode(int descriptor, uint mode)
    {
        Errno error = GetStatus(descriptor, out HostFiles.FileStatus status);
        return error != Errno.None ? error
            : MayHaveNote(status) && TryReadNote(descriptor, out FileOwner owner, out _) ? SetView(descriptor, status, owner, mode)
            : HostFiles.ChangeMode(descriptor, mode);
    }

    /// <summary>Makes the guest see this owner and these permissions.</summary>
    private Errno SetView(int descriptor, in HostFiles.FileStatus status, FileOwner owner, uint mode)
    {
        if (owner == UnnotedOwner(status))
        {
            Errno removal = HostFiles.RemoveAttribute(descriptor, OwnerAttribute);
            bool isGone = removal is Errno.None or Errno.ENODATA or Errno.EOPNOTSUPP or Errno.EACCES; // an unreadable file has no note
            return isGone ? ChangeHostMode(descriptor, status, mode) : removal;
        }

        uint hostMode = mode | AccessFor(status);
        Errno error = ChangeHostMode(descriptor, status, hostMode);
        if (error == Errno.None)
        {
            error = WriteNote(descriptor, owner, hostMode == mode ? null : mode);
            if (error != Errno.None)
            {
                _ = HostFiles.ChangeMode(descriptor, status.Mode & ~KindMask);
            }
        }

        return error is Errno.EOPNOTSUPP or Errno.EACCES ? Errno.EPERM : error;
    }

    private static Errno ChangeHostMode(int descriptor, in HostFiles.FileStatus status, uint mode) =>
        (status.Mode & ~KindMask) == mode ? Errno.None : HostFiles.ChangeMode(descriptor, mode);

    private static Errno WriteNote(int descriptor, FileOwner owner, uint? mode)
    {
        Span<byte> text = stackalloc byte[LongestNote];
        Utf8Formatter.TryFormat(owner.UserId, text, out int length);
        text[length++] = (byte)':';
        Utf8Formatter.TryFormat(owner.GroupId, text[length..], out int group);
        length += group;
        if (mode is { } permissions)
        {
            text[length++] = (byte)':';
            for (int shift = ModeBits - 3; shift >= 0; shift -= 3)
            {
                text[length++] = (byte)('0' + ((permissions >> shift) & 7));
            }
        }

        return HostFiles.SetAttribute(descriptor, OwnerAttribute, text[..length], 0);
    }

    /// <summary>What does not read as a note is none: the host's user may have written it.</summary>
    private static bool TryReadNote(int descriptor, out FileOwner owner, out uint? mode)
    {
        owner = default;
        mode = null;
        Span<byte> room = stackalloc byte[LongestNote];
        if (HostFiles.GetAttribute(descriptor, OwnerAttribute, room, out int length) != Errno.None)
        {
            return false;
        }

        ReadOnlySpan<byte> text = room[..length];
        if (!TryTakeNumber(ref text, out uint user) || text.IsEmpty || text[0] != ':')
        {
            return false;
        }

        text = text[1..];
        if (!TryTakeNumber(ref text, out uint group))
        {
            return false;
        }

        owner = new FileOwner(user, group);
        return text.IsEmpty || TryReadMode(text, out mode);
    }

    private static bool TryTakeNumber(ref ReadOnlySpan<byte> text, out uint number)
    {
        bool isNumber = Utf8Parser.TryParse(text, out number, out int used) && number != uint.MaxValue;
        text = text[used..];
        return isNumber;
    }

    private static bool TryReadMode(ReadOnlySpan<byte> text, out uint? mode)
    {
        const int length = 1 + (ModeBits / 3);
        uint bits = 0;
        foreach (byte digit in text[1..])
        {
            bits = (bits << 3) | (uint)(digit - '0');
        }

        mode = bits;
        return text.Length == length && text[0] == ':' && !text[1..].ContainsAnyExceptInRange((byte)'0', (byte)'7');
    }
}
