using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Sound;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Core.Time;
using Strata.Devices.Pci;
using Strata.Devices.Sound;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Sound;

/// <summary>Intel 82801AA data sheet, "AC '97 Audio Controller"; a driver that plays.</summary>
public sealed class Ac97Tests : IDisposable
{
    private const ushort Mixer = 0xC000;
    private const ushort Out = 0xC410;
    private const ushort Master = 0xC400;
    private const ulong List = 0x1000;
    private const ulong Samples = 0x1_0000;
    private const long Millisecond = 1_000_000;
    private const int Frames = 480; // 10 ms

    private readonly GuestMemory _ram = new(4 << 20);
    private readonly AddressSpace _memory = new();
    private readonly PortSpace _ports = new();
    private readonly ManualClock _clock = new();
    private readonly RecordingSink _interrupts = new();
    private readonly Recorder _sound = new();
    private readonly Ac97 _chip;

    public Ac97Tests()
    {
        _memory.MapRam(0, _ram, 0, _ram.Size);
        _chip = new Ac97(_memory, _clock, _sound);
        PciBus bus = new(_memory, _interrupts, _ => _interrupts.Line(5), _ports);
        bus.Plug(4, _chip);
        _chip.WriteConfig(0x10, AccessWidth.Dword, Mixer);
        _chip.WriteConfig(0x14, AccessWidth.Dword, Master);
        _chip.WriteConfig(0x04, AccessWidth.Word, 5);
        _ports.Write(Master + 0x2C, AccessWidth.Dword, 2);
        for (int i = 0; i < 64 * Frames; i++)
        {
            _memory.Write(Samples + (ulong)(i * 4), AccessWidth.Word, (ushort)(i * 3));
            _memory.Write(Samples + (ulong)(i * 4) + 2, AccessWidth.Word, (ushort)-i);
        }
    }

    public void Dispose()
    {
        _chip.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void Codec_BehindACoreReset_IsReadyAndMute()
    {
        Assert.Equal(0x100u, _ports.Read(Master + 0x30, AccessWidth.Dword));
        Assert.Equal(0x8000u, _ports.Read(Mixer + 2, AccessWidth.Word));
        Assert.Equal((0x8384u, 0x7600u), (_ports.Read(Mixer + 0x7C, AccessWidth.Word), _ports.Read(Mixer + 0x7E, AccessWidth.Word)));
    }

    [Fact]
    public void Play_OneBuffer_GoesToTheSinkAndInterruptsAtItsEnd()
    {
        Unmute();
        Prepare(buffers: 1);

        Start();
        _clock.Advance(5 * Millisecond);
        Assert.Equal(Frames, (int)_ports.Read(Out + 8, AccessWidth.Word)); // samples: half of the frames, twice
        Assert.False(_interrupts.Levels.LastOrDefault().High);
        _clock.Advance(6 * Millisecond);

        Assert.True(_interrupts.Levels[^1].High);
        Assert.Equal(Frames * 2, _sound.Samples.Count);
        Assert.Equal((300, -100), ((int)_sound.Samples[200], (int)_sound.Samples[201]));
        Assert.Equal(0x0Fu, _ports.Read(Out + 6, AccessWidth.Word)); // halted, last, and both interrupts
    }

    [Fact]
    public void Play_FurtherBuffers_GoOnBehindTheLastOne()
    {
        Unmute();
        Prepare(buffers: 3);
        Start();
        _clock.Advance(40 * Millisecond);
        Assert.Equal(2u, _ports.Read(Out + 4, AccessWidth.Byte));

        _ports.Write(Out + 5, AccessWidth.Byte, 4);
        _clock.Advance(15 * Millisecond);

        Assert.Equal(4u, _ports.Read(Out + 4, AccessWidth.Byte));
        Assert.InRange(_sound.Samples.Count, Frames * 2 * 4, (Frames * 2 * 5) - 1);
    }

    [Theory]
    [InlineData(0x0000, 0x0808, 1.0)]
    [InlineData(0x0404, 0x0808, 0.501)]
    [InlineData(0x8000, 0x0808, 0.0)]
    [InlineData(0x0000, 0x8808, 0.0)]
    public void Volume_OfMasterAndPcm_IsHeard(int master, int pcm, double gain)
    {
        _ports.Write(Mixer + 2, AccessWidth.Word, (uint)master);
        _ports.Write(Mixer + 0x18, AccessWidth.Word, (uint)pcm);
        Prepare(buffers: 1);

        Start();
        _clock.Advance(11 * Millisecond);

        Assert.InRange(_sound.Samples[600], (900 * gain) - 1, (900 * gain) + 1);
    }

    [Fact]
    public void Play_EmptyBuffers_EndInsteadOfTurningForEver()
    {
        for (uint i = 0; i < 32; i++)
        {
            _memory.Write(List + (i * 8), AccessWidth.Qword, Samples);
        }

        _ports.Write(Out, AccessWidth.Dword, (uint)List);
        _ports.Write(Out + 5, AccessWidth.Byte, 31);
        Start();

        _clock.Advance(100 * Millisecond);

        Assert.Equal(1u, _ports.Read(Out + 6, AccessWidth.Word) & 1);
        Assert.Empty(_sound.Samples);
    }

    [Fact]
    public void Semaphore_OfTheCodec_IsGivenBackByAnAccess()
    {
        Assert.Equal(0u, _ports.Read(Master + 0x34, AccessWidth.Byte));
        Assert.Equal(1u, _ports.Read(Master + 0x34, AccessWidth.Byte));

        _ports.Read(Mixer, AccessWidth.Word);

        Assert.Equal(0u, _ports.Read(Master + 0x34, AccessWidth.Byte));
    }

    [Fact]
    public void Unit_Playing_HoldsTheContract()
    {
        Prepare(buffers: 3);
        Start();
        _clock.Advance(13 * Millisecond);

        UnitContract.Check((IUnit<Ac97State>)_chip.Units.Last(), (property, old) => property.Name switch
        {
            nameof(Ac97ChannelState.List) => 0x2000u,
            nameof(Ac97ChannelState.Current) => (byte)7,
            nameof(Ac97ChannelState.Last) => (byte)9,
            nameof(Ac97ChannelState.Status) => (ushort)9,
            nameof(Ac97ChannelState.Left) => (ushort)22,
            nameof(Ac97ChannelState.Control) => old is byte ? (byte)0x14 : (object)3u,
            nameof(Ac97ChannelState.Address) => 0x3330u,
            nameof(Ac97State.PlayedUntil) => 5L,
            _ => null,
        });
    }

    [Fact]
    public void Load_WhilePlaying_GoesOnWhereItWas()
    {
        Unmute();
        Prepare(buffers: 2);
        Start();
        _clock.Advance(5 * Millisecond);
        IUnit<Ac97State> unit = (IUnit<Ac97State>)_chip.Units.Last();
        unit.Quiesce();
        Ac97State saved = unit.SaveState();
        unit.Reset();

        unit.LoadState(saved);
        unit.Resume();
        _clock.Advance(20 * Millisecond);

        Assert.Equal(Frames * 2 * 2, _sound.Samples.Count);
    }

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public void RandomRegisters_OfAHostileGuest_AlwaysEnd(int seed)
    {
        Random random = new(seed);
        ulong[] places = [0, Samples, 0x3F_FFF8, 0x7000_0000, 0xFFFF_FFF8];
        for (int i = 0; i < 20_000; i++)
        {
            AccessWidth width = (AccessWidth)(1 << random.Next(3));
            int port = random.Next(64);
            switch (random.Next(5))
            {
                case 0:
                    _ports.Write((ushort)(Mixer + random.Next(256)), width, (uint)random.NextInt64());
                    break;
                case 1:
                    _ports.Read((ushort)(Master + port), width);
                    break;
                case 2:
                    ulong length = (ulong)random.Next(0x10000) >> random.Next(16);
                    _memory.Write(List + (ulong)(random.Next(32) * 8), AccessWidth.Qword, places[random.Next(5)] | (length << 32));
                    break;
                case 3:
                    _clock.Advance(random.Next(3_000_000));
                    break;
                default:
                    uint value = port % 16 < 4 ? (uint)places[random.Next(5)] : (uint)random.Next(64);
                    _ports.Write((ushort)(Master + port), width, value);
                    break;
            }
        }

        IUnit<Ac97State> unit = (IUnit<Ac97State>)_chip.Units.Last();
        unit.LoadState(unit.SaveState());
        Assert.InRange(_sound.Samples.Count, 0, int.MaxValue);
    }

    private void Unmute()
    {
        _ports.Write(Mixer + 2, AccessWidth.Word, 0);
        _ports.Write(Mixer + 0x18, AccessWidth.Word, 0x0808);
    }

    /// <summary>Buffers of 10 ms, each of which interrupts at its end, behind each other in memory.</summary>
    private void Prepare(int buffers)
    {
        for (uint i = 0; i < 32; i++)
        {
            _memory.Write(List + (i * 8), AccessWidth.Dword, Samples + (i * Frames * 4));
            _memory.Write(List + (i * 8) + 4, AccessWidth.Dword, 0x8000_0000 | (Frames * 2));
        }

        _ports.Write(Out + 0xB, AccessWidth.Byte, 2);
        _ports.Write(Out, AccessWidth.Dword, (uint)List);
        _ports.Write(Out + 5, AccessWidth.Byte, (uint)buffers - 1);
    }

    private void Start() => _ports.Write(Out + 0xB, AccessWidth.Byte, 0x15);

    private sealed class Recorder : ISoundSink
    {
        public List<short> Samples { get; } = [];

        public void Write(ReadOnlySpan<short> samples) => Samples.AddRange(samples);

        public void Dispose()
        {
        }
    }
}
