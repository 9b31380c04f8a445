using Strata.Core.State;

namespace Strata.Core.Time;

/// <summary>Bounds of virtual time in saved state: within them, sums and differences of two times do not overflow.</summary>
public static class VirtualTime
{
    /// <summary>The latest time that a machine can have reached, in ns: 73 years.</summary>
    public const long Latest = long.MaxValue / 4;

    /// <summary>The deadline of what is not going to happen.</summary>
    public const long Never = long.MaxValue;

    /// <summary>A time of the past or the future, which may lie before the machine's start.</summary>
    public static long ReadTime(this StateReader reader, string field)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return reader.Read(field, -Latest, Latest);
    }

    /// <summary>A time, or <see cref="Never"/>.</summary>
    public static long ReadDeadline(this StateReader reader, string field)
    {
        ArgumentNullException.ThrowIfNull(reader);
        long value = reader.Read<long>(field);
        return value is Never or (>= -Latest and <= Latest) ? value : throw reader.Refuse(field, $"is {value}, no virtual time");
    }

    /// <summary>Arms a timer, or disarms it for <see cref="Never"/>.</summary>
    public static void ArmOrDisarm(this IVirtualTimer timer, long deadline)
    {
        ArgumentNullException.ThrowIfNull(timer);
        if (deadline == Never)
        {
            timer.Disarm();
        }
        else
        {
            timer.Arm(deadline);
        }
    }
}
