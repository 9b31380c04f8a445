using Strata.Core.Bus;
using Strata.Virtio.Queue;

namespace Strata.Virtio;

/// <summary>
/// A virtio device without its transport. Virtual I/O Device (VIRTIO) 1.2, "Basic Facilities of a Virtio Device".
/// Notifications arrive on vCPU threads and must return quickly: work is done by the device's own thread.
/// </summary>
public abstract class VirtioDevice : IDisposable
{
    /// <summary>VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX and VIRTIO_F_VERSION_1.</summary>
    public const ulong CommonFeatures = (1UL << 28) | EventIndexFeature | Version1Feature;

    public const ulong EventIndexFeature = 1UL << 29;
    public const ulong Version1Feature = 1UL << 32;

    private readonly AutoResetEvent _work = new(initialState: false);
    private readonly Thread _thread;
    private volatile bool _disposed;

    protected VirtioDevice(AddressSpace memory, int queues, string name)
    {
        Memory = memory;
        Queues = [.. Enumerable.Range(0, queues).Select(_ => new VirtQueue(memory))];
        _thread = new Thread(Work) { IsBackground = true, Name = name };
    }

    /// <summary>Device type, as in the specification's table "Device Types".</summary>
    public abstract ushort DeviceType { get; }

    /// <summary>Features beyond <see cref="CommonFeatures"/>.</summary>
    public virtual ulong Features => 0;

    /// <summary>24-bit PCI class code.</summary>
    public abstract uint ClassCode { get; }

    /// <summary>The device-specific configuration, read-only for the guest.</summary>
    public abstract ReadOnlySpan<byte> Configuration { get; }

    public IReadOnlyList<VirtQueue> Queues { get; }

    /// <summary>Held by whoever touches the queues: the worker while it processes, the transport while it configures.</summary>
    public Lock Gate { get; } = new();

    protected AddressSpace Memory { get; }

    /// <summary>Set by the transport: signals a queue's interrupt.</summary>
    public Action<int>? QueueInterrupt { get; set; }

    /// <summary>Set by the transport: the device gave up; the driver has to reset it.</summary>
    public Action<string>? NeedsReset { get; set; }

    /// <summary>Starts the worker; once.</summary>
    public void Start() => _thread.Start();

    /// <summary>The driver rang. vCPU thread.</summary>
    public void Notify() => _work.Set();

    /// <summary>The driver resets the device: what belongs to the old driver is forgotten. Under <see cref="Gate"/>.</summary>
    internal void Reset()
    {
        foreach (VirtQueue queue in Queues)
        {
            queue.Reset();
        }

        OnReset();
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _work.Set();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        Dispose(disposing: true); // the event stays: other threads may still notify
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>Hook of a reset, under <see cref="Gate"/>.</summary>
    protected virtual void OnReset()
    {
    }

    /// <summary>Whether chains of a queue can be served now; those of a queue without work wait.</summary>
    protected virtual bool HasWork(int queue) => true;

    /// <summary>Serves one chain on the worker.</summary>
    /// <returns>Bytes written into it.</returns>
    protected abstract uint Process(int queue, DescriptorChain chain);

    private void Work()
    {
        while (!_disposed)
        {
            _work.WaitOne();
            for (int i = 0; i < Queues.Count && !_disposed; i++)
            {
                Drain(i);
            }
        }
    }

    private void Drain(int index)
    {
        VirtQueue queue = Queues[index];
        while (!_disposed)
        {
            bool interrupt;
            string? broken;
            if (!HasWork(index))
            {
                return;
            }

            lock (Gate)
            {
                DescriptorChain? chain = queue.Take();
                broken = queue.BrokenReason;
                if (chain is null && broken is null)
                {
                    return;
                }

                if (chain is not null)
                {
                    queue.Complete(chain, Process(index, chain));
                }

                interrupt = queue.ShouldInterrupt();
            }

            if (interrupt)
            {
                QueueInterrupt?.Invoke(index);
            }

            if (broken is not null)
            {
                NeedsReset?.Invoke(broken);
                return;
            }
        }
    }
}
