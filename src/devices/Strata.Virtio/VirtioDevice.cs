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

    /// <summary>The driver wrote to the device-specific configuration. vCPU thread, without <see cref="Gate"/>; most devices ignore it.</summary>
    /// <param name="offset">Bytes; anything the guest likes.</param>
    public virtual void WriteConfiguration(int offset, AccessWidth width, ulong value)
    {
    }

    public IReadOnlyList<VirtQueue> Queues { get; }

    /// <summary>Held by whoever touches the queues: the worker while it processes, the transport while it configures.</summary>
    public Lock Gate { get; } = new();

    /// <summary>
    /// Requests are served inside <see cref="Notify"/>, at the instruction that rang, and there is no worker: for deterministic
    /// machines. Set before <see cref="Start"/>.
    /// </summary>
    public bool IsSynchronous { get; set; }

    protected AddressSpace Memory { get; }

    /// <summary>Set by the transport: signals a queue's interrupt.</summary>
    public Action<int>? QueueInterrupt { get; set; }

    /// <summary>Set by the transport: the device gave up; the driver has to reset it.</summary>
    public Action<string>? NeedsReset { get; set; }

    /// <summary>Set by the transport: the configuration has changed, the driver should read it again.</summary>
    public Action? ConfigurationChanged { get; set; }

    /// <summary>The features that the driver took; zero until it is ready and after a reset. Written under <see cref="Gate"/>.</summary>
    public ulong DriverFeatures { get; private set; }

    /// <summary>DRIVER_OK was set or cleared: with what was negotiated, or zero after a reset. vCPU thread, under <see cref="Gate"/>.</summary>
    public void SetDriver(ulong features)
    {
        DriverFeatures = features;
        OnDriverChanged();
    }

    /// <summary>Starts the worker; once.</summary>
    public void Start()
    {
        if (!IsSynchronous)
        {
            _thread.Start();
        }
    }

    /// <summary>The driver rang. vCPU thread.</summary>
    public void Notify()
    {
        if (IsSynchronous)
        {
            DrainAll();
        }
        else
        {
            _work.Set();
        }
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

    /// <summary>The driver became ready or reset the device; under <see cref="Gate"/>, so it must be quick and call no backend.</summary>
    protected virtual void OnDriverChanged()
    {
    }

    /// <summary>Whether chains of a queue can be served now; those of a queue without work wait.</summary>
    protected virtual bool HasWork(int queue) => true;

    /// <summary>Serves one chain on the worker, under <see cref="Gate"/>.</summary>
    /// <returns>Bytes written into it.</returns>
    protected virtual uint Process(int queue, DescriptorChain chain) => 0;

    protected bool IsDisposed => _disposed;

    private void Work()
    {
        while (!_disposed)
        {
            _work.WaitOne();
            DrainAll();
        }
    }

    private void DrainAll()
    {
        for (int i = 0; i < Queues.Count && !_disposed; i++)
        {
            Drain(i);
        }
    }

    /// <summary>Serves what a queue holds, on the worker. The default holds <see cref="Gate"/> over each chain's <see cref="Process"/>.</summary>
    protected virtual void Drain(int index)
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
