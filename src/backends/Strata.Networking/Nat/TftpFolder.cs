using System.Text;
using Microsoft.Win32.SafeHandles;
using static Strata.Core.Posix.DescriptorCalls;

namespace Strata.Networking.Nat;

/// <summary>
/// The host's folder that <see cref="TftpServer"/> shows. A file that is opened is asked where it is: no name and no link leads out of the
/// folder, also not one that is changed meanwhile.
/// </summary>
internal sealed class TftpFolder(string folder)
{
    private const int ReadOnly = 0;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Opens a file; it cannot be one that makes its reader wait, such as a pipe.</summary>
    /// <param name="name">As a guest writes it: from the folder on, with slashes or backslashes, the first of which means nothing.</param>
    /// <param name="size">Bytes.</param>
    /// <returns>Null if there is no such file that may be read.</returns>
    public SafeFileHandle? TryOpen(ReadOnlySpan<byte> name, out long size)
    {
        size = 0;
        if (ToPath(name) is not { } path || OpenDescriptor(folder) is not { } root)
        {
            return null;
        }

        using SafeFileHandle rootOwner = root;
        if (PlaceOf(root) is not { } rootPlace || OpenDescriptor(Path.Combine(folder, path)) is not { } file)
        {
            return null;
        }

        try
        {
            string inside = rootPlace.EndsWith('/') ? rootPlace : rootPlace + "/";
            if (PlaceOf(file) is { } place && place.StartsWith(inside, StringComparison.Ordinal) && File.Exists(place))
            {
                size = RandomAccess.GetLength(file);
                return file;
            }
        }
        catch (Exception error) when (error is IOException or NotSupportedException or UnauthorizedAccessException)
        {
            // No file that has a length.
        }

        file.Dispose();
        return null;
    }

    private static string? ToPath(ReadOnlySpan<byte> name)
    {
        try
        {
            string path = Strict.GetString(name).Replace('\\', '/').TrimStart('/');
            return path.Length == 0 || path.Split('/').Contains("..") ? null : path;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static SafeFileHandle? OpenDescriptor(string path)
    {
        int descriptor = Open(path, ReadOnly | NonBlocking | CloseOnExec);
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Where the host has an open file; null if nowhere.</summary>
    private static string? PlaceOf(SafeFileHandle file) => new FileInfo($"/proc/self/fd/{file.DangerousGetHandle()}").LinkTarget;
}
