using Strata.Core.State;

namespace Strata.X86.Paravirt;

/// <summary>Where a processor's guest has placed records. The records themselves are guest memory.</summary>
public sealed class ParavirtState : IStateRecord<ParavirtState>
{
    public static ushort Version => 1;

    /// <summary><see cref="ParavirtMsr.SystemTime"/>, whichever of the two numbers it was written by.</summary>
    public required ulong SystemTime { get; set; }

    /// <summary><see cref="ParavirtMsr.WallClock"/>.</summary>
    public required ulong WallClock { get; set; }

    /// <summary><see cref="ParavirtMsr.StealTime"/>.</summary>
    public required ulong StealTime { get; set; }

    /// <summary><see cref="ParavirtMsr.EndOfInterrupt"/>.</summary>
    public required ulong EndOfInterrupt { get; set; }

    public static ParavirtState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new ParavirtState
        {
            SystemTime = reader.Read<ulong>(nameof(SystemTime)),
            WallClock = reader.Read<ulong>(nameof(WallClock)),
            StealTime = reader.ReadBits(nameof(StealTime), ~ParavirtMsr.StealTimeReserved),
            EndOfInterrupt = reader.ReadBits(nameof(EndOfInterrupt), ~ParavirtMsr.EndOfInterruptReserved),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(SystemTime);
        writer.Write(WallClock);
        writer.Write(StealTime);
        writer.Write(EndOfInterrupt);
    }
}
