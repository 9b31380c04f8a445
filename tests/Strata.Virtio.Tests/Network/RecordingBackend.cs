using System.Collections.Concurrent;
using Strata.Core.Networking;

namespace Strata.Virtio.Tests.Network;

/// <summary>A network that keeps what the card sends.</summary>
internal sealed class RecordingBackend : INetworkBackend
{
    private int _resumes;

    public FrameFeatures Accepts { get; set; } = FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation;

    public BlockingCollection<(byte[] Frame, FrameOffload Offload)> Sent { get; } = [];

    public IFrameReceiver? Receiver { get; private set; }

    public int Resumes => Volatile.Read(ref _resumes);

    public bool IsDisposed { get; private set; }

    public void Connect(IFrameReceiver receiver) => Receiver = receiver;

    /// <summary>Called on the card's worker before a frame is kept.</summary>
    public Action? OnSend { get; set; }

    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        OnSend?.Invoke();
        Sent.Add((frame.ToArray(), offload));
    }

    public void Resume() => Interlocked.Increment(ref _resumes);

    public void Dispose() => IsDisposed = true;
}
