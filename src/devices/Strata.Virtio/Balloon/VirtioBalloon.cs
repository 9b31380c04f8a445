using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Balloon;

/// <summary>
/// virtio-balloon: gives guest memory back to the host. Virtual I/O Device (VIRTIO) 1.2, "Traditional Memory Balloon Device". The
/// balloon holds pages that the host asks for; free page reporting returns free ones without being asked.
/// <code>
/// configuration: 0 pages wanted (32)  4 pages held, written by the driver (32)
/// </code>
/// </summary>
public sealed partial class VirtioBalloon : VirtioDevice<VirtioBalloonState>
{
    private const ulong FeatureStatistics = 1 << 1;
    private const ulong FeatureDeflateOnOutOfMemory = 1 << 2;
    private const ulong FeatureReporting = 1 << 5;
    private const int InflateQueue = 0;
    private const int DeflateQueue = 1;
    private const int StatisticsQueue = 2;
    private const int ActualOffset = 4;
    private const int StatisticSize = 10;
    private const int MostStatistics = 64;
    private const int PageNumbers = 1024;

    private readonly byte[] _configuration = new byte[8]; // each half is written whole: by the host, by the driver
    private readonly uint[] _pages = new uint[PageNumbers];
    private DescriptorChain? _statisticsBuffer; // under Gate: kept until the host asks
    private bool _wantsStatistics; // under Gate
    private bool _hasEnded; // under Gate
    private TaskCompletionSource<GuestMemoryStatistics>? _statistics; // under Gate
    private long _returned;
    private volatile uint _wantedPages; // by the host; shown to the guest while the device is not quiesced

    public VirtioBalloon(AddressSpace memory)
        : base(memory, queues: 5, "strata-balloon")
    {
    }

    public override ushort DeviceType => 5;

    public override uint ClassCode => 0x00FF00;

    public override ulong Features => FeatureStatistics | FeatureDeflateOnOutOfMemory | FeatureReporting;

    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <summary>Bytes that the balloon holds, as the driver says.</summary>
    public ulong HeldBytes => BinaryPrimitives.ReadUInt32LittleEndian(_configuration.AsSpan(ActualOffset)) * GuestMemory.PageSize;

    /// <summary>Bytes that the host should get, rounded down to pages. The guest takes its time, and gives what it can spare.</summary>
    public ulong WantedBytes
    {
        get => _wantedPages * GuestMemory.PageSize;
        set
        {
            _wantedPages = (uint)Math.Min(value >> GuestMemory.PageShift, uint.MaxValue);
            ShowWanted();
        }
    }

    /// <summary>
    /// Bytes that were given back to the host so far, by the balloon and by reports; the guest may have taken them again.
    /// </summary>
    public long ReturnedBytes => Interlocked.Read(ref _returned);

    /// <summary>Asks the guest's driver about the guest's memory; waits until there is one.</summary>
    /// <exception cref="IOException">The machine has ended.</exception>
    public Task<GuestMemoryStatistics> GetStatisticsAsync(CancellationToken cancellationToken = default)
    {
        Task<GuestMemoryStatistics> task;
        lock (Gate)
        {
            if (_hasEnded)
            {
                throw Ended();
            }

            _wantsStatistics = true;
            _statistics ??= new TaskCompletionSource<GuestMemoryStatistics>(TaskCreationOptions.RunContinuationsAsynchronously);
            task = _statistics.Task;
        }

        Notify();
        return task.WaitAsync(cancellationToken);
    }

    /// <summary>The driver says how many pages the balloon holds.</summary>
    public override void WriteConfiguration(int offset, AccessWidth width, ulong value)
    {
        if (offset == ActualOffset && width == AccessWidth.Dword)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(ActualOffset), (uint)value);
        }
    }

    protected override void OnDriverChanged()
    {
        if (DriverFeatures == 0)
        {
            _statisticsBuffer = null;
            BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(ActualOffset), 0);
        }
    }

    protected override void Dispose(bool disposing)
    {
        lock (Gate)
        {
            _hasEnded = true;
            _statistics?.TrySetException(Ended());
        }

        base.Dispose(disposing);
    }

    /// <summary>Tells the driver what the host wishes, if it does not know it.</summary>
    private void ShowWanted()
    {
        if (!TryEnter())
        {
            return;
        }

        try
        {
            bool changed;
            lock (Gate)
            {
                uint wanted = _wantedPages;
                changed = BinaryPrimitives.ReadUInt32LittleEndian(_configuration) != wanted;
                BinaryPrimitives.WriteUInt32LittleEndian(_configuration, wanted);
            }

            if (changed)
            {
                ConfigurationChanged?.Invoke();
            }
        }
        finally
        {
            Leave();
        }
    }

    private static IOException Ended() => new("The machine has ended.");

    /// <summary>The statistics queue keeps the driver's buffer: returning it is the question, the next buffer the answer.</summary>
    protected override void Drain(int index)
    {
        if (index != StatisticsQueue || !HasStatistics)
        {
            base.Drain(index);
            return;
        }

        string? broken;
        bool interrupt;
        lock (Gate)
        {
            VirtQueue queue = Queues[index];
            if (queue.Take() is { } chain)
            {
                _statisticsBuffer = chain;
                Answer(chain);
            }

            if (_statisticsBuffer is { } buffer && _wantsStatistics)
            {
                _statisticsBuffer = null;
                _wantsStatistics = false;
                queue.Complete(buffer, 0);
            }

            interrupt = queue.ShouldInterrupt();
            broken = queue.BrokenReason;
        }

        if (interrupt)
        {
            QueueInterrupt?.Invoke(index);
        }

        if (broken is not null)
        {
            NeedsReset?.Invoke(broken);
        }
    }

    /// <summary>Queues that a feature brings are numbered without gaps by drivers, so a missing one moves the next forward.</summary>
    protected override uint Process(int queue, DescriptorChain chain)
    {
        switch (queue)
        {
            case InflateQueue:
                Inflate(chain);
                break;
            case DeflateQueue:
                break; // the pages come back when the guest touches them
            default:
                Report(chain);
                break;
        }

        return 0;
    }

    private bool HasStatistics => (DriverFeatures & FeatureStatistics) != 0;

    /// <summary>The chain holds page numbers of 32 bits.</summary>
    private void Inflate(DescriptorChain chain)
    {
        ChainReader reader = new(Memory, chain);
        Span<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(_pages.AsSpan());
        while (reader.TryRead(bytes, out int count) && count >= sizeof(uint))
        {
            Span<uint> pages = _pages.AsSpan(0, count / sizeof(uint));
            pages.Sort();
            for (int first = 0, next; first < pages.Length; first = next)
            {
                next = first + 1;
                while (next < pages.Length && pages[next] - pages[next - 1] <= 1)
                {
                    next++;
                }

                Discard(pages[first] * GuestMemory.PageSize, (pages[next - 1] - pages[first] + 1UL) * GuestMemory.PageSize);
            }
        }
    }

    /// <summary>The chain's buffers are the free pages themselves; the guest does not use them until the chain comes back.</summary>
    private void Report(DescriptorChain chain)
    {
        foreach (GuestBuffer buffer in chain.Buffers)
        {
            if (buffer.IsWritable)
            {
                Discard(buffer.Address, buffer.Length);
            }
        }
    }

    private void Discard(ulong address, ulong length)
    {
        if (Memory.TryDiscard(address, length))
        {
            Interlocked.Add(ref _returned, (long)length);
        }
    }

    /// <summary>
    /// A buffer of the statistics queue: tags of 16 bits, each with a value of 64. Under <see cref="VirtioDevice.Gate"/>.
    /// </summary>
    private void Answer(DescriptorChain chain)
    {
        if (_statistics is null || _wantsStatistics)
        {
            return; // nobody asked yet: the driver's first buffer
        }

        ChainReader reader = new(Memory, chain);
        Span<byte> bytes = stackalloc byte[StatisticSize * MostStatistics];
        if (!reader.TryRead(bytes, out int count))
        {
            return;
        }

        ulong?[] values = new ulong?[10];
        for (int at = 0; at + StatisticSize <= count; at += StatisticSize)
        {
            ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);
            if (tag < values.Length)
            {
                values[tag] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(at + 2)..]);
            }
        }

        _statistics.TrySetResult(new GuestMemoryStatistics
        {
            SwappedIn = values[0],
            SwappedOut = values[1],
            MajorFaults = values[2],
            MinorFaults = values[3],
            Free = values[4],
            Total = values[5],
            Available = values[6],
            DiskCaches = values[7],
        });
        _statistics = null;
    }
}
