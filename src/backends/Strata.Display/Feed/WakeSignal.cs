using System.Threading.Channels;

namespace Strata.Display.Feed;

/// <summary>Wakes one waiter; several calls before it looks count as one. Safe on any thread, and never blocks.</summary>
public sealed class WakeSignal
{
    private readonly Channel<byte> _set = Channel.CreateBounded<byte>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Set() => _set.Writer.TryWrite(0);

    public ValueTask<byte> WaitAsync(CancellationToken cancellationToken) => _set.Reader.ReadAsync(cancellationToken);
}
