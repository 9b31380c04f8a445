using System.Runtime.InteropServices;
using Strata.Core.Sharing;

namespace Strata;

/// <summary>
/// Owner, kind, permissions, number and time of a file of the host, by statx(2): .NET tells neither owner, number, every kind nor
/// nanoseconds.
/// </summary>
/// <param name="Mode">Kind and permissions, as in stat(2).</param>
/// <param name="Number">Of its inode: no other file of its file system has it as long as it exists.</param>
/// <param name="Modified">When its content last changed, as exact as the host's kernel notes it: to some milliseconds.</param>
internal readonly partial record struct HostFileStatus(uint UserId, uint Mode, ulong Number, FileTime Modified)
{
    private const uint KindMask = 0xF000;
    private const uint KindFolder = 0x4000;
    private const uint KindRegular = 0x8000;
    private const uint KindLink = 0xA000;
    private const int CurrentFolder = -100;
    private const int NoFollow = 0x100;
    private const uint BasicStatus = 0x7FF;

    /// <summary>
    /// struct statx: 256 bytes; the user at 20 (32 bits), the mode at 28 (16 bits), the number at 32 (64 bits), the time at 112 (64 and 32
    /// bits).
    /// </summary>
    private const int StatusSize = 256;
    private const int UserOffset = 20;
    private const int ModeOffset = 28;
    private const int NumberOffset = 32;
    private const int ModifiedOffset = 112;

    public bool IsFolder => (Mode & KindMask) == KindFolder;

    public bool IsLink => (Mode & KindMask) == KindLink;

    public bool IsRegular => (Mode & KindMask) == KindRegular;

    /// <summary>Like <see cref="Of"/>, or null where there is no such file or it may not be looked at.</summary>
    public static HostFileStatus? TryOf(string path, bool followLink)
    {
        try
        {
            return Of(path, followLink);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <param name="followLink">Look at what a link leads to, not at the link.</param>
    /// <exception cref="IOException">There is no such file, or it may not be looked at.</exception>
    public static HostFileStatus Of(string path, bool followLink)
    {
        byte[] status = new byte[StatusSize];
        return Statx(CurrentFolder, HostFile.Terminated(path), followLink ? 0 : NoFollow, BasicStatus, status) == 0
            ? new HostFileStatus(
                BitConverter.ToUInt32(status, UserOffset),
                BitConverter.ToUInt16(status, ModeOffset),
                BitConverter.ToUInt64(status, NumberOffset),
                new FileTime(BitConverter.ToInt64(status, ModifiedOffset), BitConverter.ToUInt32(status, ModifiedOffset + 8)))
            : throw new IOException(Marshal.GetLastPInvokeErrorMessage());
    }

    // SAFETY: the path ends with a zero, and the buffer is as large as the kernel's structure.
    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static partial int Statx(int folder, byte[] path, int flags, uint mask, [Out] byte[] status);
}
