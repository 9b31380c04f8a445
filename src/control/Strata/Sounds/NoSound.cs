using Strata.Core.Sound;

namespace Strata.Sounds;

/// <summary>Where sound goes that nobody wants to hear.</summary>
internal sealed class NoSound : ISoundSink
{
    public void Write(ReadOnlySpan<short> samples)
    {
    }

    public void Dispose()
    {
    }
}
