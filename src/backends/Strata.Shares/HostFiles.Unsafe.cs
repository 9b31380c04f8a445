using System.Runtime.InteropServices;
using Strata.Core.Posix;
using Strata.Core.Sharing;

namespace Strata.Shares;

/// <summary>
/// The host's file system calls that work on descriptors, each by its name in section 2 of the manual. Paths are single components
/// below a descriptor, or the magic links of /proc/self/fd, which lead to an open file itself and nowhere else.
/// </summary>
internal static unsafe partial class HostFiles
{
    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int NoTerminal = 0x100;
    public const int Truncate = 0x200;
    public const int NonBlocking = 0x800;
    public const int Synchronous = 0x101000;
    public const int CloseOnExec = 0x80000;
    public const int PathOnly = 0x200000;
    public const int RemoveFolder = 0x200;

    /// <summary>Longest name of one component, bytes.</summary>
    public const int LongestName = 255;

    /// <summary>Most bytes of an extended attribute, and of the names of a file's.</summary>
    public const int LargestAttribute = 65536;

    private const int CurrentFolder = -100;
    private const int SymlinkNoFollow = 0x100;
    private const int SymlinkFollow = 0x400;
    private const int EmptyPath = 0x1000;
    private const int AppendWrite = 0x10;
    private const uint StatxBasicAndBirth = 0xFFF;
    private const long TimeNow = (1L << 30) - 1;
    private const long TimeOmit = (1L << 30) - 2;
    private const int FileSizeLimit = 1;
    private const int OpenFilesLimit = 7;
    private const int InterruptedCall = 4;

    /// <summary>O_DIRECTORY and O_NOFOLLOW, whose numbers differ between processors.</summary>
    public static int FolderOnly { get; } = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;

    /// <inheritdoc cref="FolderOnly"/>
    public static int NoFollow { get; } = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;

    public static uint UserId => GetUid();

    public static uint GroupId => GetGid();

    /// <summary>How many descriptors this process may have open.</summary>
    public static ulong DescriptorLimit
    {
        get
        {
            ResourceLimit limit;

            // SAFETY: the call fills a local.
            return GetLimit(OpenFilesLimit, &limit) == 0 ? limit.Current : 1024;
        }
    }

    /// <summary>Bytes that a file of this process may have: a write behind them would end the process by a signal.</summary>
    public static ulong LargestFile
    {
        get
        {
            ResourceLimit limit;

            // SAFETY: the call fills a local.
            return GetLimit(FileSizeLimit, &limit) == 0 ? Math.Min(limit.Current, long.MaxValue) : long.MaxValue;
        }
    }

    public static Errno Open(string path, int flags, out int descriptor)
    {
        fixed (byte* text = (byte[])[.. ByteText.GetBytes(path), 0])
        {
            // SAFETY: the path ends with a zero.
            descriptor = OpenAt(CurrentFolder, text, flags | CloseOnExec, 0);
        }

        return descriptor < 0 ? LastError() : Errno.None;
    }

    public static Errno OpenAt(int folder, ReadOnlySpan<byte> name, int flags, uint mode, out int descriptor)
    {
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);

        // SAFETY: the name ends with a zero inside the local buffer, here and below.
        descriptor = OpenAt(folder, text, flags | CloseOnExec, mode);
        return descriptor < 0 ? LastError() : Errno.None;
    }

    /// <summary>Opens what an O_PATH descriptor stands for.</summary>
    public static Errno Reopen(int descriptor, int flags, out int opened)
    {
        byte* link = stackalloc byte[LinkSize];
        FormatLink(descriptor, link);

        // SAFETY: FormatLink fits its text into LinkSize bytes and ends it with a zero, here and below.
        opened = OpenAt(CurrentFolder, link, flags | CloseOnExec | NoTerminal, 0);
        return opened < 0 ? LastError() : Errno.None;
    }

    public static void Close(int descriptor) => _ = CloseDescriptor(descriptor);

    public static Errno GetStatus(int descriptor, out FileStatus status)
    {
        byte empty = 0;
        fixed (FileStatus* target = &status)
        {
            // SAFETY: the structure has the size of the kernel's, 256 bytes.
            return Check(Statx(descriptor, &empty, EmptyPath | SymlinkNoFollow, StatxBasicAndBirth, target));
        }
    }

    public static Errno ReadLink(int descriptor, Span<byte> target, out int length)
    {
        byte empty = 0;
        fixed (byte* place = target)
        {
            // SAFETY: the call writes at most the span's length.
            nint count = ReadLinkAt(descriptor, &empty, place, (nuint)target.Length);
            length = (int)Math.Max(0, count);
            return count < 0 ? LastError() : Errno.None;
        }
    }

    public static Errno MakeNode(int folder, ReadOnlySpan<byte> name, uint mode)
    {
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        return Check(MakeNodeAt(folder, text, mode, 0));
    }

    public static Errno MakeFolder(int folder, ReadOnlySpan<byte> name, uint mode)
    {
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        return Check(MakeFolderAt(folder, text, mode));
    }

    /// <param name="target">Without zeros.</param>
    public static Errno MakeSymbolicLink(ReadOnlySpan<byte> target, int folder, ReadOnlySpan<byte> name)
    {
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        byte[] terminated = [.. target, 0];
        fixed (byte* content = terminated)
        {
            // SAFETY: both texts end with a zero.
            return Check(SymbolicLinkAt(content, folder, text));
        }
    }

    public static Errno Link(int descriptor, int folder, ReadOnlySpan<byte> name)
    {
        byte* link = stackalloc byte[LinkSize];
        FormatLink(descriptor, link);
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        return Check(LinkAt(CurrentFolder, link, folder, text, SymlinkFollow));
    }

    public static Errno Unlink(int folder, ReadOnlySpan<byte> name, int flags)
    {
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        return Check(UnlinkAt(folder, text, flags));
    }

    public static Errno Rename(int folder, ReadOnlySpan<byte> name, int newFolder, ReadOnlySpan<byte> newName, RenameMode mode)
    {
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        byte* newText = stackalloc byte[LongestName + 1];
        Terminate(newName, newText);
        return Check(RenameAt(folder, text, newFolder, newText, (uint)mode)); // the enumeration has the kernel's numbers
    }

    public static Errno ChangeMode(int descriptor, uint mode)
    {
        byte* link = stackalloc byte[LinkSize];
        FormatLink(descriptor, link);
        return Check(ChangeModeAt(CurrentFolder, link, mode, 0));
    }

    /// <param name="user">Or <see cref="uint.MaxValue"/> to keep it; as the group.</param>
    public static Errno ChangeOwner(int descriptor, uint user, uint group)
    {
        byte empty = 0;
        return Check(ChangeOwnerAt(descriptor, &empty, user, group, EmptyPath | SymlinkNoFollow));
    }

    public static Errno ChangeTimes(int descriptor, in AttributeChange change)
    {
        byte* link = stackalloc byte[LinkSize];
        FormatLink(descriptor, link);
        TimeSpec* times = stackalloc TimeSpec[2];
        times[0] = Time(change.ChangeAccessTime, change.AccessTime);
        times[1] = Time(change.ChangeModificationTime, change.ModificationTime);
        return Check(SetTimesAt(CurrentFolder, link, times, 0));
    }

    public static Errno SetSize(int descriptor, ulong size) =>
        size > long.MaxValue ? Errno.EFBIG : Check(TruncateDescriptor(descriptor, (long)size));

    public static Errno Read(int descriptor, long offset, Span<byte> buffer, out int count)
    {
        count = 0;
        fixed (byte* place = buffer)
        {
            while (count < buffer.Length)
            {
                // SAFETY: inside the span.
                nint got = ReadAt(descriptor, place + count, (nuint)(buffer.Length - count), offset + count);
                if (got < 0 && Marshal.GetLastPInvokeError() == InterruptedCall)
                {
                    continue;
                }

                if (got <= 0)
                {
                    return got < 0 && count == 0 ? LastError() : Errno.None;
                }

                count += (int)got;
            }
        }

        return Errno.None;
    }

    /// <param name="append">To the file's end, in one step with finding it.</param>
    public static Errno Write(int descriptor, long offset, ReadOnlySpan<byte> data, bool append, out int count)
    {
        count = 0;
        fixed (byte* place = data)
        {
            while (count < data.Length)
            {
                IoVector vector = new() { Base = place + count, Length = (nuint)(data.Length - count) };

                // SAFETY: the vector lies inside the span.
                nint put = WriteVectorAt(descriptor, &vector, 1, offset + count, append ? AppendWrite : 0);
                if (put < 0 && Marshal.GetLastPInvokeError() == InterruptedCall)
                {
                    continue;
                }

                if (put <= 0)
                {
                    return put < 0 && count == 0 ? LastError() : Errno.None;
                }

                count += (int)put;
            }
        }

        return Errno.None;
    }

    public static Errno Synchronize(int descriptor, bool dataOnly) => Check(dataOnly ? SyncData(descriptor) : Sync(descriptor));

    public static Errno SynchronizeFileSystem(int descriptor) => Check(SyncFileSystem(descriptor));

    public static Errno Seek(int descriptor, long offset, int whence, out long position)
    {
        position = SeekDescriptor(descriptor, offset, whence);
        return position < 0 ? LastError() : Errno.None;
    }

    /// <summary>Raw directory records; 0 bytes at the end.</summary>
    public static Errno ReadFolder(int descriptor, Span<byte> buffer, out int count)
    {
        fixed (byte* place = buffer)
        {
            // SAFETY: the call writes at most the span's length.
            nint got = GetDirectoryEntries(descriptor, place, (nuint)buffer.Length);
            count = (int)Math.Max(0, got);
            return got < 0 ? LastError() : Errno.None;
        }
    }

    public static Errno Allocate(int descriptor, int mode, long offset, long length) =>
        Check(AllocateSpace(descriptor, mode, offset, length));

    public static Errno CopyRange(int source, long sourceOffset, int target, long targetOffset, nuint length, out ulong copied)
    {
        // SAFETY: the call updates the local offsets.
        nint got = CopyFileRange(source, &sourceOffset, target, &targetOffset, length, 0);
        copied = (ulong)Math.Max(0, got);
        return got < 0 ? LastError() : Errno.None;
    }

    public static Errno GetSpace(int descriptor, out FileSystemSpace space)
    {
        VolumeStatus status;

        // SAFETY: the structure is larger than any C library's.
        Errno error = Check(GetVolumeStatus(descriptor, &status));
        space = error != Errno.None ? default : new FileSystemSpace
        {
            BlockSize = (uint)status.BlockSize,
            FragmentSize = (uint)status.FragmentSize,
            Blocks = status.Blocks,
            FreeBlocks = status.FreeBlocks,
            AvailableBlocks = status.AvailableBlocks,
            Files = status.Files,
            FreeFiles = status.FreeFiles,
            LongestName = (uint)status.LongestName,
        };
        return error;
    }

    /// <param name="name">Without zeros, at most <see cref="LongestName"/> bytes; here and below.</param>
    /// <param name="value">Empty to ask for the length only.</param>
    public static Errno GetAttribute(int descriptor, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        byte* link = stackalloc byte[LinkSize];
        FormatLink(descriptor, link);
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        fixed (byte* place = value)
        {
            // SAFETY: the call writes at most the span's length.
            nint count = GetExtendedAttribute(link, text, place, (nuint)value.Length);
            length = (int)Math.Max(0, count);
            return count < 0 ? LastError() : Errno.None;
        }
    }

    /// <param name="flags">1: fail if it exists; 2: fail if it does not.</param>
    public static Errno SetAttribute(int descriptor, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags)
    {
        byte* link = stackalloc byte[LinkSize];
        FormatLink(descriptor, link);
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        fixed (byte* content = value)
        {
            // SAFETY: the call reads the span's bytes.
            return Check(SetExtendedAttribute(link, text, content, (nuint)value.Length, (int)flags));
        }
    }

    public static Errno RemoveAttribute(int descriptor, ReadOnlySpan<byte> name)
    {
        byte* link = stackalloc byte[LinkSize];
        FormatLink(descriptor, link);
        byte* text = stackalloc byte[LongestName + 1];
        Terminate(name, text);
        return Check(RemoveExtendedAttribute(link, text));
    }

    /// <summary>All names of a file's attributes, each with a zero behind it.</summary>
    public static Errno ListAttributes(int descriptor, Span<byte> names, out int length)
    {
        byte* link = stackalloc byte[LinkSize];
        FormatLink(descriptor, link);
        fixed (byte* place = names)
        {
            // SAFETY: the call writes at most the span's length.
            nint count = ListExtendedAttributes(link, place, (nuint)names.Length);
            length = (int)Math.Max(0, count);
            return count < 0 ? LastError() : Errno.None;
        }
    }

    private const int LinkSize = 32;

    private static void FormatLink(int descriptor, byte* link)
    {
        Span<byte> text = new(link, LinkSize);
        "/proc/self/fd/"u8.CopyTo(text);
        System.Buffers.Text.Utf8Formatter.TryFormat(descriptor, text[14..], out int written);
        text[14 + written] = 0;
    }

    /// <param name="name">Checked before: at most <see cref="LongestName"/> bytes.</param>
    private static void Terminate(ReadOnlySpan<byte> name, byte* text)
    {
        name.CopyTo(new Span<byte>(text, LongestName));
        text[name.Length] = 0;
    }

    private static TimeSpec Time(TimeChange change, FileTime value) => change switch
    {
        TimeChange.Keep => new TimeSpec { Nanoseconds = TimeOmit },
        TimeChange.Now => new TimeSpec { Nanoseconds = TimeNow },
        _ => new TimeSpec { Seconds = value.Seconds, Nanoseconds = value.Nanoseconds },
    };

    private static Errno Check(int result) => result < 0 ? LastError() : Errno.None;

    private static Errno LastError() => (Errno)Marshal.GetLastPInvokeError();
}
