namespace Strata.Core.Sound;

/// <summary>Where a machine's sound goes: 48,000 frames a second of two samples, left and right, 16 bits each.</summary>
public interface ISoundSink : IDisposable
{
    /// <summary>Frames a second.</summary>
    const int Rate = 48_000;

    /// <summary>
    /// Takes frames as they are played; silence between sounds is left out. Comes on clocks' and processors' threads, and does not block.
    /// </summary>
    /// <param name="samples">Left and right in turn.</param>
    void Write(ReadOnlySpan<short> samples);
}
