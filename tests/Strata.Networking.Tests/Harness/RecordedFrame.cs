using Strata.Core.Networking;

namespace Strata.Networking.Tests.Harness;

/// <summary>A frame as it reached a card.</summary>
internal sealed record RecordedFrame(byte[] Bytes, FrameOffload Offload);

/// <summary>A card that keeps what it gets, and can be told to be full.</summary>
internal sealed class RecordingReceiver : IFrameReceiver
{
    private readonly Lock _gate = new();
    private readonly Queue<RecordedFrame> _frames = new();

    public FrameFeatures Accepts { get; set; }

    /// <summary>Frames taken before the card is full; the default is plenty.</summary>
    public int Room { get; set; } = int.MaxValue;

    public bool HasCarrier { get; private set; } = true;

    public void SetCarrier(bool up) => HasCarrier = up;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _frames.Count;
            }
        }
    }

    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        lock (_gate)
        {
            if (_frames.Count >= Room)
            {
                return false;
            }

            _frames.Enqueue(new RecordedFrame([.. head, .. payload], offload));
            return true;
        }
    }

    public RecordedFrame? TryTake()
    {
        lock (_gate)
        {
            return _frames.TryDequeue(out RecordedFrame? frame) ? frame : null;
        }
    }
}
