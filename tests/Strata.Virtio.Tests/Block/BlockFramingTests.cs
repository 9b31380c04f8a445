using System.Buffers.Binary;
using System.Text;
using Strata.Virtio.Block;
using Strata.Virtio.Tests.Harness;
using static Strata.Virtio.Tests.Harness.BlockDriver;

namespace Strata.Virtio.Tests.Block;

/// <summary>A driver of version 1 cuts requests into buffers as it likes. VIRTIO 1.2, "Message Framing".</summary>
public sealed class BlockFramingTests : IDisposable
{
    private const int Sectors = 64;
    private const uint GetId = 8;
    private const ulong Buffers = 0x2_0000;
    private const ulong BufferDistance = 0x2000;

    private readonly MemoryDisk _disk = new(Sectors);
    private readonly VirtioDriver _driver;
    private readonly DriverRing _ring;

    public BlockFramingTests()
    {
        new Random(1).NextBytes(_disk.Bytes);
        _driver = new VirtioDriver(space => new VirtioBlock(space, _disk, "serial-0123"));
        _ring = _driver.Start(VirtioDriver.Version1 | FeatureFlush | FeatureDiscard | FeatureWriteZeroes, size: 64);
    }

    public void Dispose() => _driver.Dispose();

    [Theory]
    [InlineData(new[] { 16, 1024 }, new[] { 1 })]            // as most drivers do
    [InlineData(new[] { 1040 }, new[] { 1 })]                // header and data in one buffer
    [InlineData(new[] { 4, 4, 8, 1024 }, new[] { 1 })]       // a header in pieces
    [InlineData(new[] { 20, 1020 }, new[] { 1 })]            // a piece of data behind the header
    [InlineData(new[] { 16, 100, 900, 24 }, new[] { 1 })]    // sectors that are cut
    [InlineData(new[] { 0, 16, 0, 1024, 0 }, new[] { 0, 1, 0 })]
    public void Write_AnySplit_ReachesTheDisk(int[] readable, int[] writable)
    {
        byte[] content = Noise(1024);

        (byte status, uint length) = Serve([.. Header(Out, 7), .. content], readable, writable, out _);

        Assert.Equal((Ok, 1U), (status, length));
        Assert.Equal(content, _disk.Bytes.AsSpan(7 * 512, 1024).ToArray());
    }

    [Theory]
    [InlineData(new[] { 16 }, new[] { 1024, 1 })]
    [InlineData(new[] { 16 }, new[] { 1025 })]               // the status behind the data
    [InlineData(new[] { 8, 8 }, new[] { 1, 1023, 1 })]
    [InlineData(new[] { 16 }, new[] { 511, 2, 511, 1 })]
    [InlineData(new[] { 16 }, new[] { 600, 425 })]
    [InlineData(new[] { 16 }, new[] { 0, 1024, 0, 1, 0 })]
    public void Read_AnySplit_FillsTheBuffers(int[] readable, int[] writable)
    {
        (byte status, uint length) = Serve(Header(In, 7), readable, writable, out byte[] answer);

        Assert.Equal((Ok, 1025U), (status, length));
        Assert.Equal(_disk.Bytes.AsSpan(7 * 512, 1024).ToArray(), answer[..1024]);
    }

    [Fact]
    public void Request_CutAtRandom_DoesWhatTheWholeOneDoes()
    {
        Random random = new(0xC07);
        for (int round = 0; round < 2000; round++)
        {
            int size = random.Next(1, 8) * 512;
            ulong sector = (ulong)random.Next(Sectors - 8);
            byte[] content = Noise(size);

            Assert.Equal(Ok, Serve([.. Header(Out, sector), .. content], Cut(random, 16 + size), Cut(random, 1), out _).Status);
            (byte status, _) = Serve(Header(In, sector), Cut(random, 16), Cut(random, size + 1), out byte[] answer);

            Assert.Equal(Ok, status);
            Assert.Equal(content, answer[..size]);
        }
    }

    [Theory]
    [InlineData(new[] { 16 }, new[] { 20, 1 })]
    [InlineData(new[] { 16 }, new[] { 21 })]
    [InlineData(new[] { 9, 7 }, new[] { 7, 0, 13, 1 })]
    public void GetId_AnySplit_GivesTheSerial(int[] readable, int[] writable)
    {
        (byte status, uint length) = Serve(Header(GetId, 0), readable, writable, out byte[] answer);

        Assert.Equal((Ok, 21U), (status, length));
        Assert.Equal("serial-0123\0\0\0\0\0\0\0\0\0", Encoding.ASCII.GetString(answer[..20]));
    }

    [Theory]
    [InlineData(new[] { 48 })]
    [InlineData(new[] { 15, 2, 31 })]
    public void Discard_AnySplit_ReachesTheDisk(int[] readable)
    {
        byte[] segments = new byte[32];
        segments[0] = 8;
        segments[8] = 16;
        segments[16] = 40;
        segments[24] = 8;

        Assert.Equal(Ok, Serve([.. Header(Discard, 0), .. segments], readable, [1], out _).Status);

        Assert.Equal([(8 * 512, 16 * 512), (40 * 512, 8 * 512)], _disk.Discards);
    }

    [Theory]
    [InlineData(Out, new[] { 16, 511 }, new[] { 1 })]        // no whole sectors
    [InlineData(Out, new[] { 16, 513 }, new[] { 1 })]
    [InlineData(Out, new[] { 16, 512 }, new[] { 2 })]        // data the wrong way
    [InlineData(Out, new[] { 16 }, new[] { 513 })]
    [InlineData(In, new[] { 16 }, new[] { 512 })]            // the status takes a byte of the sector
    [InlineData(In, new[] { 17 }, new[] { 513 })]
    [InlineData(In, new[] { 16, 512 }, new[] { 1 })]
    [InlineData(GetId, new[] { 16 }, new[] { 20 })]
    public void Request_OfAWrongLength_IsAnErrorAndChangesNothing(uint type, int[] readable, int[] writable)
    {
        byte[] before = [.. _disk.Bytes];

        Assert.Equal((IoError, 1U), Serve(Header(type, 3), readable, writable, out _));

        Assert.Equal(before, _disk.Bytes);
    }

    [Fact]
    public void Write_SectorWhoseRestIsNoRam_IsAnErrorAndIsNotWritten()
    {
        byte[] before = [.. _disk.Bytes];
        Put(Buffers, [.. Header(Out, 0), .. new byte[256]]);
        _ring.Describe(0, Buffers, 16 + 256, DriverRing.Next, 1);
        _ring.Describe(1, VirtioDriver.RamSize, 256, DriverRing.Next, 2);
        _ring.Describe(2, Buffers + BufferDistance, 1, DriverRing.Write);

        Offer();

        Assert.Equal(IoError, Guest(Buffers + BufferDistance, 1)[0]);
        Assert.Equal(before, _disk.Bytes);
    }

    [Fact]
    public void Write_WhoseStatusLiesInItsHeader_WritesOnce()
    {
        Put(Buffers, [.. Header(Out, 5), .. Noise(512)]);
        byte[] content = Guest(Buffers + 16, 512);
        _ring.Describe(0, Buffers, 16 + 512, DriverRing.Next, 1);
        _ring.Describe(1, Buffers + 8, 1, DriverRing.Write); // the sector's lowest byte

        Offer();

        Assert.Equal(Ok, Guest(Buffers + 8, 1)[0]);
        Assert.Equal(content, _disk.Bytes.AsSpan(5 * 512, 512).ToArray());
    }

    [Theory]
    [InlineData(new[] { 15 }, new[] { 1 })]
    [InlineData(new[] { 7, 0, 8 }, new[] { 1 })]
    [InlineData(new[] { 0 }, new[] { 1 })]
    [InlineData(new[] { 16 }, new[] { 0, 0 })]
    public void Request_WithoutHeaderOrStatus_CompletesWithNothing(int[] readable, int[] writable)
    {
        Assert.Equal(0U, Serve(Header(Flush, 0), readable, writable, out _).Length);

        Assert.Equal(0, _disk.Flushes);
    }

    private static byte[] Header(uint type, ulong sector)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
        return header;
    }

    private static byte[] Noise(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    /// <summary>A length in up to ten pieces, some of them empty.</summary>
    private static int[] Cut(Random random, int length)
    {
        int[] cuts = [.. Enumerable.Range(0, random.Next(10)).Select(_ => random.Next(length + 1)).Order(), length];
        return [.. cuts.Select((cut, i) => cut - (i == 0 ? 0 : cuts[i - 1]))];
    }

    /// <summary>Lays a message out over buffers of these lengths, has it served and gathers what came back.</summary>
    private (byte Status, uint Length) Serve(byte[] message, int[] readable, int[] writable, out byte[] answer)
    {
        int at = 0;
        for (int i = 0; i < readable.Length + writable.Length; i++)
        {
            bool isWritable = i >= readable.Length;
            int length = isWritable ? writable[i - readable.Length] : readable[i];
            ulong place = Buffers + ((ulong)i * BufferDistance);
            Put(place, isWritable ? Enumerable.Repeat((byte)0xFF, length).ToArray() : message.AsSpan(
                Math.Min(at, message.Length), Math.Min(length, message.Length - Math.Min(at, message.Length))));
            at += isWritable ? 0 : length;
            bool isLast = i == readable.Length + writable.Length - 1;
            _ring.Describe(
                i, place, (uint)length, (ushort)((isWritable ? DriverRing.Write : 0) | (isLast ? 0 : DriverRing.Next)), (ushort)(i + 1));
        }

        uint written = Offer();
        answer = [.. writable.SelectMany((length, i) => Guest(Buffers + ((ulong)(readable.Length + i) * BufferDistance), length))];
        return (answer.Length == 0 ? (byte)0xFF : answer[^1], written);
    }

    private uint Offer()
    {
        int used = _ring.UsedIndex;
        _ring.Offer(0);
        _driver.Notify();
        VirtioDriver.WaitUntil(() => _ring.UsedIndex != used, "the used buffer");
        return _ring.UsedEntry(used).Length;
    }

    private void Put(ulong place, ReadOnlySpan<byte> bytes) => bytes.CopyTo(_driver.Memory.Slice(place, bytes.Length));

    private byte[] Guest(ulong place, int length) => _driver.Memory.Slice(place, length).ToArray();
}
