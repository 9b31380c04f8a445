using System.Net.Sockets;
using Strata.Core.Posix;
using Strata.Images;
using Strata.Snapshots;
using Strata.Specs;
using Strata.Virtio.Vsock;

namespace Strata.Control;

/// <summary>
/// A machine that another process runs, reached through its control socket; <see cref="MachineRegistry"/> finds it. Every call is a
/// connection of its own. Members are safe on any thread.
/// </summary>
public sealed class RunningMachine : IMachine
{
    private static readonly TimeSpan FullBacklogDelay = TimeSpan.FromMilliseconds(10);

    private readonly string _path;

    internal RunningMachine(string name, string path)
    {
        Name = name;
        _path = path;
    }

    public string Name { get; }

    /// <summary>Runs programs in the guest and copies files, where an agent runs in it.</summary>
    public GuestAgent Agent => new(ConnectAsync);

    /// <exception cref="StrataException">The machine does not run any more; so for every member.</exception>
    public async Task<MachineDescription> DescribeAsync(CancellationToken cancellationToken = default) =>
        Part((await AskAsync(ControlOperation.Describe, cancellationToken).ConfigureAwait(false)).Machine);

    /// <summary>Which engine runs the machine, and why.</summary>
    public async Task<EngineReport> ExplainEngineAsync(CancellationToken cancellationToken = default) =>
        Part((await AskAsync(ControlOperation.Explain, cancellationToken).ConfigureAwait(false)).Explanation);

    /// <summary>Processors, interrupts and devices in detail.</summary>
    public async Task<MachineInspection> InspectAsync(CancellationToken cancellationToken = default) =>
        Part((await AskAsync(ControlOperation.Inspect, cancellationToken).ConfigureAwait(false)).Inspection);

    /// <summary>What was started: with the files of its image, and paths that hold in every folder.</summary>
    public async Task<MachineSpec> GetSpecAsync(CancellationToken cancellationToken = default)
    {
        ControlReply reply = await AskAsync(ControlOperation.Spec, cancellationToken).ConfigureAwait(false);
        try
        {
            return MachineSpec.Read(reply.Spec ?? throw new StrataException(
                StrataError.Host, "The machine's answer lacks what was asked for; is it of the same version of Strata?"));
        }
        catch (SpecException error)
        {
            throw new StrataException(StrataError.Host, $"The machine's specification cannot be understood. {error.Message}", error);
        }
    }

    /// <summary>Moves the machine to another engine; see <see cref="VirtualMachine.SwitchEngineAsync"/>.</summary>
    /// <exception cref="StrataException">The host cannot run this machine on that engine. It stays on the old one.</exception>
    public async Task<EngineSwitch> SwitchEngineAsync(Engine engine, CancellationToken cancellationToken = default) =>
        Part((await AskAsync(
            new ControlRequest { Operation = ControlOperation.Engine, Engine = engine }, cancellationToken).ConfigureAwait(false)).Switch);

    /// <summary>
    /// Saves the machine, which goes on; see
    /// <see cref="VirtualMachine.CreateSnapshotAsync(SnapshotRequest, SnapshotStore?, CancellationToken)"/>.
    /// </summary>
    public async Task<SnapshotReport> CreateSnapshotAsync(SnapshotRequest request, CancellationToken cancellationToken = default) =>
        Part((await AskAsync(
            new ControlRequest { Operation = ControlOperation.Snapshot, Snapshot = request },
            cancellationToken).ConfigureAwait(false)).Snapshot);

    /// <summary>Saves the machine and ends it; see <see cref="VirtualMachine.SuspendAsync"/>.</summary>
    public async Task<SnapshotReport> SuspendAsync(SnapshotRequest request, CancellationToken cancellationToken = default) =>
        Part((await AskAsync(
            new ControlRequest { Operation = ControlOperation.Suspend, Snapshot = request },
            cancellationToken).ConfigureAwait(false)).Snapshot);

    /// <summary>Takes the machine back to one of its snapshots; see <see cref="VirtualMachine.RollBackAsync"/>.</summary>
    /// <returns>How long it stood still.</returns>
    public async Task<TimeSpan> RollBackAsync(string name, CancellationToken cancellationToken = default)
    {
        ControlReply reply = await AskAsync(
            new ControlRequest { Operation = ControlOperation.RollBack, Name = name }, cancellationToken).ConfigureAwait(false);
        return TimeSpan.FromMilliseconds(reply.PauseMilliseconds ?? 0);
    }

    /// <summary>A moment of the machine for clones to begin at; see <see cref="VirtualMachine.CreateForkPointAsync"/>.</summary>
    public async Task<ForkPoint> CreateForkPointAsync(CancellationToken cancellationToken = default)
    {
        NetworkStream connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ControlReply reply = Check(await ConverseAsync(
                connection, new ControlRequest { Operation = ControlOperation.ForkPoint }, cancellationToken).ConfigureAwait(false));
            return new ForkPoint(new SnapshotStore(Part(reply.Folder)), Part(reply.Name), connection.DisposeAsync);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Presses the power button; an operating system that listens shuts down.</summary>
    public Task PressPowerButtonAsync(CancellationToken cancellationToken = default) =>
        AskAsync(ControlOperation.PowerButton, cancellationToken);

    /// <inheritdoc/>
    public Task ResetAsync(CancellationToken cancellationToken = default) => AskAsync(ControlOperation.Reset, cancellationToken);

    /// <inheritdoc/>
    public Task WakeAsync(CancellationToken cancellationToken = default) => AskAsync(ControlOperation.Wake, cancellationToken);

    /// <summary>
    /// Asks the guest to shut down: by the power button, or through the agent where the image is known not to listen to it. Returns
    /// when it has been asked; <see cref="WaitForExitAsync"/> waits for the end.
    /// </summary>
    public async Task RequestShutDownAsync(CancellationToken cancellationToken = default)
    {
        MachineDescription machine = await DescribeAsync(cancellationToken).ConfigureAwait(false);
        if (machine.IsAsleep)
        {
            await WakeAsync(cancellationToken).ConfigureAwait(false);
        }

        if (GuestImages.All().FirstOrDefault(image => image.ImageName == machine.Image)?.PowerOffCommand is not { } command)
        {
            await PressPowerButtonAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        await Agent.RequestShutDownAsync(command, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken = default) => AskAsync(ControlOperation.Quit, cancellationToken);

    /// <summary>Waits for the machine's end.</summary>
    /// <returns>Null if its process went away without telling how.</returns>
    public async Task<MachineExit?> WaitForExitAsync(CancellationToken cancellationToken = default)
    {
        using NetworkStream connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await ControlJson.Write(new ControlRequest { Operation = ControlOperation.Wait })
                .WriteAsync(connection, cancellationToken)
                .ConfigureAwait(false);
            return await ControlFrame.ReadAsync(connection, cancellationToken).ConfigureAwait(false) is { } frame
                ? Check(ControlJson.ReadReply(frame)).Exit
                : null;
        }
        catch (IOException error) when (error is not ControlProtocolException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async Task WaitForReleaseAsync(CancellationToken cancellationToken = default)
    {
        NetworkStream? connection = await FindAsync(cancellationToken).ConfigureAwait(false);
        if (connection is null)
        {
            return;
        }

        using (connection)
        {
            try
            {
                await ControlJson.Write(new ControlRequest { Operation = ControlOperation.Release }).WriteAsync(
                    connection, cancellationToken).ConfigureAwait(false);
                while (await ControlFrame.ReadAsync(connection, cancellationToken).ConfigureAwait(false) is { } frame)
                {
                    Check(ControlJson.ReadReply(frame));
                }
            }
            catch (IOException error) when (error is not ControlProtocolException)
            {
                // It closed the socket before it read the request, or its process has ended: either way it has let go.
            }
        }
    }

    /// <summary>Connects to a port that a program in the guest listens on (AF_VSOCK); waits until the guest's driver is loaded.</summary>
    /// <exception cref="VsockException">Nothing listens there, or the machine has ended.</exception>
    /// <exception cref="StrataException">The machine has no sockets.</exception>
    public async Task<Stream> ConnectAsync(uint port, CancellationToken cancellationToken = default)
    {
        NetworkStream connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ControlReply reply = await ConverseAsync(
                connection, new ControlRequest { Operation = ControlOperation.Connect, Port = port },
                cancellationToken).ConfigureAwait(false);
            if (reply.Failure is { Error: StrataError.Guest } failure)
            {
                throw new VsockException(failure.Message, failure.IsRefused);
            }

            Check(reply);
            return new ControlStream(connection);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Goes to the machine's console: reading gives the last of what it printed and what it prints from now on, to the machine's end;
    /// what is written is typed. Others may be there as well, and the machine goes on when the stream is closed.
    /// </summary>
    public async Task<Stream> OpenConsoleAsync(CancellationToken cancellationToken = default)
    {
        NetworkStream connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Check(await ConverseAsync(
                connection, new ControlRequest { Operation = ControlOperation.Console }, cancellationToken).ConfigureAwait(false));
            return new ControlStream(connection);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The text that the machine's screen shows; null where there is none.</summary>
    public async Task<string?> ReadScreenAsync(CancellationToken cancellationToken = default) =>
        (await AskAsync(ControlOperation.ScreenText, cancellationToken).ConfigureAwait(false)).Text;

    /// <summary>What the machine's screen shows, as a PNG file.</summary>
    public async Task<byte[]> CaptureScreenAsync(CancellationToken cancellationToken = default)
    {
        using NetworkStream connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        Check(await ConverseAsync(
            connection, new ControlRequest { Operation = ControlOperation.ScreenPicture }, cancellationToken).ConfigureAwait(false));
        using MemoryStream picture = new();
        await new ControlStream(connection).CopyToAsync(picture, cancellationToken).ConfigureAwait(false);
        return picture.ToArray();
    }

    /// <summary>Types a text on the machine's keyboard.</summary>
    public Task TypeAsync(string text, CancellationToken cancellationToken = default) =>
        AskAsync(new ControlRequest { Operation = ControlOperation.Type, Text = text }, cancellationToken);

    /// <summary>Presses keys together and releases them.</summary>
    public Task PressKeysAsync(string keys, CancellationToken cancellationToken = default) =>
        AskAsync(new ControlRequest { Operation = ControlOperation.Type, Keys = keys }, cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<RemovableDrive>> ListDrivesAsync(CancellationToken cancellationToken = default) =>
        Part((await AskAsync(ControlOperation.Drives, cancellationToken).ConfigureAwait(false)).Drives);

    /// <inheritdoc/>
    public Task ChangeMediumAsync(MediumChange change, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        MediumChange rooted = change.Path is { } path ? change with { Path = Path.GetFullPath(path) } : change;
        return AskAsync(new ControlRequest { Operation = ControlOperation.ChangeMedium, Medium = rooted }, cancellationToken);
    }

    private static ControlReply Check(ControlReply reply) =>
        reply.Failure is { } failure ? throw new StrataException(failure.Error, failure.Message) : reply;

    private static T Part<T>(T? part)
        where T : class => part ?? throw new StrataException(
            StrataError.Host, "The machine's answer lacks what was asked for; is it of the same version of Strata?");

    private Task<ControlReply> AskAsync(ControlOperation operation, CancellationToken cancellationToken) =>
        AskAsync(new ControlRequest { Operation = operation }, cancellationToken);

    private async Task<ControlReply> AskAsync(ControlRequest request, CancellationToken cancellationToken)
    {
        using NetworkStream connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        return Check(await ConverseAsync(connection, request, cancellationToken).ConfigureAwait(false));
    }

    private async Task<ControlReply> ConverseAsync(NetworkStream connection, ControlRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await ControlJson.Write(request).WriteAsync(connection, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // It hung up: what it said before, or that it said nothing, is the better cause.
        }

        try
        {
            return await ControlFrame.ReadAsync(connection, cancellationToken).ConfigureAwait(false) is { } frame
                ? ControlJson.ReadReply(frame)
                : throw new StrataException(StrataError.Host, $"The machine {Name} ended before it answered.");
        }
        catch (IOException error)
        {
            throw new StrataException(
                StrataError.Host, error is ControlProtocolException ? error.Message : $"The machine {Name} went away: {error.Message}",
                error);
        }
    }

    /// <exception cref="StrataException">The machine does not run any more, or cannot be reached.</exception>
    private async Task<NetworkStream> OpenAsync(CancellationToken cancellationToken) =>
        await FindAsync(cancellationToken).ConfigureAwait(false) ?? throw MachineRegistry.NotRunning(Name);

    /// <summary>Waits while more processes than the machine's backlog holds want to connect.</summary>
    /// <returns>Null if the machine does not run any more.</returns>
    private async Task<NetworkStream?> FindAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            (bool isBusy, NetworkStream? connection) = await TryOpenAsync(cancellationToken).ConfigureAwait(false);
            if (!isBusy)
            {
                return connection;
            }

            await Task.Delay(FullBacklogDelay, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <returns>Whether the machine's backlog is full; a connection unless it is or nobody listens any more.</returns>
    private async Task<(bool IsBusy, NetworkStream? Connection)> TryOpenAsync(CancellationToken cancellationToken)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_path), cancellationToken).ConfigureAwait(false);
            return PeerCredentials.Of(socket).IsSameUser
                ? (false, new NetworkStream(socket, ownsSocket: true))
                : throw new StrataException(
                    StrataError.Host, $"The control socket {_path} belongs to another user's process; it is not used.");
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.WouldBlock)
        {
            socket.Dispose();
            return (true, null);
        }
        catch (SocketException error)
        {
            socket.Dispose();
            return error.SocketErrorCode is SocketError.ConnectionRefused or SocketError.AddressNotAvailable || !File.Exists(_path)
                ? (false, null)
                : throw new StrataException(StrataError.Host, $"The machine {Name} cannot be reached: {error.Message}.", error);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
