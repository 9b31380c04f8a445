using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Networking.Switching;
using Strata.Networking.Tests.Harness;

namespace Strata.Networking.Tests.Switching;

/// <summary>A switch with recording cards; station n has the MAC address 02:00:00:00:00:n.</summary>
internal sealed class SwitchBench : IDisposable
{
    public SwitchBench(VirtualSwitchOptions? options = null) => Switch = new VirtualSwitch(options, Clock);

    public ManualClock Clock { get; } = new();

    public VirtualSwitch Switch { get; }

    public (SwitchPort Port, RecordingReceiver Card) Plug(SwitchPortOptions? options = null)
    {
        SwitchPort port = Switch.AddPort(options);
        RecordingReceiver card = new();
        port.Connect(card);
        return (port, card);
    }

    public static byte[] Mac(int station) => [2, 0, 0, 0, (byte)(station >> 8), (byte)station];

    /// <summary>A frame between stations with a payload that says which it is.</summary>
    public static byte[] Frame(int from, int to, byte content = 0) =>
        GuestFrames.Ethernet(Mac(to), Mac(from), 0x88B5, [content, .. new byte[45]]);

    public static byte[] Broadcast(int from) => GuestFrames.Ethernet(GuestFrames.Everybody, Mac(from), 0x88B5, new byte[46]);

    public static byte[] Tagged(byte[] frame, ushort control) => [.. frame[..12], 0x81, 0, .. GuestFrames.Big16(control), .. frame[12..]];

    public static void Send(SwitchPort port, byte[] frame) => port.Send(frame, FrameOffload.None);

    public void Dispose() => Switch.Dispose();
}
