using Strata.Core.Sound;
using Strata.Core.Time;
using Strata.Devices.Sound;
using Strata.Devices.Tests.Harness;
using Strata.Devices.Timers;

namespace Strata.Devices.Tests.Sound;

/// <summary>The PC's speaker: channel 2 of the 8254 and port 61h, alone and beside a card.</summary>
public sealed class SoundMixerTests : IDisposable
{
    private const long Millisecond = 1_000_000;
    private const int FramesOfAMillisecond = ISoundSink.Rate / 1000;
    private const short Loudness = 8000;

    private readonly ManualClock _clock = new();
    private readonly Recorder _recorder = new();
    private readonly SoundMixer _mixer;
    private readonly Pit8254 _pit;

    public SoundMixerTests()
    {
        _clock.Advance(3000 * Millisecond);
        _mixer = new SoundMixer(_clock, _recorder);
        _pit = new Pit8254(_clock, new RecordingSink().Line(0)) { Sound = _mixer };
    }

    public void Dispose() => _mixer.Dispose();

    [Fact]
    public void Tone_OfOneKilohertz_HasItsLengthAndPitch()
    {
        SetTone(1000);
        _pit.Speaker.Out(0, 3);
        _clock.Advance(200 * Millisecond);
        _pit.Speaker.Out(0, 0);
        _clock.Advance(500 * Millisecond);

        short[] left = _recorder.Left();
        int tone = 200 * FramesOfAMillisecond;
        Assert.InRange(left.Length, tone - 2, tone + (25 * FramesOfAMillisecond));
        Assert.All(left, sample => Assert.Equal(Loudness, Math.Abs(sample)));
        Assert.InRange(Rises(left.AsSpan(0, tone - 2)), 198, 201);
        Assert.Equal(left, _recorder.Right());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)] // the timer counts, and the speaker is off
    [InlineData(2)] // the other way round
    public void Tone_WithoutBothBits_IsNotHeard(int bits)
    {
        SetTone(1000);
        _pit.Speaker.Out(0, bits);
        _clock.Advance(100 * Millisecond); // a change of level may be heard as a click
        int clicks = _recorder.Samples.Count;
        _clock.Advance(500 * Millisecond);

        Assert.Equal(clicks, _recorder.Samples.Count);
        Assert.InRange(Rises(_recorder.Left()), 0, 1);
    }

    [Fact]
    public void Level_MovedByTheProgram_IsHeardAsItMoves()
    {
        SetTone(1000); // the gate is low, and the timer's output stays high
        for (int i = 0; i < 50; i++)
        {
            _pit.Speaker.Out(0, (i & 1) == 0 ? 2 : 0);
            _clock.Advance(Millisecond);
        }

        _clock.Advance(1000 * Millisecond);

        Assert.InRange(Rises(_recorder.Left()), 23, 26);
        Assert.InRange(_recorder.Samples.Count / 2, 50 * FramesOfAMillisecond, 75 * FramesOfAMillisecond);
    }

    [Fact]
    public void Tone_BesideACard_IsAddedToWhatItPlays()
    {
        short[] card = new short[20 * FramesOfAMillisecond];
        Array.Fill(card, (short)100);
        SetTone(440);
        _mixer.Write(card);
        _recorder.Samples.Clear();
        _pit.Speaker.Out(0, 3);
        for (int i = 0; i < 30; i++)
        {
            _clock.Advance(10 * Millisecond);
            _mixer.Write(card);
        }

        int lagging = Math.Abs(_recorder.Samples.Count - (30 * card.Length));
        Assert.Equal(0, lagging); // the card sets the pace
        Assert.All(_recorder.Samples, sample => Assert.Contains(sample, (short[])[100 + Loudness, 100 - Loudness]));
        Assert.InRange(Rises([.. _recorder.Left().Select(sample => (short)(sample - 100))]), 130, 133);
    }

    [Fact]
    public void Tone_LouderThanTheScale_IsCut()
    {
        SetTone(100);
        _pit.Speaker.Out(0, 3);
        _clock.Advance(10 * Millisecond);

        _mixer.Write([short.MaxValue, short.MaxValue]);

        Assert.Equal([short.MaxValue, short.MaxValue], _recorder.Samples);
    }

    [Fact]
    public void Tone_TooHighToBeHeard_IsSilent()
    {
        SetTone(200_000);
        _pit.Speaker.Out(0, 3);
        _clock.Advance(100 * Millisecond);
        int click = _recorder.Samples.Count;
        _clock.Advance(500 * Millisecond);

        Assert.Equal(click, _recorder.Samples.Count);
    }

    [Fact]
    public void Tone_TimerReset_Ends()
    {
        SetTone(1000);
        _pit.Speaker.Out(0, 3);
        _clock.Advance(100 * Millisecond);

        _pit.Reset();
        _clock.Advance(100 * Millisecond);
        int heard = _recorder.Samples.Count;
        _clock.Advance(500 * Millisecond);

        Assert.NotEqual(0, heard);
        Assert.Equal(heard, _recorder.Samples.Count);
    }

    private void SetTone(int frequency)
    {
        int count = (int)(Pit8254.Frequency / frequency);
        _pit.Out(3, 0xB6); // channel 2, both bytes, square wave
        _pit.Out(2, count & 0xFF);
        _pit.Out(2, count >> 8);
    }

    private static int Rises(ReadOnlySpan<short> samples)
    {
        int rises = 0;
        for (int i = 1; i < samples.Length; i++)
        {
            rises += samples[i - 1] < 0 && samples[i] > 0 ? 1 : 0;
        }

        return rises;
    }

    private sealed class Recorder : ISoundSink
    {
        public List<short> Samples { get; } = [];

        public short[] Left() => [.. Samples.Where((_, index) => index % 2 == 0)];

        public short[] Right() => [.. Samples.Where((_, index) => index % 2 == 1)];

        public void Write(ReadOnlySpan<short> samples) => Samples.AddRange(samples);

        public void Dispose()
        {
        }
    }
}
