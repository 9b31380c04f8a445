using System.Net.Sockets;

namespace Strata.Control;

/// <summary>
/// The running machines of a user: a folder with a control socket each, named NAME.sock. A socket that nobody listens on belongs to
/// a machine that died, and is removed by whoever comes across it. Members are safe on any thread and in several processes.
/// </summary>
/// <param name="folder">Where, or null for the user's own: $XDG_RUNTIME_DIR/strata, or a folder below the temporary one.</param>
public sealed class MachineRegistry(string? folder = null)
{
    private const string Extension = ".sock";
    private const string LockFile = ".lock";
    private const int Backlog = 64;
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(5);

    public string Folder { get; } = Path.GetFullPath(folder ?? RuntimeFolder.Default());

    /// <summary>Takes a name for a machine. From here on others see it, and wait for its answers.</summary>
    /// <param name="name">The name, or null for one that is made from what the machine runs.</param>
    /// <param name="image">What the machine runs.</param>
    /// <exception cref="StrataException">The name is none or is taken, or the folder cannot be used.</exception>
    public async Task<MachineReservation> ReserveAsync(string? name, string image, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        IEnumerable<string> candidates = name is null ? MachineName.Suggest(image) : [MachineName.Check(name)];
        RuntimeFolder.Make(Folder);
        using FileStream held = await LockAsync(cancellationToken).ConfigureAwait(false);
        foreach (string candidate in candidates)
        {
            string path = PathOf(candidate);
            if (IsAlive(path))
            {
                continue;
            }

            File.Delete(path);
            return new MachineReservation(this, candidate, image, Listen(path));
        }

        throw new StrataException(StrataError.BadInput, name is null
            ? $"Every name that could be made from {image} is taken; give the machine one with --name."
            : $"A machine with the name {name} is running already: choose another --name, or end it with `strata stop {name}`.");
    }

    /// <summary>A machine by its name.</summary>
    /// <exception cref="StrataException">No such machine runs.</exception>
    public IMachine Find(string name)
    {
        MachineName.Check(name);
        if (Directory.Exists(Folder))
        {
            RuntimeFolder.Check(Folder);
            if (File.Exists(PathOf(name)))
            {
                return new RunningMachine(name, PathOf(name));
            }
        }

        throw NotRunning(name);
    }

    /// <summary>A machine by its name, if it runs.</summary>
    /// <exception cref="StrataException">The folder cannot be used, or no machine can have that name.</exception>
    public async Task<RunningMachine?> TryFindAsync(string name, CancellationToken cancellationToken = default)
    {
        MachineName.Check(name);
        if (!Directory.Exists(Folder))
        {
            return null;
        }

        RuntimeFolder.Check(Folder);
        using FileStream held = await LockAsync(cancellationToken).ConfigureAwait(false);
        return File.Exists(PathOf(name)) && IsAlive(PathOf(name)) ? new RunningMachine(name, PathOf(name)) : null;
    }

    /// <summary>All machines that run, by name. One that does not answer in time is listed with little more than its name.</summary>
    /// <exception cref="StrataException">The folder cannot be used.</exception>
    public async Task<IReadOnlyList<MachineDescription>> ListAsync(CancellationToken cancellationToken = default)
    {
        if (!Directory.Exists(Folder))
        {
            return [];
        }

        RuntimeFolder.Check(Folder);
        string[] names = [.. Directory.EnumerateFiles(Folder, "*" + Extension).Select(
            path => Path.GetFileNameWithoutExtension(path)!).Where(MachineName.IsValid).Order(StringComparer.Ordinal)];
        MachineDescription?[] all = await Task.WhenAll(names.Select(name => DescribeAsync(name, cancellationToken))).ConfigureAwait(false);
        if (all.Contains(null))
        {
            await RemoveDeadAsync(names, cancellationToken).ConfigureAwait(false);
        }

        return [.. all.OfType<MachineDescription>()];
    }

    /// <summary>Closing a bound socket removes its file, which must not be another machine's by then: hence the lock.</summary>
    internal async Task CloseAsync(Socket listener)
    {
        try
        {
            using FileStream held = await LockAsync(CancellationToken.None).ConfigureAwait(false);
            listener.Dispose();
        }
        catch (StrataException)
        {
            listener.Dispose(); // the folder has gone, and the name with it
        }
    }

    internal static StrataException NotRunning(string name) =>
        new(StrataError.BadInput, $"No machine with the name {Printable.Text(name)} is running; `strata list` shows those that are.");

    /// <summary>Whether somebody listens on a socket. The answer holds while the registry's lock does: sockets appear under it.</summary>
    private static bool IsAlive(string path)
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException error) when (
            error.SocketErrorCode is SocketError.ConnectionRefused or SocketError.AddressNotAvailable || !File.Exists(path))
        {
            return false;
        }
        catch (SocketException)
        {
            return true; // its backlog is full: it lives
        }
    }

    private static Socket Listen(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
            socket.Listen(Backlog);
            return socket;
        }
        catch (Exception error) when (error is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new StrataException(
                StrataError.Host, $"The control socket {path} cannot be made: {error.Message}. Set XDG_RUNTIME_DIR to a folder of yours.",
                error);
        }
    }

    private async Task<MachineDescription?> DescribeAsync(string name, CancellationToken cancellationToken)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(AnswerPatience);
        try
        {
            return await new RunningMachine(name, PathOf(name)).DescribeAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new MachineDescription { Name = name, Image = string.Empty, Answers = false };
        }
        catch (StrataException error) when (error.Error == StrataError.BadInput)
        {
            return null; // nobody listens
        }
        catch (StrataException)
        {
            // it ended meanwhile
            return File.Exists(PathOf(name)) ? new MachineDescription { Name = name, Image = string.Empty, Answers = false } : null;
        }
    }

    private async Task RemoveDeadAsync(string[] names, CancellationToken cancellationToken)
    {
        using FileStream held = await LockAsync(cancellationToken).ConfigureAwait(false);
        foreach (string path in names.Select(PathOf).Where(path => !IsAlive(path)))
        {
            File.Delete(path);
        }
    }

    private string PathOf(string name)
    {
        string path = Path.Combine(Folder, name + Extension);
        return path.Length <= LongestPath
            ? path
            : throw new StrataException(
                StrataError.Host,
                $"The path {path} is too long for a socket ({LongestPath} characters); set XDG_RUNTIME_DIR to a shorter folder.");
    }

    /// <summary>sun_path of unix(7), without the zero at its end.</summary>
    private const int LongestPath = 107;

    /// <summary>Held while sockets appear and dead ones go; a moment each time.</summary>
    private async Task<FileStream> LockAsync(CancellationToken cancellationToken)
    {
        string path = Path.Combine(Folder, LockFile);
        long start = Environment.TickCount64;
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (Exception error) when (error is UnauthorizedAccessException
                || (error is IOException && (!File.Exists(path) || Environment.TickCount64 - start > LockPatience.TotalMilliseconds)))
            {
                throw new StrataException(
                    StrataError.Host,
                    $"The lock {path} of the running machines cannot be had: {error.Message} End the process that holds it, or set " +
                    $"XDG_RUNTIME_DIR to another folder.",
                    error);
            }
            catch (IOException)
            {
                await Task.Delay(LockInterval, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
