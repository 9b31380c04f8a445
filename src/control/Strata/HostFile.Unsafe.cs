using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Strata.Core.Posix;

namespace Strata;

/// <summary>
/// Files of the host by open(2) and readlink(2). .NET's own opening asks for locks, which other programs' advisory ones refuse, and
/// knows no name that is not UTF-8.
/// </summary>
internal static unsafe partial class HostFile
{
    private const int WriteOnly = 1;
    private const int NoTerminal = 0x100;
    private const int CloseOnExec = 0x80000;
    private const int LongestTarget = 4096;

    /// <param name="path">As <see cref="ByteText"/> keeps it.</param>
    /// <exception cref="IOException">It cannot be opened; the message is the reason alone.</exception>
    public static FileStream OpenRead(string path) => new(Open(path, 0), FileAccess.Read, bufferSize: 0);

    /// <summary>Opens what exists, without making it shorter.</summary>
    /// <inheritdoc cref="OpenRead"/>
    public static FileStream OpenWrite(string path) => new(Open(path, WriteOnly), FileAccess.Write, bufferSize: 0);

    /// <returns>Where the link leads, or null if it is none.</returns>
    public static string? ReadLink(string path)
    {
        byte[] name = Terminated(path);
        byte[] target = new byte[LongestTarget];
        fixed (byte* start = name)
        fixed (byte* place = target)
        {
            // SAFETY: the name ends with a zero, and the call writes no more than the array holds.
            nint length = ReadLink(start, place, LongestTarget);
            return length < 0 ? null : ByteText.GetString(target.AsSpan(0, (int)length));
        }
    }

    private static SafeFileHandle Open(string path, int flags)
    {
        fixed (byte* start = Terminated(path))
        {
            // SAFETY: the name ends with a zero.
            int descriptor = Open(start, flags | NoTerminal | CloseOnExec);
            return descriptor >= 0
                ? new SafeFileHandle(descriptor, ownsHandle: true)
                : throw new IOException(Marshal.GetLastPInvokeErrorMessage());
        }
    }

    /// <summary>A zero in the path would hide what is behind it.</summary>
    internal static byte[] Terminated(string path) => path.Contains('\0', StringComparison.Ordinal)
        ? throw new IOException("No file has a name with a zero character")
        : [.. ByteText.GetBytes(path), 0];

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int Open(byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true)]
    private static partial nint ReadLink(byte* path, byte* target, nuint size);
}
