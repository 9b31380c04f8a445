using System.Runtime.InteropServices;
using Strata.Core.Sound;
using Strata.Core.Time;

namespace Strata.Devices.Sound;

/// <summary>
/// The PC's speaker and a sound card in one stream. The speaker is heard while a tone drives it, and for a moment behind each change of a
/// level, as programs play that move it themselves. While the card plays, what it gives sets the pace, and the speaker is added to it.
/// All members are safe on any thread; the lock comes behind those of devices.
/// </summary>
public sealed class SoundMixer : ISoundSink
{
    private const long Second = 1_000_000_000;

    /// <summary>A quarter of full scale: a tone beside music.</summary>
    private const short Loudness = 8000;

    /// <summary>How often a tone is written, and how long a card may be silent while it plays: longer than its largest buffer.</summary>
    private const long Pace = 50_000_000;
    private const long CardPatience = Second;

    /// <summary>How long a level is heard that has just changed.</summary>
    private const long Echo = 20_000_000;

    /// <summary>Frames of the speaker that wait for the card at the most.</summary>
    private const int MostWaiting = 2 * ISoundSink.Rate;

    private readonly IVirtualClock _clock;
    private readonly ISoundSink _sink;
    private readonly IVirtualTimer _timer;

    // Under _gate
    private readonly Lock _gate = new();
    private readonly List<short> _waiting = []; // of the speaker, not written yet
    private short[] _frames = new short[4096];
    private SpeakerWave _wave;
    private long _changed = long.MinValue / 2; // when the wave did
    private long _until; // what comes before has been drawn
    private long _cardPlayed = long.MinValue / 2; // when the card last gave something

    /// <param name="sink">Where the sound goes; disposed with the mixer.</param>
    public SoundMixer(IVirtualClock clock, ISoundSink sink)
    {
        ArgumentNullException.ThrowIfNull(clock);
        (_clock, _sink) = (clock, sink);
        _timer = clock.CreateTimer(OnTime);
    }

    /// <summary>What the speaker does from now on.</summary>
    public void Drive(in SpeakerWave wave)
    {
        lock (_gate)
        {
            if (wave == _wave)
            {
                return;
            }

            Draw();
            _wave = wave;
            _changed = _clock.Now;
            WriteAlone();
            Arm();
        }
    }

    /// <summary>The card's frames.</summary>
    public void Write(ReadOnlySpan<short> samples)
    {
        lock (_gate)
        {
            _cardPlayed = _clock.Now;
            Draw();
            int count = Math.Min(samples.Length / 2, _waiting.Count);
            if (count == 0)
            {
                _sink.Write(samples);
                return;
            }

            Span<short> mixed = Frames(samples.Length);
            samples.CopyTo(mixed);
            for (int i = 0; i < count; i++)
            {
                mixed[2 * i] = Add(mixed[2 * i], _waiting[i]);
                mixed[(2 * i) + 1] = Add(mixed[(2 * i) + 1], _waiting[i]);
            }

            _waiting.RemoveRange(0, count);
            _sink.Write(mixed);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        lock (_gate)
        {
            WriteWaiting();
        }

        _sink.Dispose();
    }

    private bool IsHeard(long now) => _wave.IsTone || now - _changed < Echo;

    private static short Add(short a, short b) => (short)Math.Clamp(a + b, short.MinValue, short.MaxValue);

    private Span<short> Frames(int samples)
    {
        _frames = _frames.Length < samples ? new short[samples] : _frames;
        return _frames.AsSpan(0, samples);
    }

    /// <summary>Draws the wave up to now; silence is left out.</summary>
    private void Draw()
    {
        long now = _clock.Now;
        long end = _wave.IsTone ? now : Math.Min(now, _changed + Echo);
        long frames = Math.Min((long)((Int128)Math.Max(end - _until, 0) * ISoundSink.Rate / Second), MostWaiting - _waiting.Count);
        for (long i = 0; i < frames; i++)
        {
            _waiting.Add(_wave.IsOut(_until + (i * Second / ISoundSink.Rate)) ? Loudness : (short)-Loudness);
        }

        // A part of a frame is left for the next time, unless there was silence.
        long drawn = _until + (frames * Second / ISoundSink.Rate);
        _until = end == now && now - drawn < Second / ISoundSink.Rate ? drawn : now;
    }

    private void WriteAlone()
    {
        if (_clock.Now - _cardPlayed > CardPatience)
        {
            WriteWaiting();
        }
    }

    private void WriteWaiting()
    {
        if (_waiting.Count == 0)
        {
            return;
        }

        Span<short> both = Frames(_waiting.Count * 2);
        ReadOnlySpan<short> one = CollectionsMarshal.AsSpan(_waiting);
        for (int i = 0; i < one.Length; i++)
        {
            both[2 * i] = both[(2 * i) + 1] = one[i];
        }

        _waiting.Clear();
        _sink.Write(both);
    }

    private void Arm()
    {
        if (IsHeard(_clock.Now) || _waiting.Count > 0)
        {
            _timer.Arm(_clock.Now + Pace);
        }
        else
        {
            _timer.Disarm();
        }
    }

    private void OnTime()
    {
        lock (_gate)
        {
            Draw();
            WriteAlone();
            Arm();
        }
    }
}
