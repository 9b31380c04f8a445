using System.Buffers.Binary;

namespace Strata.X86.Paravirt;

/// <summary>
/// The records that the monitor keeps in guest memory, little endian, and how they are written. Linux kernel documentation,
/// "KVM-specific MSRs". A version that is odd says that the rest is being changed: readers on other processors try again.
/// <code>
/// clock       0 version (4) | 8 TSC at the reference (8) | 16 ns at the reference (8) | 24 multiplier (4) | 28 shift (1) | 29 flags (1)
/// wall clock  0 version (4) | 4 seconds since 1970 (4)   |  8 ns (4)
/// steal time  0 ns (8)      | 8 version (4)              | 12 flags (4) | 16 preempted (1)
/// pairing     0 seconds since 1970 (8)   |  8 ns (8)              | 16 TSC (8)                  | 24 flags, zeros (40)
/// </code>
/// </summary>
internal static class GuestRecord
{
    public const int ClockSize = 32;
    public const int WallClockSize = 12;
    public const int StealTimeSize = 64;
    public const int ClockPairingSize = 64;

    private const int ClockFlags = 29;
    private const byte ClockIsStable = 1;

    /// <summary>The processor stood still without the guest's doing; the guest clears it.</summary>
    private const byte ClockGuestStopped = 2;

    private const int StealVersion = 8;

    /// <param name="reference">TSC at virtual time zero.</param>
    /// <param name="stable">Processors' clocks never disagree.</param>
    /// <param name="isNew">What lies there is no record yet.</param>
    public static void WriteClock(Span<byte> record, ulong reference, ClockRate rate, bool stable, bool isNew)
    {
        uint version = Open(record);
        int unread = isNew ? 0 : record[ClockFlags] & ClockGuestStopped;
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], 0);
        BinaryPrimitives.WriteUInt64LittleEndian(record[8..], reference);
        BinaryPrimitives.WriteUInt64LittleEndian(record[16..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(record[24..], rate.Multiplier);
        record[28] = (byte)rate.Shift;
        record[ClockFlags] = (byte)((stable ? ClockIsStable : 0) | unread);
        BinaryPrimitives.WriteUInt16LittleEndian(record[30..], 0);
        Close(record, version);
    }

    /// <summary>Says that the processor stood still; a guest's watchdogs ask for it.</summary>
    public static void TellStopped(Span<byte> record)
    {
        uint version = Open(record);
        record[ClockFlags] |= ClockGuestStopped;
        Close(record, version);
    }

    /// <param name="origin">Wall time at virtual time zero, UTC; its seconds are kept modulo 2^32.</param>
    public static void WriteWallClock(Span<byte> record, DateTime origin)
    {
        long ticks = (origin - DateTime.UnixEpoch).Ticks;
        uint version = Open(record);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], (uint)Math.DivRem(ticks, TimeSpan.TicksPerSecond, out long rest));
        BinaryPrimitives.WriteUInt32LittleEndian(record[8..], (uint)(rest * TimeSpan.NanosecondsPerTick));
        Close(record, version);
    }

    /// <summary>Has no version: the guest waits for it.</summary>
    public static void WriteClockPairing(Span<byte> record, DateTime time, ulong tsc)
    {
        long ticks = (time - DateTime.UnixEpoch).Ticks;
        record.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(record, Math.DivRem(ticks, TimeSpan.TicksPerSecond, out long rest));
        BinaryPrimitives.WriteInt64LittleEndian(record[8..], rest * TimeSpan.NanosecondsPerTick);
        BinaryPrimitives.WriteUInt64LittleEndian(record[16..], tsc);
    }

    /// <param name="nanoseconds">Added to what the record says.</param>
    public static void AddStealTime(Span<byte> record, ulong nanoseconds)
    {
        uint version = Open(record[StealVersion..]);
        ulong before = BinaryPrimitives.ReadUInt64LittleEndian(record);
        BinaryPrimitives.WriteUInt64LittleEndian(record, before + nanoseconds);
        Close(record[StealVersion..], version);
    }

    /// <summary>Makes a version odd, whatever a guest left there.</summary>
    private static uint Open(Span<byte> version)
    {
        uint odd = BinaryPrimitives.ReadUInt32LittleEndian(version) | 1;
        BinaryPrimitives.WriteUInt32LittleEndian(version, odd);
        Thread.MemoryBarrier();
        return odd;
    }

    private static void Close(Span<byte> version, uint odd)
    {
        Thread.MemoryBarrier();
        BinaryPrimitives.WriteUInt32LittleEndian(version, odd + 1);
    }
}
