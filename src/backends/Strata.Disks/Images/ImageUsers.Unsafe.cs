using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Strata.Disks.Images;

/// <summary>
/// Who holds locks on a file, for messages. Locks of open file descriptions name no process, so the descriptors of all processes are
/// looked through (proc(5), "fdinfo"): those of other users only where this user may, and none outside of the process namespace.
/// </summary>
internal static partial class ImageUsers
{
    private const int MostNamed = 3;
    private const int LongestName = 64;
    private const int StatusSize = 256; // struct statx
    private const int InodeOffset = 32;
    private const int DeviceOffset = 136; // two words: major and minor
    private const uint InodeMask = 0x100;
    private const int CurrentFolder = -100;

    /// <summary>Continues "The disk … is in use by ".</summary>
    public static string Describe(string path)
    {
        int[] processes = TryGetIdentity(path, out FileIdentity file) ? [.. Find(file)] : [];
        string[] others = [.. processes.Where(process => process != Environment.ProcessId).Select(NameOf)];
        if (others.Length > 0)
        {
            return $"another process: {string.Join(", ", others.Take(MostNamed))}{(others.Length > MostNamed ? " and more" : "")}";
        }

        return processes.Length > 0
            ? "this process itself, which has it open already"
            : "another process, such as a machine that runs from it";
    }

    private static IEnumerable<int> Find(FileIdentity file)
    {
        foreach (string folder in Entries("/proc", directories: true))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int process)
                && Entries($"{folder}/fdinfo", directories: false).Any(descriptor => HasLock(folder, Path.GetFileName(descriptor), file)))
            {
                yield return process;
            }
        }
    }

    /// <summary>
    /// The number of the file is in the line of each lock. Its device is there too, but not as stat(2) has it on every file system, so the
    /// descriptor itself is asked.
    /// </summary>
    private static bool HasLock(string process, string descriptor, FileIdentity file)
    {
        string inode = string.Create(CultureInfo.InvariantCulture, $":{file.Inode} ");
        string[] lines = ReadText($"{process}/fdinfo/{descriptor}").Split('\n');
        return lines.Any(line => line.StartsWith("lock:", StringComparison.Ordinal) && line.Contains(inode, StringComparison.Ordinal))
            && TryGetIdentity($"{process}/fd/{descriptor}", out FileIdentity other) && other == file;
    }

    /// <summary>The program's name; of one that .NET's host runs, the assembly's.</summary>
    private static string NameOf(int process)
    {
        string[] arguments = ReadText($"/proc/{process}/cmdline").Split('\0');
        string name = Path.GetFileName(arguments[0]);
        if (name == "dotnet" && arguments.Length > 1)
        {
            name = Path.GetFileNameWithoutExtension(arguments[1]);
        }

        string printable = string.Concat(name.Where(c => !char.IsControl(c)).Take(LongestName));
        return printable.Length == 0 ? $"process {process}" : $"{printable} (process {process})";
    }

    /// <summary>Processes end while they are looked at, and others may not be looked at: both have nothing.</summary>
    private static string[] Entries(string folder, bool directories)
    {
        try
        {
            return directories ? Directory.GetDirectories(folder) : Directory.GetFiles(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <inheritdoc cref="Entries"/>
    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return string.Empty;
        }
    }

    private static unsafe bool TryGetIdentity(string path, out FileIdentity file)
    {
        byte* status = stackalloc byte[StatusSize];

        // SAFETY: the kernel writes a struct statx, which has 256 bytes; the path is marshalled for the time of the call.
        bool found = GetStatus(CurrentFolder, path, 0, InodeMask, status) == 0;
        ReadOnlySpan<byte> bytes = new(status, StatusSize);
        file = found
            ? new FileIdentity(
                BinaryPrimitives.ReadUInt64LittleEndian(bytes[DeviceOffset..]),
                BinaryPrimitives.ReadUInt64LittleEndian(bytes[InodeOffset..]))
            : default;
        return found;
    }

    private readonly record struct FileIdentity(ulong Device, ulong Inode);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int GetStatus(int folder, string path, int flags, uint mask, byte* status);
}
