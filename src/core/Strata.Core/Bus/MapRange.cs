using Strata.Core.Memory;

namespace Strata.Core.Bus;

/// <summary>A piece of the address space in which one region shows.</summary>
/// <param name="Start">Guest-physical address of the first byte.</param>
/// <param name="End">Behind the last one.</param>
/// <param name="Kind">No alias: what it shows instead.</param>
/// <param name="Memory">Of RAM and ROM.</param>
/// <param name="Offset">Of RAM and ROM: bytes from the start of <paramref name="Memory"/> to the first byte.</param>
/// <param name="Device">Of devices, and of ROM that wants to hear of writes.</param>
/// <param name="DeviceOffset">What the device sees for the first byte.</param>
public readonly record struct MapRange(
    ulong Start, ulong End, RegionKind Kind, GuestMemory? Memory, ulong Offset, IMmioDevice? Device, ulong DeviceOffset)
{
    public ulong Length => End - Start;

    public bool IsMemory => Kind is RegionKind.Ram or RegionKind.Rom;

    /// <summary>The part of the range between two addresses in it.</summary>
    internal MapRange Cut(ulong start, ulong end) => this with
    {
        Start = start,
        End = end,
        Offset = Offset + (start - Start),
        DeviceOffset = DeviceOffset + (start - Start),
    };

    /// <summary>The same somewhere else.</summary>
    internal MapRange At(ulong start) => this with { Start = start, End = start + Length };

    /// <summary>Whether <paramref name="next"/> goes on where this ends, so that both are one range.</summary>
    internal bool IsContinuedBy(in MapRange next) =>
        End == next.Start && Kind == next.Kind && ReferenceEquals(Memory, next.Memory) && ReferenceEquals(Device, next.Device)
        && (Memory is null || Offset + Length == next.Offset) && (Device is null || DeviceOffset + Length == next.DeviceOffset);
}
