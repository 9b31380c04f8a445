using Strata.Core.Networking;

namespace Strata.Devices.Tests.Harness;

/// <summary>A network that remembers what a card sends.</summary>
internal sealed class RecordingNetwork : INetworkBackend
{
    public List<byte[]> Sent { get; } = [];

    public int Resumes { get; private set; }

    public bool IsDisposed { get; private set; }

    public IFrameReceiver? Card { get; private set; }

    public FrameFeatures Accepts => FrameFeatures.None;

    public void Connect(IFrameReceiver receiver) => Card = receiver;

    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        lock (Sent)
        {
            Sent.Add(frame.ToArray());
        }
    }

    public void Resume() => Resumes++;

    public void Dispose() => IsDisposed = true;
}
