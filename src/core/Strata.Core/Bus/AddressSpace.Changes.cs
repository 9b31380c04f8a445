using Strata.Core.Execution;
using Strata.Core.Memory;

namespace Strata.Core.Bus;

/// <summary>
/// Changes of the map, and the one notice of them. Every change makes a new <see cref="MemoryMap"/> under a lock; where other RAM or ROM
/// shows than before, everybody who keeps host addresses is told by <see cref="MapChanged"/>.
/// </summary>
public sealed partial class AddressSpace
{
    private readonly Lock _gate = new();
    private GuestMemory[] _known = []; // every memory that was ever mapped; replaced under _gate
    private int _blindWriters;         // under _gate

    /// <summary>
    /// Other RAM or ROM shows than before. Raised under the lock of changes, in their order: handlers must be quick, and take nothing that
    /// somebody holds who changes the map. A vCPU joins the round and acts at its next attention point; on its own thread it acts at once.
    /// </summary>
    public event Action<AddressSpace, AttentionRound>? MapChanged;

    /// <summary><see cref="GuestMemory.CodeWritten"/> of every memory that is or was mapped.</summary>
    public event Action<GuestMemory, ulong>? CodeWritten;

    /// <summary><see cref="GuestMemory.CodeMarked"/> of every memory that is or was mapped.</summary>
    public event Action<GuestMemory, ulong>? CodeMarked;

    /// <summary><see cref="GuestMemory.WritesRevoked"/> of every memory that is or was mapped.</summary>
    public event Action<GuestMemory, AttentionRound>? WritesRevoked;

    /// <summary>Every memory that is or was mapped: engines may keep host addresses and decoded code of it.</summary>
    public ReadOnlySpan<GuestMemory> KnownMemories => Volatile.Read(ref _known);

    /// <summary>Takes regions away and adds others, in one step for whoever reads the map.</summary>
    /// <param name="unmap">Regions of the map; what is none is ignored.</param>
    /// <param name="map">New ones.</param>
    /// <returns>
    /// Whoever has to be sure that no vCPU uses the old map any longer waits for it: on no vCPU's thread, and holding no lock.
    /// </returns>
    /// <exception cref="InvalidOperationException">Two regions of one priority overlap; nothing has changed.</exception>
    public AttentionRound Change(IReadOnlyCollection<MemoryRegion> unmap, IReadOnlyCollection<MemoryRegion> map)
    {
        lock (_gate)
        {
            return Publish(new MemoryMap([.. _current.Regions.Where(region => !unmap.Contains(region)), .. map]));
        }
    }

    /// <summary>Adds a region.</summary>
    /// <exception cref="InvalidOperationException">It overlaps another one of its priority; nothing has changed.</exception>
    public MemoryRegion Map(MemoryRegion region)
    {
        Change([], [region]);
        return region;
    }

    /// <summary>Takes a region away.</summary>
    /// <returns>As <see cref="Change"/>.</returns>
    public AttentionRound Unmap(MemoryRegion region) => Change([region], []);

    /// <summary>Makes bytes of memory visible. Address, offset and length are multiples of 4 KiB.</summary>
    public MemoryRegion MapRam(ulong gpa, GuestMemory memory, ulong offset, ulong length, bool readOnly = false) =>
        Map(readOnly
            ? MemoryRegion.Rom(gpa, memory, offset, length, MemoryRegion.RamPriority)
            : MemoryRegion.Ram(gpa, memory, offset, length));

    /// <summary>Places a device region. RAM wins where both exist.</summary>
    /// <exception cref="InvalidOperationException">It overlaps another device region, or does not end within 64 bits.</exception>
    public void MapDevice(ulong gpa, ulong length, IMmioDevice device)
    {
        if (!TryMapDevice(gpa, length, device))
        {
            throw new InvalidOperationException(
                $"Device region 0x{gpa:x}+0x{length:x} ({device.GetType().Name}) overlaps another one or the end of the address space.");
        }
    }

    /// <summary>Places a device region where a guest asks for it. RAM wins where both exist.</summary>
    /// <param name="gpa">Guest-physical address of the first byte; any alignment.</param>
    /// <param name="length">Bytes, at least 1.</param>
    /// <returns>False, and nothing is mapped, if it overlaps another device region or does not end within 64 bits.</returns>
    public bool TryMapDevice(ulong gpa, ulong length, IMmioDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfZero(length);
        return gpa + length >= gpa && TryMap(MemoryRegion.OfDevice(gpa, length, device));
    }

    /// <summary>Places a region of <see cref="MemoryRegion.DevicePriority"/> where a guest asks for it.</summary>
    /// <returns>False, and nothing is mapped, if it overlaps another one of that priority.</returns>
    public bool TryMap(MemoryRegion region)
    {
        ArgumentNullException.ThrowIfNull(region);
        ArgumentOutOfRangeException.ThrowIfNotEqual(region.Priority, MemoryRegion.DevicePriority, nameof(region));
        lock (_gate)
        {
            if (!IsFree(region.Start, region.Length))
            {
                return false;
            }

            Publish(new MemoryMap([.. _current.Regions, region]));
            return true;
        }
    }

    /// <summary>True if no device region overlaps the range now, and it ends within 64 bits.</summary>
    public bool IsFree(ulong gpa, ulong length) =>
        gpa + length >= gpa
        && !_current.Regions.Any(region => region.Priority == MemoryRegion.DevicePriority && region.Overlaps(gpa, length));

    /// <summary>Removes the region that <paramref name="device"/> has at exactly <paramref name="gpa"/>, if there is one.</summary>
    public void UnmapDevice(ulong gpa, IMmioDevice device)
    {
        lock (_gate)
        {
            Publish(new MemoryMap([.. _current.Regions.Where(
                region => region.Kind != RegionKind.Device || region.Start != gpa || !ReferenceEquals(region.Device, device))]));
        }
    }

    /// <summary>See <see cref="GuestMemory.BlindWriters"/>: somebody writes so to every memory, those mapped later too.</summary>
    public void AddBlindWriter() => CountBlindWriters(1);

    public void RemoveBlindWriter() => CountBlindWriters(-1);

    private void CountBlindWriters(int change)
    {
        lock (_gate)
        {
            _blindWriters += change;
            Array.ForEach(_known, memory => memory.AddBlindWriters(change));
        }
    }

    /// <summary>Under <see cref="_gate"/>.</summary>
    private AttentionRound Publish(MemoryMap map)
    {
        foreach (MapRange range in map.Memory)
        {
            Know(range.Memory!);
        }

        AttentionRound round = new();
        bool isSame = map.ShowsSameMemory(_current);
        _current = map;
        if (!isSame)
        {
            MapChanged?.Invoke(this, round);
        }

        return round;
    }

    /// <summary>Engines hear of a memory before they can find its pages.</summary>
    private void Know(GuestMemory memory)
    {
        if (_known.Contains(memory))
        {
            return;
        }

        memory.CodeWritten += (source, page) => CodeWritten?.Invoke(source, page);
        memory.CodeMarked += (source, page) => CodeMarked?.Invoke(source, page);
        memory.WritesRevoked += (source, round) => WritesRevoked?.Invoke(source, round);
        memory.AddBlindWriters(_blindWriters);
        Volatile.Write(ref _known, [.. _known, memory]);
    }
}
