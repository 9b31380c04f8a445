using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Strata.Control;
using Strata.Core.Posix;
using Strata.Core.Sharing;
using Strata.Virtio.Vsock;

namespace Strata;

/// <summary>
/// Runs programs in a guest and copies files, through the agent that runs there: a perl script, which debian-tiny gets with
/// <see cref="Images.DebianTiny.AgentInitrdPath"/> and any image can start at boot. Members are safe on any thread.
/// </summary>
public sealed partial class GuestAgent
{
    /// <summary>The port of the guest that the agent listens on.</summary>
    public const uint Port = 1025;

    private const string IdentityPart = "agent.identity.pl";
    private const int Piece = 64 << 10;
    private const uint DefaultMode = 0x1A4;
    private const int NotExecutableCode = 126;
    private const int NotFoundCode = 127;
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(10);

    private static readonly string[] ScriptParts = ["agent.pl", "agent.files.pl", IdentityPart, "agent.listen.pl"];

    private readonly Func<uint, CancellationToken, Task<Stream>> _connect;

    /// <param name="connect">Connects to a port of the guest; throws <see cref="VsockException"/> where that fails.</param>
    internal GuestAgent(Func<uint, CancellationToken, Task<Stream>> connect) => _connect = connect;

    /// <summary>Receives what this side of the agent has to report.</summary>
    internal ILogger Log { get; init; } = NullLogger.Instance;

    /// <summary>How long to wait for an agent that does not answer yet: the guest may be booting.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>The agent's source, for images that bring it along: start it at boot with `perl FILE`.</summary>
    public static string Script => string.Concat(ScriptParts.Select(ReadResource));

    /// <summary>What the agent runs in the guest of a clone.</summary>
    internal static string IdentityScript => ReadResource(IdentityPart) + ReadResource("identity.pl");

    /// <summary>Starts a program.</summary>
    /// <param name="output">Receives what the program prints; the program waits while it runs.</param>
    /// <exception cref="StrataException">No agent answers, or the program cannot be started.</exception>
    public Task<GuestProcess> StartAsync(
        GuestCommand command, Action<ReadOnlyMemory<byte>> output, Action<ReadOnlyMemory<byte>> errorOutput,
        CancellationToken cancellationToken = default) =>
        StartAsync(command, output, errorOutput, Log, cancellationToken);

    private async Task<GuestProcess> StartAsync(
        GuestCommand command, Action<ReadOnlyMemory<byte>> output, Action<ReadOnlyMemory<byte>> errorOutput, ILogger log,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(command);
        (Stream connection, AgentFrame accepted) = await OpenAsync(
            'S', AgentFrame.Start(command), cancellationToken, frame => StartFailure(frame, command)).ConfigureAwait(false);
        return new GuestProcess(connection, (int)accepted.Number(), output, errorOutput, log);
    }

    /// <summary>Runs a program to its end.</summary>
    /// <param name="input">Its standard input.</param>
    /// <exception cref="StrataException">No agent answers, or the program cannot be started.</exception>
    public async Task<GuestResult> RunAsync(
        GuestCommand command, ReadOnlyMemory<byte> input = default, CancellationToken cancellationToken = default)
    {
        using MemoryStream output = new();
        using MemoryStream errors = new();
        await using GuestProcess process = await StartAsync(
            command, bytes => output.Write(bytes.Span), bytes => errors.Write(bytes.Span), cancellationToken).ConfigureAwait(false);
        Task writing = WriteAllAsync(process, input, cancellationToken);
        int code = await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        await writing.ConfigureAwait(false);
        return new GuestResult(code, output.ToArray(), errors.ToArray());
    }

    /// <summary>
    /// Writes a file of the guest, which takes the place of one that exists when all of it is there, and gets its owner. A link is
    /// followed; a device or FIFO takes the data.
    /// </summary>
    /// <param name="mode">Permission bits.</param>
    /// <exception cref="StrataException">No agent answers, or the guest cannot write the file.</exception>
    public async Task PutAsync(Stream content, string guestPath, uint mode = DefaultMode, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        byte[] request = [.. AgentFrame.Numbers(mode), .. ByteText.GetBytes(guestPath)];
        (Stream connection, _) = await OpenAsync('P', request, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            await SendAndConfirmAsync(connection, SendContentAsync, cancellationToken).ConfigureAwait(false);
        }

        async Task SendContentAsync()
        {
            byte[] piece = new byte[Piece];
            int count;
            while ((count = await content.ReadAsync(piece, cancellationToken).ConfigureAwait(false)) > 0)
            {
                await AgentFrame.WriteAsync(connection, 'D', piece.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            }

            await AgentFrame.WriteAsync(connection, 'E', default, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Reads a regular file of the guest.</summary>
    /// <returns>Its permission bits.</returns>
    /// <exception cref="StrataException">No agent answers, or the guest cannot read the file.</exception>
    public async Task<uint> GetAsync(string guestPath, Stream target, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        byte[] request = ByteText.GetBytes(guestPath);
        (Stream connection, AgentFrame accepted) = await OpenAsync('G', request, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            while (true)
            {
                AgentFrame frame = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
                if (frame.Type == 'E')
                {
                    return accepted.Number();
                }

                if (frame.Type != 'D')
                {
                    throw Failure(frame);
                }

                await target.WriteAsync(frame.Payload, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Waits until a program in the guest reads its console. What is typed before, programs such as getty and login may throw away when
    /// they start.
    /// </summary>
    /// <exception cref="StrataException">No agent answers, or it is an older one that cannot tell.</exception>
    public async Task WaitForConsoleReaderAsync(CancellationToken cancellationToken = default)
    {
        (Stream connection, _) = await OpenAsync('Y', [], cancellationToken).ConfigureAwait(false);
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Runs what powers the guest off, to the end of either.</summary>
    /// <exception cref="StrataException">No agent answers, or the command cannot be started.</exception>
    internal async Task RequestShutDownAsync(GuestCommand command, CancellationToken cancellationToken)
    {
        // That the agent goes as well is what is asked for: no report.
        GuestProcess process = await StartAsync(command, _ => { }, _ => { }, NullLogger.Instance, cancellationToken).ConfigureAwait(false);
        await using (process.ConfigureAwait(false))
        {
            Task<int> end = process.WaitForExitAsync(cancellationToken);
            await ((Task)end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // the machine takes the command with it
        }
    }

    internal static StrataException Failure(AgentFrame frame) => frame.Type == 'F'
        ? new StrataException(StrataError.Guest, $"The guest refused: {Printable.Text(frame.Text)}.")
        : new StrataException(
            StrataError.Guest,
            $"The guest's agent sent a frame '{Printable.Text(frame.Type.ToString())}' out of turn; is it the one of this version?");

    /// <summary>
    /// As a shell tells a program that is not there from one that cannot be run, if it was the program that the guest refused.
    /// </summary>
    private static StrataException StartFailure(AgentFrame frame, GuestCommand command)
    {
        StrataException failure = Failure(frame);
        if (frame.Type != 'F')
        {
            return failure;
        }

        bool isProgram = frame.Text.StartsWith($"{command.Arguments[0]}: ", StringComparison.Ordinal);
        int code = isProgram && (Errno)frame.Number() == Errno.ENOENT ? NotFoundCode : NotExecutableCode;
        return new StrataException(failure.Error, failure.Message) { CommandExitCode = code };
    }

    private static string ReadResource(string name)
    {
        using Stream resource = typeof(GuestAgent).Assembly.GetManifestResourceStream(name)!;
        using StreamReader reader = new(resource);
        return reader.ReadToEnd();
    }

    private static async Task WriteAllAsync(GuestProcess process, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        await process.WriteInputAsync(input, cancellationToken).ConfigureAwait(false);
        await process.CompleteInputAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task<AgentFrame> ReadAsync(Stream connection, CancellationToken cancellationToken)
    {
        try
        {
            return await AgentFrame.ReadAsync(connection, cancellationToken).ConfigureAwait(false)
                ?? throw new StrataException(StrataError.Guest, "The guest's agent ended in the middle of an operation.");
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            throw new StrataException(StrataError.Guest, $"The guest's agent was lost: {error.Message}", error);
        }
    }

    private static async Task WriteAsync(Stream connection, char type, byte[] request, CancellationToken cancellationToken)
    {
        try
        {
            await AgentFrame.WriteAsync(connection, type, request, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            throw new StrataException(StrataError.Guest, $"The guest's agent was lost: {error.Message}", error);
        }
    }

    private async Task<(Stream Connection, AgentFrame Accepted)> OpenAsync(
        char type, byte[] request, CancellationToken cancellationToken, Func<AgentFrame, StrataException>? failure = null)
    {
        Stream connection = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await WriteAsync(connection, type, request, cancellationToken).ConfigureAwait(false);
            AgentFrame answer = await ReadAsync(connection, cancellationToken).ConfigureAwait(false);
            return answer.Type == 'A' ? (connection, answer) : throw (failure ?? Failure)(answer);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Tries until the agent listens.</summary>
    private async Task<Stream> ConnectAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(Patience);
        try
        {
            while (true)
            {
                try
                {
                    return await _connect(Port, timeout.Token).ConfigureAwait(false);
                }
                catch (VsockException error) when (error.IsRefused)
                {
                    await Task.Delay(RetryDelay, timeout.Token).ConfigureAwait(false);
                }
            }
        }
        catch (VsockException error)
        {
            throw new StrataException(StrataError.Guest, $"The guest's agent cannot be reached: {error.Message}", error);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StrataException(
                StrataError.Guest,
                $"No agent answered in the guest for {Patience.TotalSeconds:F0} s: does the image start one, and does its kernel have " +
                $"virtio-vsock?",
                error);
        }
    }
}
