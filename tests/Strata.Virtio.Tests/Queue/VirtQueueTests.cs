using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Virtio.Queue;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Queue;

/// <summary>VIRTIO 1.2, "Split Virtqueues".</summary>
public sealed class VirtQueueTests : IDisposable
{
    private const ulong RamSize = 0x10000;
    private const ulong Buffer = 0x8000;

    private readonly GuestMemory _memory = new(RamSize);
    private readonly AddressSpace _space = new();
    private readonly DriverRing _ring;
    private readonly VirtQueue _queue;

    public VirtQueueTests()
    {
        _space.MapRam(0, _memory, 0, RamSize);
        _ring = new DriverRing(_memory, 0x1000, 8);
        _queue = new VirtQueue(_space);
        Configure();
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Take_NothingOffered_ReturnsNull()
    {
        Assert.Null(_queue.Take());
        Assert.False(_queue.IsBroken);
    }

    [Fact]
    public void Take_Disabled_ReturnsNull()
    {
        _ring.Describe(0, Buffer, 16);
        _ring.Offer(0);
        _queue.IsEnabled = false;

        Assert.Null(_queue.Take());
    }

    [Fact]
    public void Take_Chain_FollowsNextInOrder()
    {
        _ring.Describe(3, Buffer, 16, DriverRing.Next, 7);
        _ring.Describe(7, Buffer + 0x100, 512, DriverRing.Next, 1);
        _ring.Describe(1, Buffer + 0x400, 1, DriverRing.Write);
        _ring.Offer(3);

        DescriptorChain chain = _queue.Take()!;

        Assert.Equal(3, chain.Head);
        Assert.Equal(
            [new GuestBuffer(Buffer, 16, false), new GuestBuffer(Buffer + 0x100, 512, false), new GuestBuffer(Buffer + 0x400, 1, true)],
            chain.Buffers);
        Assert.Equal((528L, 1L), (chain.ReadableLength, chain.WritableLength));
        Assert.Null(_queue.Take());
    }

    [Fact]
    public void Take_Indirect_ReadsTheTable()
    {
        _ring.DescribeAt(0x4000, Buffer, 16, DriverRing.Next, 2);
        _ring.DescribeAt(0x4020, Buffer + 0x100, 8, DriverRing.Write);
        _ring.Describe(5, 0x4000, 48, DriverRing.Indirect);
        _ring.Offer(5);

        DescriptorChain chain = _queue.Take()!;

        Assert.Equal(5, chain.Head);
        Assert.Equal([new GuestBuffer(Buffer, 16, false), new GuestBuffer(Buffer + 0x100, 8, true)], chain.Buffers);
    }

    [Fact]
    public void Take_IndirectTableAsLongAsTheQueue_ReadsAll()
    {
        for (uint i = 0; i < _ring.Size; i++)
        {
            _ring.DescribeAt(0x4000 + (i * 16), Buffer, 16, i + 1 < _ring.Size ? DriverRing.Next : (ushort)0, (ushort)(i + 1));
        }

        _ring.Describe(0, 0x4000, 16U * _ring.Size, DriverRing.Indirect);
        _ring.Offer(0);

        Assert.Equal(_ring.Size, _queue.Take()!.Buffers.Count);
    }

    [Fact]
    public void Take_DirectAndIndirectLongerThanTheQueue_Breaks()
    {
        for (uint i = 0; i < _ring.Size; i++)
        {
            _ring.DescribeAt(0x4000 + (i * 16), Buffer, 16, i + 1 < _ring.Size ? DriverRing.Next : (ushort)0, (ushort)(i + 1));
        }

        _ring.Describe(0, Buffer, 16, DriverRing.Next, 1);
        _ring.Describe(1, 0x4000, 16U * _ring.Size, DriverRing.Indirect);
        OfferExpectingBreak(0);
    }

    [Fact]
    public void Take_DirectThenIndirect_ReadsBoth()
    {
        _ring.DescribeAt(0x4000, Buffer + 0x100, 8, DriverRing.Write);
        _ring.Describe(0, Buffer, 16, DriverRing.Next, 1);
        _ring.Describe(1, 0x4000, 16, DriverRing.Indirect);
        _ring.Offer(0);

        Assert.Equal(2, _queue.Take()!.Buffers.Count);
    }

    [Fact]
    public void Complete_Chain_FillsTheUsedRing()
    {
        _ring.Describe(4, Buffer, 16, DriverRing.Write);
        _ring.Offer(4);

        _queue.Complete(_queue.Take()!, 12);

        Assert.Equal(1, _ring.UsedIndex);
        Assert.Equal((4U, 12U), _ring.UsedEntry(0));
    }

    [Fact]
    public void Indices_ManyChains_WrapAround()
    {
        _ring.Describe(0, Buffer, 16, DriverRing.Write);
        for (int i = 0; i < 0x10000 + 20; i++)
        {
            _ring.Offer(0);
            _queue.Complete(_queue.Take()!, (uint)i);
        }

        Assert.Equal(20, _ring.UsedIndex);
        Assert.Equal((0U, 0x10000U + 19U), _ring.UsedEntry(19));
        Assert.False(_queue.IsBroken);
    }

    [Fact]
    public void ShouldInterrupt_Flags_AreHonoured()
    {
        Assert.False(_queue.ShouldInterrupt());

        ServeOne();
        Assert.True(_queue.ShouldInterrupt());
        Assert.False(_queue.ShouldInterrupt());

        _ring.AvailableFlags = 1;
        ServeOne();
        Assert.False(_queue.ShouldInterrupt());
    }

    [Fact]
    public void ShouldInterrupt_EventIndex_WaitsForTheAskedEntry()
    {
        _queue.UsesEventIndex = true;
        _ring.UsedEvent = 2;
        ServeOne();
        Assert.False(_queue.ShouldInterrupt());
        ServeOne();
        Assert.False(_queue.ShouldInterrupt());
        ServeOne();
        Assert.True(_queue.ShouldInterrupt());
        ServeOne();
        Assert.False(_queue.ShouldInterrupt());
    }

    [Fact]
    public void ShouldInterrupt_EventIndexPassedInABatch_Interrupts()
    {
        _queue.UsesEventIndex = true;
        _ring.UsedEvent = 1;
        for (int i = 0; i < 4; i++)
        {
            ServeOne();
        }

        Assert.True(_queue.ShouldInterrupt());
    }

    [Fact]
    public void Take_EventIndex_AsksForTheNextNotification()
    {
        _queue.UsesEventIndex = true;
        ServeOne();
        ServeOne();

        Assert.Equal(2, _ring.AvailableEvent);
    }

    [Fact]
    public void Take_ChainLoops_Breaks()
    {
        _ring.Describe(0, Buffer, 16, DriverRing.Next, 1);
        _ring.Describe(1, Buffer, 16, DriverRing.Next, 0);
        OfferExpectingBreak(0);
    }

    [Fact]
    public void Take_IndirectChainLoops_Breaks()
    {
        _ring.DescribeAt(0x4000, Buffer, 16, DriverRing.Next, 0);
        _ring.Describe(0, 0x4000, 16, DriverRing.Indirect);
        OfferExpectingBreak(0);
    }

    [Fact]
    public void Take_HeadOutsideTheTable_Breaks() => OfferExpectingBreak(8);

    [Fact]
    public void Take_NextOutsideTheTable_Breaks()
    {
        _ring.Describe(0, Buffer, 16, DriverRing.Next, 8);
        OfferExpectingBreak(0);
    }

    [Fact]
    public void Take_AvailableIndexJumps_Breaks()
    {
        _ring.AvailableIndex = 9;

        Assert.Null(_queue.Take());
        Assert.True(_queue.IsBroken);
    }

    [Fact]
    public void Take_AvailableIndexGoesBack_Breaks()
    {
        ServeOne();
        _ring.AvailableIndex = 0;

        Assert.Null(_queue.Take());
        Assert.True(_queue.IsBroken);
    }

    [Theory]
    [InlineData(0U)]
    [InlineData(15U)]
    [InlineData(17U)]
    [InlineData(9U * 16)]
    [InlineData(uint.MaxValue)]
    [InlineData(0xFFFF_FFF0U)]
    public void Take_IndirectLength_MustBeWholeDescriptorsAndNotMoreThanTheQueue(uint length)
    {
        _ring.Describe(0, 0x4000, length, DriverRing.Indirect);
        OfferExpectingBreak(0);
    }

    [Fact]
    public void Take_IndirectInIndirect_Breaks()
    {
        _ring.DescribeAt(0x4000, 0x4000, 16, DriverRing.Indirect);
        _ring.Describe(0, 0x4000, 16, DriverRing.Indirect);
        OfferExpectingBreak(0);
    }

    [Fact]
    public void Take_IndirectWithNext_Breaks()
    {
        _ring.Describe(0, 0x4000, 16, DriverRing.Indirect | DriverRing.Next, 1);
        OfferExpectingBreak(0);
    }

    [Theory]
    [InlineData(RamSize - 8)]
    [InlineData(ulong.MaxValue - 15)]
    [InlineData(1UL << 40)]
    public void Take_IndirectTableOutsideRam_Breaks(ulong table)
    {
        _ring.Describe(0, table, 16, DriverRing.Indirect);
        OfferExpectingBreak(0);
    }

    [Fact]
    public void Take_ReadableAfterWritable_Breaks()
    {
        _ring.Describe(0, Buffer, 16, DriverRing.Next | DriverRing.Write, 1);
        _ring.Describe(1, Buffer, 16);
        OfferExpectingBreak(0);
    }

    [Theory]
    [InlineData(RamSize)]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    public void Take_RingOutsideRam_Breaks(ulong address)
    {
        _queue.AvailableRing = address;
        Assert.Null(_queue.Take());
        Assert.Equal(address != ulong.MaxValue, _queue.IsBroken); // all ones wrap around to address 1, which is RAM

        Configure();
        _queue.DescriptorTable = address & ~0xFUL;
        OfferExpectingBreak(0);
    }

    [Fact]
    public void Complete_UsedRingOutsideRam_Breaks()
    {
        _ring.Describe(0, Buffer, 16, DriverRing.Write);
        _ring.Offer(0);
        _queue.UsedRing = RamSize;

        _queue.Complete(_queue.Take()!, 1);

        Assert.True(_queue.IsBroken);
        Assert.Null(_queue.Take());
    }

    [Fact]
    public void Reset_BrokenQueue_WorksAgain()
    {
        _ring.AvailableIndex = 100;
        _queue.Take();

        Configure();
        _ring.AvailableIndex = 0;
        ServeOne();

        Assert.Equal(1, _ring.UsedIndex);
    }

    [Fact]
    public void Take_RandomRings_NeverThrowsOrHangs()
    {
        Random random = new(0x1AF4);
        byte[] noise = new byte[0x1000];
        int chains = 0;
        for (int i = 0; i < 20_000; i++)
        {
            Configure();
            _queue.UsesEventIndex = random.Next(2) == 0;
            random.NextBytes(noise);
            noise.CopyTo(_memory.Slice(0x1000, noise.Length));
            for (int d = 0; d < 8; d++)
            {
                ulong address = random.Next(3) == 0
                    ? (ulong)random.NextInt64(long.MinValue, long.MaxValue)
                    : (ulong)random.Next((int)RamSize);
                uint length = random.Next(3) == 0 ? (uint)random.NextInt64(1L << 32) : (uint)random.Next(9) * 16;
                _ring.Describe(d, address, length, (ushort)random.Next(random.Next(2) == 0 ? 8 : 4), (ushort)random.Next(9));
            }

            _ring.AvailableIndex = (ushort)random.Next(10);
            for (ushort slot = 0; slot < 8; slot++)
            {
                _space.Write(_ring.Available + 4 + (2UL * slot), AccessWidth.Word, (ulong)random.Next(9));
            }

            int taken = 0;
            while (_queue.Take() is { } chain)
            {
                Assert.InRange(chain.Buffers.Count, 1, 17);
                _queue.Complete(chain, (uint)random.Next());
                _queue.ShouldInterrupt();
                Assert.InRange(++taken, 1, 8);
            }

            chains += taken;
        }

        Assert.True(chains > 1000, "The fuzzer has to produce chains that are served, too.");
    }

    private void Configure()
    {
        _queue.Reset();
        _queue.Size = _ring.Size;
        _queue.DescriptorTable = _ring.Descriptors;
        _queue.AvailableRing = _ring.Available;
        _queue.UsedRing = _ring.Used;
        _queue.IsEnabled = true;
    }

    private void ServeOne()
    {
        _ring.Describe(0, Buffer, 16, DriverRing.Write);
        _ring.Offer(0);
        _queue.Complete(_queue.Take()!, 16);
    }

    private void OfferExpectingBreak(ushort head)
    {
        _ring.Offer(head);

        Assert.Null(_queue.Take());
        Assert.True(_queue.IsBroken);
        Assert.Null(_queue.Take());
    }
}
