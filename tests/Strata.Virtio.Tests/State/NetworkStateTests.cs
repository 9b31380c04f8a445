using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Networking;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Virtio.Network;
using Strata.Virtio.Tests.Harness;
using Strata.Virtio.Tests.Network;

namespace Strata.Virtio.Tests.State;

/// <summary>A card is stopped while frames come and go, and goes on here or in another machine.</summary>
public sealed class NetworkStateTests : IDisposable
{
    private const ulong ControlQueue = 1 << 17;
    private const ulong GuestAnnounce = 1 << 21;
    private const ulong MultiQueue = 1 << 22;
    private const ulong Buffers = 0x8_0000;
    private const ulong BufferSize = 0x800;
    private const int Count = 32;
    private const int HeaderSize = 12;
    private const int FrameSize = 64;
    private const uint StatusAt = 6;

    private static readonly byte[] Mac = [0x52, 0x54, 0, 1, 2, 3];

    private readonly RecordingBackend _backend = new();
    private readonly RecordingBackend _otherBackend = new();
    private readonly VirtioDriver _driver;
    private readonly VirtioDriver _other;
    private VirtioNetwork? _card;

    public NetworkStateTests()
    {
        _driver = new VirtioDriver(memory => _card = new VirtioNetwork(memory, _backend, Mac));
        _other = new VirtioDriver(memory => new VirtioNetwork(memory, _otherBackend, [0x52, 0x54, 0, 9, 9, 9]));
    }

    public void Dispose()
    {
        _driver.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void Contract_OfACardWithTwoPairs_Holds()
    {
        using VirtioDriver driver = new(memory => new VirtioNetwork(memory, new RecordingBackend(), Mac, pairs: 2));
        driver.StartQueues(VirtioDriver.Version1 | ControlQueue | MultiQueue, 5);

        UnitContract.Check<VirtioNetworkState>((IUnit<VirtioNetworkState>)driver.Roster.Units[^1], (property, _) => property.Name switch
        {
            nameof(VirtioNetworkState.ActivePairs) => (ushort)2,
            nameof(VirtioNetworkState.Mtu) => (ushort)9000,
            _ => null,
        });
    }

    [Fact]
    public void Load_MorePairsThanTheCardHas_IsRefused()
    {
        VirtioNetworkState state = _card!.SaveState();
        state.ActivePairs = 2;

        Assert.Throws<StateException>(() => _card.LoadState(state));
    }

    [Fact]
    public void Load_InAnotherMachine_KeepsTheAddressAndTellsTheSwitch()
    {
        _driver.StartQueues(VirtioDriver.Version1, 2);

        Move();

        Assert.Equal(0x0201_0054_52UL, _other.ReadDevice(0, AccessWidth.Dword) | (_other.ReadDevice(4, AccessWidth.Byte) << 32));
        byte[] frame = Assert.Single(_otherBackend.Sent).Frame;
        Assert.Equal(Mac, frame[6..12]);
        Assert.Equal([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], frame[..6]);
        Assert.Equal(0x8035, BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(12)));
        Assert.Empty(_backend.Sent);
    }

    [Fact]
    public void Load_DriverThatAnnounces_IsAskedUntilItHas()
    {
        DriverRing[] rings = _driver.StartQueues(VirtioDriver.Version1 | ControlQueue | GuestAnnounce, 3);
        _driver.EnableMsix();

        Move();

        Assert.Equal(3UL, _other.ReadDevice(StatusAt, AccessWidth.Word));
        Assert.Equal([0x41U], _other.Messages());
        Assert.Equal(0, Command(_other, new DriverRing(_other.Memory, rings[2].Descriptors, 16), 3, 0));
        Assert.Equal(1UL, _other.ReadDevice(StatusAt, AccessWidth.Word));
    }

    [Fact]
    public void Resume_WithoutALoad_AnnouncesNothing()
    {
        _driver.StartQueues(VirtioDriver.Version1 | ControlQueue | GuestAnnounce, 3);
        _driver.EnableMsix();

        _driver.Roster.Quiesce();
        _driver.Roster.Resume();

        Assert.Equal((1UL, 0, 0), (_driver.ReadDevice(StatusAt, AccessWidth.Word), _driver.MessageCount, _backend.Sent.Count));
    }

    [Fact]
    public void Announce_WithoutControlQueue_DoesNotStick() => Assert.False(_driver.Negotiate(VirtioDriver.Version1 | GuestAnnounce));

    [Fact]
    public void Link_CutWhileQuiesced_IsShownBehindIt()
    {
        _driver.StartQueues(VirtioDriver.Version1, 2);
        _driver.EnableMsix();
        _driver.Roster.Quiesce();

        _card!.IsLinkUp = false;

        Assert.Equal((1UL, 0), (_driver.ReadDevice(StatusAt, AccessWidth.Word), _driver.MessageCount));
        _driver.Roster.Resume();
        Assert.Equal((0UL, 1), (_driver.ReadDevice(StatusAt, AccessWidth.Word), _driver.MessageCount));
    }

    [Fact]
    public void Link_CutWhenSaved_IsCutInTheOtherMachine()
    {
        _driver.StartQueues(VirtioDriver.Version1, 2);
        _card!.IsLinkUp = false;

        Move();

        Assert.Equal(0UL, _other.ReadDevice(StatusAt, AccessWidth.Word));
        Assert.Empty(_otherBackend.Sent);
    }

    [Fact]
    public void TryReceive_WhileQuiesced_IsRefusedAndAskedForBehindIt()
    {
        DriverRing ring = StartReceiving();
        _driver.Roster.Quiesce();
        int resumes = _backend.Resumes;

        Assert.False(_card!.TryReceive(new byte[FrameSize], [], FrameOffload.None));

        Assert.Equal(0, ring.UsedIndex);
        _driver.Roster.Resume();
        VirtioDriver.WaitUntil(() => _backend.Resumes > resumes, "the backend to be asked");
        Assert.True(_card.TryReceive(new byte[FrameSize], [], FrameOffload.None));
    }

    /// <summary>
    /// Frames come all the time while the card is stopped, saved, reset, loaded: each arrives once, in order, with its interrupt.
    /// </summary>
    [Fact]
    public void Quiesce_WhileFramesCome_LosesNone()
    {
        const int frames = 20_000;
        DriverRing ring = StartReceiving();
        _driver.EnableMsix();
        using CancellationTokenSource end = new();
        Thread sender = new(() => Send(frames, end.Token));
        sender.Start();
        int seen = 0;
        int stops = 0;
        while (seen < frames)
        {
            seen += TakeFrames(ring, seen);
            if (seen % 3 == 0)
            {
                _driver.Roster.Quiesce();
                IReadOnlyList<UnitRecord> saved = _driver.Roster.Save();
                (int used, int messages) = (ring.UsedIndex, _driver.MessageCount);
                _driver.Roster.Reset();
                _driver.Roster.Load(saved);
                Assert.Equal((used, messages, used), (ring.UsedIndex, _driver.MessageCount, messages & 0xFFFF));
                _driver.Roster.Resume();
                stops++;
            }
        }

        end.Cancel();
        sender.Join();
        Assert.Equal(frames, _driver.MessageCount);
        Assert.True(stops > 100, $"The card was stopped {stops} times only.");
    }

    /// <summary>The guest sends, and the card is stopped anywhere: each frame leaves once, from here or from the other machine.</summary>
    [Fact]
    public void Quiesce_WhileTheGuestSends_LosesNone()
    {
        for (int round = 0; round < 100; round++)
        {
            using RecordingBackend backend = new() { OnSend = () => Thread.SpinWait(500) };
            using RecordingBackend otherBackend = new();
            using VirtioDriver driver = new(memory => new VirtioNetwork(memory, backend, Mac));
            using VirtioDriver other = new(memory => new VirtioNetwork(memory, otherBackend, Mac));
            DriverRing ring = driver.StartQueues(VirtioDriver.Version1, 2, Count)[1];
            for (int i = 0; i < Count; i++)
            {
                ulong at = Buffers + ((ulong)i * BufferSize);
                driver.Memory.Slice(at, HeaderSize + FrameSize).Clear();
                driver.Memory.Slice(at + HeaderSize + 20, 1)[0] = (byte)i;
                ring.Describe(i, at, HeaderSize + FrameSize);
                ring.Offer((ushort)i);
            }

            driver.Notify(1);
            Thread.SpinWait(round * 300);
            driver.Roster.Quiesce();
            Assert.Equal(ring.UsedIndex, backend.Sent.Count);
            driver.MoveTo(other);
            other.Roster.Resume();

            DriverRing otherRing = new(other.Memory, ring.Descriptors, Count);
            VirtioDriver.WaitUntil(() => otherRing.UsedIndex == Count, "all frames");
            int[] sent = [.. backend.Sent.Concat(otherBackend.Sent).Where(sent => sent.Frame[12] == 0).Select(sent => (int)sent.Frame[20])];
            Assert.Equal(Enumerable.Range(0, Count), sent);
        }
    }

    private DriverRing StartReceiving()
    {
        DriverRing ring = _driver.StartQueues(VirtioDriver.Version1, 2, Count)[0];
        for (int i = 0; i < Count; i++)
        {
            ring.Describe(i, Buffers + ((ulong)i * BufferSize), (uint)BufferSize, DriverRing.Write);
            ring.Offer((ushort)i);
        }

        _driver.Notify();
        return ring;
    }

    /// <summary>Checks the frames that have come, gives their buffers back, and rings.</summary>
    private int TakeFrames(DriverRing ring, int seen)
    {
        int count = (ushort)(ring.UsedIndex - (ushort)seen);
        for (int i = 0; i < count; i++)
        {
            (uint head, uint length) = ring.UsedEntry((seen + i) & 0xFFFF);
            Assert.Equal((uint)(HeaderSize + FrameSize), length);
            Assert.Equal(
                seen + i, BinaryPrimitives.ReadInt32LittleEndian(_driver.Memory.Slice(Buffers + (head * BufferSize) + HeaderSize + 20, 4)));
            ring.Offer((ushort)head);
        }

        _driver.Notify();
        return count;
    }

    private void Send(int frames, CancellationToken end)
    {
        byte[] frame = new byte[FrameSize];
        for (int i = 0; i < frames && !end.IsCancellationRequested; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(20), i);
            for (int resumes = _backend.Resumes; !_card!.TryReceive(frame, [], FrameOffload.None); resumes = _backend.Resumes)
            {
                SpinWait.SpinUntil(() => _backend.Resumes != resumes || end.IsCancellationRequested);
                if (end.IsCancellationRequested)
                {
                    return;
                }
            }
        }
    }

    private static byte Command(VirtioDriver driver, DriverRing ring, byte kind, byte command)
    {
        const ulong at = 0x7_0000;
        int used = ring.UsedIndex;
        driver.Memory.Slice(at, 3)[0] = kind;
        driver.Memory.Slice(at, 3)[1] = command;
        driver.Memory.Slice(at, 3)[2] = 0xEE;
        ring.Describe(0, at, 2, DriverRing.Next, 1);
        ring.Describe(1, at + 2, 1, DriverRing.Write);
        ring.Offer(0);
        driver.Notify(2);
        VirtioDriver.WaitUntil(() => ring.UsedIndex != used, "the answer");
        return driver.Memory.Slice(at + 2, 1)[0];
    }

    private void Move()
    {
        _driver.Roster.Quiesce();
        _driver.MoveTo(_other);
        _other.Roster.Resume();
    }
}
