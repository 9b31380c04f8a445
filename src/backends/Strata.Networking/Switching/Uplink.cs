using System.Buffers;
using Strata.Core.Networking;

namespace Strata.Networking.Switching;

/// <summary>What a network on an uplink takes for its card: its frames enter the switch.</summary>
internal sealed class UplinkCard(SwitchPort port) : IFrameReceiver
{
    public FrameFeatures Accepts => port.Accepts;

    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        if (payload.IsEmpty)
        {
            return port.TrySend(head, offload);
        }

        byte[] whole = ArrayPool<byte>.Shared.Rent(head.Length + payload.Length);
        head.CopyTo(whole);
        payload.CopyTo(whole.AsSpan(head.Length));
        bool taken = port.TrySend(whole.AsSpan(0, head.Length + payload.Length), offload);
        ArrayPool<byte>.Shared.Return(whole);
        return taken;
    }

    public void SetCarrier(bool up) => port.IsLinkUp = up;
}

/// <summary>What a port takes for its card where a network is plugged in: frames out of the switch go into the network.</summary>
internal sealed class UplinkSink(INetworkBackend network) : IFrameReceiver
{
    public FrameFeatures Accepts => network.Accepts;

    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        network.Send(payload.IsEmpty ? head : (byte[])[.. head, .. payload], offload);
        return true;
    }

    public void SetCarrier(bool up)
    {
        // A network is no card: a port that is switched off simply carries nothing to it.
    }
}
