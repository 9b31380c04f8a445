namespace Strata.Networking.Switching;

/// <summary>What one direction of a link does to frames.</summary>
public sealed record LinkConditions
{
    /// <summary>A perfect link.</summary>
    public static LinkConditions Perfect { get; } = new();

    /// <summary>How long each frame travels.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The share of frames that is lost, 0..1.</summary>
    public double Loss { get; init; }

    /// <summary>Which frames are lost: the same seed loses the same ones.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Most bytes a second; 0 for no limit.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>Bytes that wait for their turn; what comes on top is dropped.</summary>
    public int QueueBytes { get; init; } = 1 << 20;

    internal bool IsImmediate => Delay <= TimeSpan.Zero && BytesPerSecond <= 0;

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Check()
    {
        if (Delay < TimeSpan.Zero || Delay > TimeSpan.FromMinutes(1) || !(Loss >= 0 && Loss <= 1) || BytesPerSecond < 0 || QueueBytes < 0)
        {
            throw new ArgumentException("A link delays by 0 to 60 seconds, loses a share of 0 to 1 and has no negative rate or queue.");
        }
    }
}
