using System.Diagnostics;
using System.Net.Sockets;
using Strata.Core.Posix;

namespace Strata.Networking.NamedSwitches;

/// <summary>Goes to a named switch and asks for something.</summary>
public static class NamedSwitchClient
{
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);
    private const int MostPorts = 1024;

    /// <summary>What a switch is and who is plugged into it. Waits for the answer for at most two seconds.</summary>
    /// <returns>Null if no machine is plugged into such a switch.</returns>
    /// <exception cref="IOException">What is there speaks no protocol of this version.</exception>
    public static NamedSwitchDescription? Describe(NamedSwitchPlace place, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(place);
        place.Check();
        if (TryConnect(place) is not { } socket)
        {
            return null;
        }

        using (socket)
        {
            byte[] buffer = new byte[SwitchMessage.LargestText + 1];
            long start = Stopwatch.GetTimestamp();
            try
            {
                SwitchReply reply = Ask(socket, place, new SwitchRequest(), buffer, cancellationToken);
                List<NamedSwitchPortDescription> ports = [];
                while (ports.Count < Math.Min(reply.PortCount, MostPorts))
                {
                    int count = Receive(socket, buffer, start, cancellationToken);
                    ports.Add(SwitchJson.ReadPort(buffer.AsSpan(0, count)) ?? throw NoSwitch(place));
                }

                return (reply.Description ?? throw NoSwitch(place)) with { Name = place.Name, Ports = ports };
            }
            catch (TimeoutException)
            {
                return new NamedSwitchDescription
                {
                    Name = place.Name,
                    HostProcessId = PeerCredentials.Of(socket).ProcessId,
                    Answers = false,
                };
            }
            catch (SocketException)
            {
                return null; // its host ended meanwhile
            }
        }
    }

    /// <returns>Null if nobody serves the socket now.</returns>
    /// <exception cref="IOException">Another user does.</exception>
    internal static Socket? TryConnect(NamedSwitchPlace place)
    {
        Socket socket = NamedSwitchHost.NewSocket();
        try
        {
            socket.Blocking = false;
            socket.Connect(new UnixDomainSocketEndPoint(place.SocketPath));
            socket.Blocking = true;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }

        if (PeerCredentials.Of(socket).IsSameUser)
        {
            return socket;
        }

        socket.Dispose();
        throw new IOException($"The switch {place.Name} is hosted by another user; set XDG_RUNTIME_DIR to a folder of yours.");
    }

    /// <summary>Asks, and waits for the answer.</summary>
    /// <exception cref="TimeoutException">None came.</exception>
    /// <exception cref="SocketException">The host ended meanwhile.</exception>
    /// <exception cref="IOException">The answer is none.</exception>
    internal static SwitchReply Ask(
        Socket socket, NamedSwitchPlace place, SwitchRequest request, byte[] buffer, CancellationToken cancellationToken)
    {
        socket.Send(SwitchJson.Write(request));
        int count = Receive(socket, buffer, Stopwatch.GetTimestamp(), cancellationToken);
        SwitchReply reply = SwitchJson.ReadReply(buffer.AsSpan(0, count)) ?? throw NoSwitch(place);
        return reply.Version == SwitchRequest.CurrentVersion ? reply : throw NoSwitch(place);
    }

    /// <param name="start">When <see cref="AnswerPatience"/> began.</param>
    private static int Receive(Socket socket, byte[] buffer, long start, CancellationToken cancellationToken)
    {
        while (!socket.Poll(PollInterval, SelectMode.SelectRead))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Stopwatch.GetElapsedTime(start) > AnswerPatience)
            {
                throw new TimeoutException();
            }
        }

        int count = socket.Receive(buffer);
        return count > 0 ? count : throw new SocketException((int)SocketError.ConnectionReset);
    }

    private static IOException NoSwitch(NamedSwitchPlace place) =>
        new($"What serves {place.SocketPath} is no switch of this version of Strata: run all of its machines with the same.");
}
