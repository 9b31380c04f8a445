using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Strata.Core.Posix;
using Strata.Virtio.Vsock;

namespace Strata;

/// <summary>
/// The process of the guest's agent that makes a clone another machine, while no other program of the clone runs. Members are safe on any
/// thread.
/// </summary>
/// <param name="connect">Connects to a port of the guest; throws <see cref="VsockException"/> where that fails.</param>
internal sealed class IdentityProgram(Func<uint, CancellationToken, Task<Stream>> connect)
{
    /// <summary>The port of the guest that it listens on.</summary>
    private const uint Port = 1026;

    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(2);

    /// <summary>
    /// Gives the guest random numbers to come, the time, a host name, a machine ID and MAC addresses, and takes its SSH host keys away.
    /// </summary>
    /// <param name="entropy">64 bytes that nobody else has.</param>
    /// <param name="addresses">OLD=NEW.</param>
    /// <returns>How many SSH host keys there were, and what could not be done: a line each.</returns>
    /// <exception cref="StrataException">What answers is not the program.</exception>
    public async Task<(int HostKeys, string Failures)> RunAsync(
        byte[] entropy, string hostName, IEnumerable<string> addresses, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                Stream connection = await connect(Port, cancellationToken).ConfigureAwait(false);
                await using (connection.ConfigureAwait(false))
                {
                    byte[] request = [.. entropy, .. Texts([HostTime(), hostName, .. addresses])];
                    await AgentFrame.WriteAsync(connection, 'C', request, cancellationToken).ConfigureAwait(false);
                    if (await AgentFrame.ReadAsync(connection, cancellationToken).ConfigureAwait(false) is { } answer)
                    {
                        return answer.Type == 'A' ? ((int)answer.Number(), answer.Text) : throw GuestAgent.Failure(answer);
                    }
                }
            }
            catch (Exception error) when (error is IOException and not VsockException { IsRefused: true })
            {
                // The guest's sockets are reset behind a restore, and a connection may come before that.
            }
            catch (InvalidDataException error)
            {
                throw new StrataException(StrataError.Guest, error.Message, error);
            }

            await Task.Delay(RetryDelay, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Seconds since 1970 and nanoseconds, as identity.pl takes them.</summary>
    internal static string HostTime()
    {
        DateTime now = DateTime.UtcNow;
        return string.Create(
            CultureInfo.InvariantCulture, $"{new DateTimeOffset(now).ToUnixTimeSeconds()}.{now.Ticks % TimeSpan.TicksPerSecond * 100:D9}");
    }

    private static byte[] Texts(IEnumerable<string> texts)
    {
        using MemoryStream bytes = new();
        Span<byte> length = stackalloc byte[sizeof(int)];
        foreach (byte[] text in texts.Select(Encoding.UTF8.GetBytes))
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
            bytes.Write(length);
            bytes.Write(text);
        }

        return bytes.ToArray();
    }
}
