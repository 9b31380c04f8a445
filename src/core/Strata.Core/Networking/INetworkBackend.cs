using Strata.Core.State;

namespace Strata.Core.Networking;

/// <summary>
/// What a virtual network card is plugged into: user-mode NAT, a switch port, a tap. Frames are Ethernet II frames without FCS.
/// Calls come from a device's worker threads, several at once where it has several queues, never from a vCPU, and must not wait for the
/// network.
/// </summary>
public interface INetworkBackend : IDisposable
{
    /// <summary>What frames from the guest may leave undone. Fixed for the backend's life.</summary>
    FrameFeatures Accepts { get; }

    /// <summary>Connects the card; once, before the first frame.</summary>
    void Connect(IFrameReceiver receiver);

    /// <summary>A frame from the guest. A backend without room drops it.</summary>
    /// <param name="frame">From the destination address on; valid during the call only. Everything in it is the guest's word.</param>
    /// <param name="offload">What the guest left undone; already checked against the frame's length and <see cref="Accepts"/>.</param>
    void Send(ReadOnlySpan<byte> frame, in FrameOffload offload);

    /// <summary>
    /// What the backend keeps for this card's guest, to be saved with the machine: none where it keeps nothing, or where others use it,
    /// too. The card is quiesced before these units and goes on before them.
    /// </summary>
    /// <param name="name">The unit's, or what the names of several begin with.</param>
    IReadOnlyList<IUnit> GetUnits(string name) => [];

    /// <summary>The receiver has room again after it refused a frame. The call may come without need.</summary>
    void Resume();
}
