using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Strata.Core.Posix;

/// <summary>
/// For how long a thread was ready to run while the host ran something else: the second number of /proc/thread-self/schedstat.
/// Made and read on that thread. proc(5); Linux kernel documentation, "Scheduler Statistics".
/// </summary>
public sealed class RunDelay : IDisposable
{
    private const string ThreadFile = "/proc/thread-self/schedstat";
    private const int LongestLine = 64;

    private readonly SafeFileHandle _file;

    private RunDelay(SafeFileHandle file) => _file = file;

    /// <summary>Whether the host tells.</summary>
    public static bool IsAvailable { get; } = Open() is { } delay && DisposeAfter(delay);

    /// <summary>Of the calling thread; null where the host does not tell.</summary>
    public static RunDelay? Open()
    {
        try
        {
            RunDelay delay = new(File.OpenHandle(ThreadFile));
            if (delay.TryRead(out _))
            {
                return delay;
            }

            delay.Dispose();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // no such statistics here: the caller does without
        }

        return null;
    }

    /// <param name="nanoseconds">Since the thread's start; never less than before.</param>
    /// <returns>False if the host does not tell (any more).</returns>
    public bool TryRead(out ulong nanoseconds)
    {
        Span<byte> line = stackalloc byte[LongestLine];
        nanoseconds = 0;
        int length;
        try
        {
            length = RandomAccess.Read(_file, line, 0);
        }
        catch (IOException)
        {
            return false;
        }

        ReadOnlySpan<byte> rest = line[..length];
        int space = rest.IndexOf((byte)' ');
        return space >= 0 && Utf8Parser.TryParse(rest[(space + 1)..], out nanoseconds, out _);
    }

    public void Dispose() => _file.Dispose();

    private static bool DisposeAfter(RunDelay delay)
    {
        delay.Dispose();
        return true;
    }
}
