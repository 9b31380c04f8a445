using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Switching.SwitchBench;

namespace Strata.Networking.Tests.NamedSwitches;

/// <summary>A folder with a named switch in it. Machine n has the MAC address of station n and is called mn.</summary>
internal sealed class NamedSwitchBench : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("strata-sw-");
    private readonly List<IDisposable> _open = [];

    public NamedSwitchPlace Place => new(_folder.FullName, "lab");

    /// <summary>A machine on the switch.</summary>
    public (
        NamedSwitchPort Port, RecordingReceiver Card) Join(int machine, NamedSwitchOptions? options = null, RecordingReceiver? card = null)
    {
        NamedSwitchPort port = NamedSwitchPort.Join(Place, new NamedSwitchStation($"m{machine}", MacAddress.Read(Mac(machine))), options);
        _open.Add(port);
        card ??= new RecordingReceiver();
        port.Connect(card);
        return (port, card);
    }

    /// <summary>A process that connects and says what it likes.</summary>
    public Socket Intrude()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)Patience.TotalMilliseconds,
        };
        _open.Add(socket);
        socket.Connect(new UnixDomainSocketEndPoint(Place.SocketPath));
        return socket;
    }

    /// <summary>The same, admitted as a machine.</summary>
    public Socket IntrudeAs(int machine)
    {
        Socket socket = Intrude();
        MacAddress mac = MacAddress.Read(Mac(machine));
        socket.Send(SwitchJson.Write(new SwitchRequest { Join = new SwitchJoin { Machine = $"m{machine}", Mac = mac.ToString() } }));
        byte[] buffer = new byte[1000];
        Assert.Null(SwitchJson.ReadReply(buffer.AsSpan(0, socket.Receive(buffer)))!.Refusal);
        return socket;
    }

    /// <summary>The host hangs up.</summary>
    public static void AssertCut(Socket socket)
    {
        byte[] buffer = new byte[SwitchMessage.Largest];
        int count;
        do
        {
            try
            {
                count = socket.Receive(buffer);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
            {
                return; // with something that it had not read
            }
        }
        while (count > 0);
    }

    public static RecordedFrame Take(RecordingReceiver card)
    {
        RecordedFrame? frame = null;
        Assert.True(SpinWait.SpinUntil(() => (frame = card.TryTake()) is not null, Patience), "No frame came.");
        return frame!;
    }

    public static void Send(NamedSwitchPort port, byte[] frame) => port.Send(frame, FrameOffload.None);

    /// <summary>Sends until it arrives, as a guest does: frames in the moment of a change of hosts are lost.</summary>
    public static void SendUntilTaken(NamedSwitchPort port, RecordingReceiver card, byte[] frame) => Assert.True(
        SpinWait.SpinUntil(
            () =>
            {
                Send(port, frame);
#pragma warning disable RS0030 // between two attempts
                Thread.Sleep(5);
#pragma warning restore RS0030
                return card.TryTake()?.Bytes.AsSpan().SequenceEqual(frame) == true;
            },
            Patience),
        "The frame never came.");

    public NamedSwitchDescription Describe() => NamedSwitchClient.Describe(Place)!;

    public void Dispose()
    {
        _open.ForEach(one => one.Dispose());
        _folder.Delete(recursive: true);
    }
}
