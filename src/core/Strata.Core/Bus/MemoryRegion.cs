using Strata.Core.Memory;

namespace Strata.Core.Bus;

/// <summary>What a region of the guest-physical address space is.</summary>
public enum RegionKind
{
    /// <summary>Memory that the guest reads, writes and executes.</summary>
    Ram,

    /// <summary>Memory that the guest reads and executes; writes are ignored, or go to a device, as flash wants.</summary>
    Rom,

    /// <summary>Registers: every access is a call.</summary>
    Device,

    /// <summary>What lies elsewhere, seen here as well. Where nothing lies there, the alias is transparent.</summary>
    Alias,

    /// <summary>Nothing: reads all ones, ignores writes, and hides what has a lower priority.</summary>
    Hole,
}

/// <summary>
/// One region of the guest-physical address space: data, and the handle to take it away again. Where regions overlap, the higher priority
/// shows; two of one priority may not overlap.
/// </summary>
public sealed class MemoryRegion
{
    /// <summary>Priority of device regions that a guest places (PCI BARs): RAM wins where both exist.</summary>
    public const int DevicePriority = -100;

    /// <summary>Priority of a machine's RAM.</summary>
    public const int RamPriority = 0;

    /// <summary>Priority of what lies over RAM: the VGA window, shadowed ROM, flash, holes.</summary>
    public const int OverlayPriority = 100;

    private MemoryRegion(RegionKind kind, ulong start, ulong length, int priority)
    {
        if (length == 0 || start + length < start)
        {
            throw new ArgumentOutOfRangeException(
                nameof(length), $"A region at 0x{start:x} of 0x{length:x} bytes is empty or does not end within 64 bits.");
        }

        (Kind, Start, Length, Priority) = (kind, start, length, priority);
    }

    public RegionKind Kind { get; }

    /// <summary>Guest-physical address of the first byte.</summary>
    public ulong Start { get; }

    /// <summary>Bytes, at least 1.</summary>
    public ulong Length { get; }

    /// <summary>Guest-physical address behind the last byte.</summary>
    public ulong End => Start + Length;

    public int Priority { get; }

    /// <summary>RAM and ROM: where the bytes are.</summary>
    public GuestMemory? Memory { get; private init; }

    /// <summary>RAM and ROM: bytes from the start of <see cref="Memory"/>.</summary>
    public ulong Offset { get; private init; }

    /// <summary>Of a device region; of ROM, whoever is told of writes, or null.</summary>
    public IMmioDevice? Device { get; private init; }

    /// <summary>Aliases: guest-physical address of what is seen in the first byte.</summary>
    public ulong Target { get; private init; }

    /// <param name="gpa">A multiple of 4 KiB, as are <paramref name="offset"/> and <paramref name="length"/>.</param>
    /// <exception cref="ArgumentException">A figure is not page aligned, or the range lies outside of the memory.</exception>
    public static MemoryRegion Ram(ulong gpa, GuestMemory memory, ulong offset, ulong length, int priority = RamPriority) =>
        OfMemory(RegionKind.Ram, gpa, memory, offset, length, priority, null);

    /// <param name="writes">Is told of writes, at offsets into the region; null to ignore them.</param>
    /// <inheritdoc cref="Ram"/>
    public static MemoryRegion Rom(
        ulong gpa, GuestMemory memory, ulong offset, ulong length, int priority = OverlayPriority, IMmioDevice? writes = null) =>
        OfMemory(RegionKind.Rom, gpa, memory, offset, length, priority, writes);

    /// <param name="gpa">Guest-physical address of the first byte; any alignment.</param>
    /// <param name="length">Bytes, at least 1.</param>
    public static MemoryRegion OfDevice(ulong gpa, ulong length, IMmioDevice device, int priority = DevicePriority)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new MemoryRegion(RegionKind.Device, gpa, length, priority) { Device = device };
    }

    /// <param name="target">Guest-physical address of what is to be seen; other aliases are not followed.</param>
    public static MemoryRegion Alias(ulong gpa, ulong length, ulong target, int priority = OverlayPriority)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(target + length, target, nameof(target));
        return new MemoryRegion(RegionKind.Alias, gpa, length, priority) { Target = target };
    }

    public static MemoryRegion Hole(ulong gpa, ulong length, int priority = OverlayPriority) => new(RegionKind.Hole, gpa, length, priority);

    public bool Overlaps(ulong start, ulong length) => start < End && Start < start + length;

    public override string ToString() => $"{Kind} 0x{Start:x}+0x{Length:x} ({Device?.GetType().Name ?? $"priority {Priority}"})";

    private static MemoryRegion OfMemory(
        RegionKind kind, ulong gpa, GuestMemory memory, ulong offset, ulong length, int priority, IMmioDevice? writes)
    {
        ArgumentNullException.ThrowIfNull(memory);
        if (((gpa | offset | length) & GuestMemory.PageMask) != 0 || length == 0 || offset > memory.Size
            || length > memory.Size - offset || gpa + length < gpa)
        {
            throw new ArgumentException($"RAM range 0x{gpa:x}+0x{length:x} is not page aligned or lies outside the memory.");
        }

        return new MemoryRegion(kind, gpa, length, priority) { Memory = memory, Offset = offset, Device = writes };
    }
}
