using System.Runtime.InteropServices;
using Strata.Core.Sound;
using static Strata.Devices.Sound.Ac97Registers;

namespace Strata.Devices.Sound;

/// <content>What time does: samples leave the buffers.</content>
public sealed partial class Ac97
{
    private const int LoudestPcm = 8; // steps of 1.5 dB above nought

    private readonly short[] _samples = new short[4096];
    private bool _isStill; // under _gate: nothing may touch memory

    /// <summary>The guest lets a channel run, or gives it further buffers.</summary>
    private void GoOn(Ac97Channel channel)
    {
        if ((channel.Control & CrRun) == 0 || (channel.Status & SrHalted) == 0 || !IsBusMaster)
        {
            return;
        }

        channel.Status &= unchecked((ushort)~SrHalted);
        if (channel.Left == 0)
        {
            if (channel.HasStarted)
            {
                if (channel.Current == channel.Last)
                {
                    channel.Status |= SrHalted; // no further buffer was given
                    return;
                }

                channel.Current = (byte)((channel.Current + 1) % BufferCount);
            }

            Fetch(channel);
        }

        if (channel == Output)
        {
            _playedUntil = _clock.Now;
        }
        else
        {
            channel.Status |= SrHalted; // there is nothing to record
        }
    }

    /// <summary>Reads the current buffer's entry.</summary>
    private void Fetch(Ac97Channel channel)
    {
        channel.HasStarted = true;
        if (!_memory.TryGetSpan(channel.List + (channel.Current * 8u), 8, out ReadOnlySpan<byte> entry))
        {
            channel.Status |= SrHalted | SrError;
            return;
        }

        uint length = BitConverter.ToUInt32(entry[4..]);
        channel.Address = BitConverter.ToUInt32(entry) & ~1u;
        channel.Left = (ushort)(length & 0xFFFE); // whole frames
        channel.InterruptsAtEnd = (length & BufferInterrupt) != 0;
    }

    /// <summary>Plays what time has played since the last call.</summary>
    private void CatchUp()
    {
        long now = _clock.Now;
        Ac97Channel channel = Output;
        if (!channel.IsPlaying || _isStill)
        {
            return;
        }

        long frames = (long)((Int128)(now - _playedUntil) * ISoundSink.Rate / Second);
        _playedUntil += (long)((Int128)frames * Second / ISoundSink.Rate);
        frames = Math.Min(frames, MostFrames);
        for (int empty = 0; channel.IsPlaying && empty < BufferCount;)
        {
            int count = (int)Math.Min(frames, channel.Left / 2);
            empty = channel.Left == 0 ? empty + 1 : 0;
            Play(channel, count);
            frames -= count;
            if (channel.Left > 0)
            {
                break;
            }

            EndBuffer(channel);
        }

        UpdateInterrupt();
    }

    private void EndBuffer(Ac97Channel channel)
    {
        channel.Status |= channel.InterruptsAtEnd ? SrBufferInterrupt : (ushort)0;
        if (channel.Current == channel.Last)
        {
            channel.Status |= SrLastInterrupt | SrHalted;
            return;
        }

        channel.Current = (byte)((channel.Current + 1) % BufferCount);
        Fetch(channel);
    }

    private void Play(Ac97Channel channel, int frames)
    {
        (double left, double right) = Gain();
        while (frames > 0)
        {
            int count = Math.Min(frames, _samples.Length / 2);
            Span<short> samples = _samples.AsSpan(0, count * 2);
            if (_memory.TryGetSpan(channel.Address, (uint)(count * FrameBytes), out ReadOnlySpan<byte> bytes))
            {
                MemoryMarshal.Cast<byte, short>(bytes).CopyTo(samples);
            }
            else
            {
                samples.Clear();
                channel.Status |= SrError;
            }

            for (int i = 0; i < samples.Length; i += 2)
            {
                samples[i] = Scale(samples[i], left);
                samples[i + 1] = Scale(samples[i + 1], right);
            }

            _sink.Write(samples);
            channel.Address += (uint)(count * FrameBytes);
            channel.Left -= (ushort)(count * 2);
            frames -= count;
        }
    }

    private static short Scale(short sample, double gain) =>
        gain == 1 ? sample : (short)Math.Clamp(Math.Round(sample * gain), short.MinValue, short.MaxValue);

    /// <summary>Of both sides, from the two volumes: each step takes 1.5 dB.</summary>
    private (double Left, double Right) Gain()
    {
        ushort master = _mixer[MasterVolume / 2];
        ushort pcm = _mixer[PcmVolume / 2];
        return ((master | pcm) & Mute) != 0
            ? (0, 0)
            : (GainOf(((master >> 8) & 0x3F) + ((pcm >> 8) & 0x1F)), GainOf((master & 0x3F) + (pcm & 0x1F)));
    }

    private static double GainOf(int steps) => steps == LoudestPcm ? 1 : Math.Pow(10, 1.5 * (LoudestPcm - steps) / 20);

    /// <summary>The current buffer's end is the next thing that happens.</summary>
    private void Arm()
    {
        if (Output.IsPlaying && !_isStill)
        {
            long wait = (long)Output.Left / 2 * Second / ISoundSink.Rate;
            _timer.Arm(_playedUntil + Math.Max(wait + 1, ShortestWait));
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
            CatchUp();
            Arm();
        }
    }
}
