using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Strata.Core.Bus;
using Strata.Virtio.Queue;

namespace Strata.Virtio;

/// <summary>
/// A virtio device without its transport. Virtual I/O Device (VIRTIO) 1.2, "Basic Facilities of a Virtio Device".
/// Notifications arrive on vCPU threads and must return quickly: work is done by the device's own threads. Each of these workers serves
/// its share of the queues under its own lock, so that requests stay in order in a queue, and queues do not wait for each other.
/// </summary>
public abstract partial class VirtioDevice : IDisposable
{
    /// <summary>VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX and VIRTIO_F_VERSION_1.</summary>
    public const ulong CommonFeatures = (1UL << 28) | EventIndexFeature | Version1Feature;

    public const ulong EventIndexFeature = 1UL << 29;
    public const ulong Version1Feature = 1UL << 32;

    /// <summary>Most queues for data of one direction, however many processors a machine has.</summary>
    public const int MostParallelQueues = 8;

    private readonly QueueWorker[] _workers;
    private readonly int _queuesPerWorker;
    private volatile bool _disposed;

    /// <param name="name">Of its worker's thread; further ones have a number behind it.</param>
    /// <param name="workers">Threads, each for a group of queues in turn.</param>
    /// <param name="queuesPerWorker">Size of a group: neighbouring queues that one worker serves.</param>
    protected VirtioDevice(AddressSpace memory, int queues, string name, int workers = 1, int queuesPerWorker = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(workers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(queuesPerWorker);
        Memory = memory;
        Queues = [.. Enumerable.Range(0, queues).Select(_ => new VirtQueue(memory))];
        _queuesPerWorker = queuesPerWorker;
        _workers = new QueueWorker[workers];
        for (int i = 0; i < workers; i++)
        {
            int number = i;
            _workers[i] = new QueueWorker(
                i == 0 ? name : $"{name}-{i}", [.. Enumerable.Range(0, queues).Where(queue => WorkerOf(queue) == number)], DrainOf);
        }
    }

    /// <summary>Device type, as in the specification's table "Device Types".</summary>
    public abstract ushort DeviceType { get; }

    /// <summary>Features beyond <see cref="CommonFeatures"/>.</summary>
    public virtual ulong Features => 0;

    /// <summary>24-bit PCI class code.</summary>
    public abstract uint ClassCode { get; }

    /// <summary>The device-specific configuration, read-only for the guest.</summary>
    public abstract ReadOnlySpan<byte> Configuration { get; }

    /// <summary>The driver wrote to the device-specific configuration. vCPU thread, without any lock; most devices ignore it.</summary>
    /// <param name="offset">Bytes; anything the guest likes.</param>
    public virtual void WriteConfiguration(int offset, AccessWidth width, ulong value)
    {
    }

    public IReadOnlyList<VirtQueue> Queues { get; }

    /// <summary>The lock over the first worker's queues: over all, for a device with one worker.</summary>
    protected Lock Gate => _workers[0].Gate;

    /// <summary>
    /// Requests are served inside <see cref="Notify(int)"/>, at the instruction that rang, and there is no worker: for deterministic
    /// machines. Set before <see cref="Start"/>.
    /// </summary>
    public bool IsSynchronous { get; set; }

    protected AddressSpace Memory { get; }

    /// <summary>Receives what the device has to report. Set before <see cref="Start"/>.</summary>
    public ILogger Log { get; set; } = NullLogger.Instance;

    /// <summary>Set by the transport: signals a queue's interrupt.</summary>
    public Action<int>? QueueInterrupt { get; set; }

    /// <summary>Set by the transport: the device gave up; the driver has to reset it.</summary>
    public Action<string>? NeedsReset { get; set; }

    /// <summary>Set by the transport: the configuration has changed, the driver should read it again.</summary>
    public Action? ConfigurationChanged { get; set; }

    /// <summary>The features that the driver took; zero until it is ready and after a reset. Written under <see cref="Hold"/>.</summary>
    public ulong DriverFeatures { get; private set; }

    /// <summary>FEATURES_OK stuck: what the driver took, before it is ready. vCPU thread, under <see cref="Hold"/>.</summary>
    public void SetNegotiated(ulong features) => OnNegotiated(features);

    /// <summary>
    /// DRIVER_OK was set or cleared: with what was negotiated, or zero after a reset. vCPU thread, under <see cref="Hold"/>.
    /// </summary>
    public void SetDriver(ulong features)
    {
        DriverFeatures = features;
        OnDriverChanged();
    }

    /// <summary>Keeps all workers from the queues until it is disposed: for the transport, which configures them. Any thread.</summary>
    public QueueHold Hold() => new(_workers);

    /// <summary>Whether the device can work with a set of features that are all offered; if not, FEATURES_OK does not stick.</summary>
    public virtual bool CanWorkWith(ulong features) => true;

    /// <summary>Starts the workers; once.</summary>
    public void Start()
    {
        if (!IsSynchronous)
        {
            Array.ForEach(_workers, worker => worker.Start());
        }
    }

    /// <summary>The driver rang a queue's bell. vCPU thread.</summary>
    /// <param name="queue">Anything the guest likes.</param>
    public void Notify(int queue)
    {
        if (queue < 0 || queue >= Queues.Count)
        {
            return;
        }

        if (IsSynchronous)
        {
            Notify();
        }
        else
        {
            _workers[WorkerOf(queue)].Wake();
        }
    }

    /// <summary>All queues are to be looked at. Any thread.</summary>
    public void Notify()
    {
        foreach (QueueWorker worker in _workers)
        {
            if (IsSynchronous)
            {
                DrainOf(worker);
            }
            else
            {
                worker.Wake();
            }
        }
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Array.ForEach(_workers, worker => worker.Stop());
        Array.ForEach(_workers, worker => worker.Dispose());
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>The driver took these features and may now read the configuration; under <see cref="Hold"/>.</summary>
    protected virtual void OnNegotiated(ulong features)
    {
    }

    /// <summary>The driver became ready or reset the device; under <see cref="Hold"/>, so it must be quick and call no backend.</summary>
    protected virtual void OnDriverChanged()
    {
    }

    /// <summary>Whether chains of a queue can be served now; those of a queue without work wait.</summary>
    protected virtual bool HasWork(int queue) => true;

    /// <summary>Serves one chain on the queue's worker, under <see cref="GateOf"/>.</summary>
    /// <returns>Bytes written into it.</returns>
    protected virtual uint Process(int queue, DescriptorChain chain) => 0;

    protected bool IsDisposed => _disposed;

    /// <summary>The lock over a queue and what belongs to it.</summary>
    protected Lock GateOf(int queue) => _workers[WorkerOf(queue)].Gate;

    private int WorkerOf(int queue) => queue / _queuesPerWorker % _workers.Length;

    private void DrainOf(QueueWorker worker)
    {
        if (!worker.Activity.TryEnter())
        {
            return; // all queues are looked at when the device goes on
        }

        try
        {
            foreach (int queue in worker.Queues)
            {
                if (MustStop)
                {
                    return;
                }

                Drain(queue);
            }
        }
        finally
        {
            worker.Activity.Exit();
        }
    }

    /// <summary>
    /// Serves what a queue holds, on its worker. The default holds <see cref="GateOf"/> over each chain's <see cref="Process"/>.
    /// </summary>
    protected virtual void Drain(int index)
    {
        VirtQueue queue = Queues[index];
        Lock gate = GateOf(index);
        while (!MustStop)
        {
            bool interrupt;
            string? broken;
            if (!HasWork(index))
            {
                return;
            }

            lock (gate)
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
