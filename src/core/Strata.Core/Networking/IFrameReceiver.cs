namespace Strata.Core.Networking;

/// <summary>The guest's side of a network connection: takes frames for the guest. Safe on any thread.</summary>
public interface IFrameReceiver
{
    /// <summary>What frames for the guest may leave undone; changes when the guest's driver starts or resets the card.</summary>
    FrameFeatures Accepts { get; }

    /// <summary>Hands a frame to the guest, in two pieces so that the sender need not join headers and data.</summary>
    /// <param name="offload">What is left undone; only what <see cref="Accepts"/> allows.</param>
    /// <returns>
    /// False if there is no room: nothing was taken, and <see cref="INetworkBackend.Resume"/> follows when there is. A frame that the
    /// cut link loses counts as taken.
    /// </returns>
    bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload);

    /// <summary>Tells the card whether the other end of its cable is alive. It is, until something else is said.</summary>
    void SetCarrier(bool up);
}
