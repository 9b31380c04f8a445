using Strata.Core.Networking;
using Strata.Core.State;

namespace Strata.Networking.Capture;

/// <summary>A network whose frames, in both directions, are written to a capture file as well.</summary>
/// <param name="network">The network itself. Disposed with this.</param>
/// <param name="capture">The file. Disposed with this.</param>
public sealed class CapturedNetwork(INetworkBackend network, PcapWriter capture) : INetworkBackend, IFrameReceiver
{
    private IFrameReceiver? _receiver; // written once, before the first frame

    public INetworkBackend Network => network;

    /// <summary>Why the capture ended early, or null.</summary>
    public string? Failure => capture.Failure;

    FrameFeatures INetworkBackend.Accepts => network.Accepts;

    FrameFeatures IFrameReceiver.Accepts => _receiver?.Accepts ?? FrameFeatures.None;

    public void Connect(IFrameReceiver receiver)
    {
        _receiver = receiver;
        network.Connect(this);
    }

    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        capture.Write(frame, [], offload);
        network.Send(frame, offload);
    }

    public void Resume() => network.Resume();

    public IReadOnlyList<IUnit> GetUnits(string name) => network.GetUnits(name);

    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        if (_receiver is not { } receiver || !receiver.TryReceive(head, payload, offload))
        {
            return _receiver is null;
        }

        capture.Write(head, payload, offload);
        return true;
    }

    public void SetCarrier(bool up) => _receiver?.SetCarrier(up);

    public void Dispose()
    {
        network.Dispose();
        capture.Dispose();
    }
}
