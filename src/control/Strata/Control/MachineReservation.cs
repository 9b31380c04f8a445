using System.Net.Sockets;

namespace Strata.Control;

/// <summary>A name that a machine has, and the socket behind it. Disposing gives the name back.</summary>
public sealed class MachineReservation : IAsyncDisposable
{
    private readonly MachineRegistry _registry;
    private bool _disposed;

    internal MachineReservation(MachineRegistry registry, string name, string image, Socket listener)
    {
        _registry = registry;
        Name = name;
        Image = image;
        Listener = listener;
    }

    public string Name { get; }

    /// <summary>What the machine runs.</summary>
    public string Image { get; }

    internal Socket Listener { get; }

    public async ValueTask DisposeAsync()
    {
        if (!Interlocked.Exchange(ref _disposed, true))
        {
            await _registry.CloseAsync(Listener).ConfigureAwait(false);
        }
    }
}
