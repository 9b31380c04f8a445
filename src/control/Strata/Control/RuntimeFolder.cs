using Strata.Core.Posix;

namespace Strata.Control;

/// <summary>
/// The folder of a user's control sockets. It and everything that decides what it is must be in the user's hands: a folder that
/// another user prepared could hand commands to a machine of his, or his commands to ours.
/// </summary>
internal static class RuntimeFolder
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const uint Sticky = 0x200;
    private const uint OthersMayWrite = 0x12; // 0022
    private const uint OthersMayAnything = 0x3F; // 0077

    /// <summary>The user that this process acts as.</summary>
    public static uint UserId => PeerCredentials.OwnUserId;

    /// <summary>$XDG_RUNTIME_DIR/strata; where there is no such variable, a folder of the user's in the temporary folder.</summary>
    public static string Default()
    {
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        return !string.IsNullOrEmpty(runtime) && Path.IsPathFullyQualified(runtime) && Directory.Exists(runtime)
            ? Path.Combine(runtime, "strata")
            : Path.Combine(Path.GetTempPath(), $"strata-{UserId}");
    }

    /// <summary>Makes the folder if it is not there.</summary>
    /// <exception cref="StrataException">It cannot be made, or others have a say in it.</exception>
    public static void Make(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new StrataException(StrataError.Host, "Control sockets need a host whose folders have owners and modes, such as Linux.");
        }

        try
        {
            if (!Directory.Exists(folder))
            {
                Directory.CreateDirectory(folder, Private);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(
                StrataError.Host,
                $"The folder {folder} for control sockets cannot be made: {error.Message} Set XDG_RUNTIME_DIR to a folder of yours.",
                error);
        }

        Check(folder);
    }

    /// <exception cref="StrataException">Others have a say in the folder.</exception>
    public static void Check(string folder)
    {
        HostFileStatus status = StatusOf(folder, followLink: false);
        string? fault = !status.IsFolder ? "is no folder"
            : status.UserId != UserId ? $"belongs to user {status.UserId}, not to you"
            : (status.Mode & OthersMayAnything) != 0 ? "is open to other users"
            : null;
        if (fault is not null)
        {
            throw new StrataException(
                StrataError.Host,
                $"The folder {folder} for control sockets {fault}: remove it or make it yours alone (chmod 700), or set XDG_RUNTIME_DIR " +
                $"to a folder of yours.");
        }

        string parent = Path.GetDirectoryName(folder)!;
        status = StatusOf(parent, followLink: true);
        if ((status.UserId != UserId && status.UserId != 0) || ((status.Mode & OthersMayWrite) != 0 && (status.Mode & Sticky) == 0))
        {
            throw new StrataException(
                StrataError.Host,
                $"Other users can replace the folder {folder} for control sockets, because they may write to {parent}; set " +
                $"XDG_RUNTIME_DIR to a folder of yours.");
        }
    }

    private static HostFileStatus StatusOf(string path, bool followLink)
    {
        try
        {
            return HostFileStatus.Of(path, followLink);
        }
        catch (IOException error)
        {
            throw new StrataException(
                StrataError.Host, $"The folder {path} for control sockets cannot be looked at: {error.Message}.", error);
        }
    }
}
