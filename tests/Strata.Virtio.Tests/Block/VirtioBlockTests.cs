using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Virtio.Block;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Block;

/// <summary>VIRTIO 1.2, "Block Device".</summary>
public sealed class VirtioBlockTests : IDisposable
{
    private const int Sectors = 64;
    private const uint In = 0;
    private const uint Out = 1;
    private const uint Flush = 4;
    private const uint GetId = 8;
    private const byte Ok = 0;
    private const byte IoError = 1;
    private const byte Unsupported = 2;
    private const ulong Header = 0x8000;
    private const ulong StatusByte = 0x8800;
    private const ulong Data = 0x9000;
    private const ushort Next = DriverRing.Next;
    private const ushort Write = DriverRing.Write;

    private readonly MemoryDisk _disk = new(Sectors);
    private VirtioDriver _driver;
    private DriverRing _ring;

    public VirtioBlockTests()
    {
        new Random(1).NextBytes(_disk.Bytes);
        _driver = new VirtioDriver(space => new VirtioBlock(space, _disk, "serial-0123"));
        _ring = _driver.Start();
    }

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Configuration_Space_HasCapacityAndBlockSize()
    {
        Assert.Equal((ulong)Sectors, _driver.ReadDevice(0, AccessWidth.Qword));
        Assert.Equal(512UL, _driver.ReadDevice(20, AccessWidth.Dword));
        Assert.Equal(0UL, _driver.ReadDevice(0xFF8, AccessWidth.Qword));
        Assert.Equal(1UL << 9, _driver.OfferedFeatures() & ((1UL << 9) | (1UL << 5)));
    }

    [Fact]
    public void Read_OneBuffer_CopiesTheSectors()
    {
        Assert.Equal(Ok, Request(In, sector: 3, 1024, Write));

        Assert.Equal(_disk.Bytes.AsSpan(3 * 512, 1024).ToArray(), Guest(Data, 1024));
        Assert.Equal(1025U, _ring.UsedEntry(0).Length);
        Assert.True(_driver.Memory.IsDirty(Data >> 12));
    }

    [Fact]
    public void Read_ScatteredBuffers_ContinuesWhereTheLastEnded()
    {
        Describe(In, sector: 10);
        _ring.Describe(1, Data, 512, Next | Write, 2);
        _ring.Describe(2, Data + 0x2000, 1024, Next | Write, 3);
        _ring.Describe(3, StatusByte, 1, Write);

        Assert.Equal(Ok, Serve());

        Assert.Equal(_disk.Bytes.AsSpan(10 * 512, 512).ToArray(), Guest(Data, 512));
        Assert.Equal(_disk.Bytes.AsSpan(11 * 512, 1024).ToArray(), Guest(Data + 0x2000, 1024));
    }

    [Fact]
    public void Read_StatusBehindTheDataInOneBuffer_Works()
    {
        Describe(In, sector: 0);
        _ring.Describe(1, Data, 513, Write);

        Serve();

        Assert.Equal(_disk.Bytes.AsSpan(0, 512).ToArray(), Guest(Data, 512));
        Assert.Equal(Ok, Guest(Data + 512, 1)[0]);
    }

    [Fact]
    public void Write_ThenFlush_ReachesTheDisk()
    {
        Restart(VirtioDriver.Version1 | (1UL << 9));
        byte[] content = new byte[1536];
        new Random(2).NextBytes(content);
        content.CopyTo(_driver.Memory.Slice(Data, content.Length));

        Assert.Equal(Ok, Request(Out, sector: 7, 1536, flags: 0));
        Assert.Equal(Ok, Request(Flush, sector: 0, 0, flags: 0));

        Assert.Equal(content, _disk.Bytes.AsSpan(7 * 512, 1536).ToArray());
        Assert.Equal(1, _disk.Flushes);
        Assert.Equal((0U, 1U), _ring.UsedEntry(0));
    }

    [Fact]
    public void GetId_Buffer_HoldsThePaddedSerial()
    {
        _driver.Memory.Slice(Data, 21).Fill(0xEE);

        Assert.Equal(Ok, Request(GetId, sector: 0, 20, Write));

        Assert.Equal("serial-0123\0\0\0\0\0\0\0\0\0", Encoding.ASCII.GetString(Guest(Data, 20)));
        Assert.Equal(0xEE, Guest(Data + 20, 1)[0]);
    }

    [Fact]
    public void Request_IndirectAndEventIndex_Works()
    {
        Restart(VirtioDriver.Version1 | VirtioDriver.EventIndex | (1UL << 28));
        Describe(In, sector: 5);
        _ring.DescribeAt(0xA000, Header, 16, Next, 1);
        _ring.DescribeAt(0xA010, Data, 512, Next | Write, 2);
        _ring.DescribeAt(0xA020, StatusByte, 1, Write);
        _ring.Describe(0, 0xA000, 48, DriverRing.Indirect);

        Assert.Equal(Ok, Serve());

        Assert.Equal(_disk.Bytes.AsSpan(5 * 512, 512).ToArray(), Guest(Data, 512));
        VirtioDriver.WaitUntil(() => _driver.Line, "the interrupt line");
    }

    [Fact]
    public void Request_ManyInARow_AreServedInOrder()
    {
        for (int i = 0; i < 500; i++)
        {
            Assert.Equal(Ok, Request(In, (ulong)(i % Sectors), 512, Write));
            Assert.Equal(_disk.Bytes[i % Sectors * 512], Guest(Data, 1)[0]);
        }
    }

    [Theory]
    [InlineData(In, 64UL, 512U)]
    [InlineData(In, 63UL, 1024U)]
    [InlineData(In, ulong.MaxValue, 512U)]
    [InlineData(In, 1UL << 55, 512U)]
    [InlineData(In, 0UL, 511U)]
    [InlineData(In, 0UL, 0xFFFF_FE00U)]
    public void Read_OutsideDiskOrUnaligned_IsAnError(uint type, ulong sector, uint length)
    {
        Assert.Equal(IoError, Request(type, sector, length, Write));
    }

    [Fact]
    public void Write_BehindTheEnd_ChangesNothing()
    {
        byte[] before = [.. _disk.Bytes];

        Assert.Equal(IoError, Request(Out, 64, 512, flags: 0));

        Assert.Equal(before, _disk.Bytes);
    }

    [Theory]
    [InlineData(VirtioDriver.RamSize)]
    [InlineData(VirtioDriver.RamSize - 256)]
    [InlineData(ulong.MaxValue - 511)]
    [InlineData(0xE000_0000UL)]
    public void Read_IntoNoRam_IsAnError(ulong address)
    {
        Describe(In, sector: 0);
        _ring.Describe(1, address, 512, Next | Write, 2);
        _ring.Describe(2, StatusByte, 1, Write);

        Assert.Equal(IoError, Serve());
    }

    [Fact]
    public void Read_IntoReadableBuffer_IsAnError() => Assert.Equal(IoError, Request(In, 0, 512, flags: 0));

    [Fact]
    public void Write_FromWritableBuffer_IsAnError() => Assert.Equal(IoError, Request(Out, 0, 512, Write));

    [Fact]
    public void Request_UnknownType_IsUnsupported() => Assert.Equal(Unsupported, Request(0x77, 0, 512, Write));

    [Theory]
    [InlineData(In, 512U, Write)]
    [InlineData(Out, 512U, (ushort)0)]
    [InlineData(Flush, 0U, (ushort)0)]
    public void Request_DiskFails_IsAnError(uint type, uint length, ushort flags)
    {
        _disk.Fails = true;
        Assert.Equal(IoError, Request(type, 0, length, flags));

        _disk.Fails = false;
        Assert.Equal(Ok, Request(type, 0, length, flags));
    }

    [Fact]
    public void Write_ReadOnlyDisk_IsOfferedAndRefused()
    {
        using MemoryDisk disk = new(8, readOnly: true);
        _driver.Dispose();
        _driver = new VirtioDriver(space => new VirtioBlock(space, disk, "x"));
        _ring = _driver.Start();
        _driver.Memory.Slice(Data, 512).Fill(0xAA);

        Assert.Equal(1UL << 5, _driver.OfferedFeatures() & (1UL << 5));
        Assert.Equal(IoError, Request(Out, 0, 512, flags: 0));
        Assert.Equal(0, disk.Bytes[0]);
    }

    [Fact]
    public void Request_NoRoomForStatus_CompletesWithNothing()
    {
        _ring.Describe(0, Header, 16);
        AssertCompletesWithNothing();

        _ring.Describe(0, Header, 8, Next, 1);
        _ring.Describe(1, StatusByte, 1, Write);
        AssertCompletesWithNothing();

        _ring.Describe(0, Header, 16, Next, 1);
        _ring.Describe(1, StatusByte, 0, Write);
        AssertCompletesWithNothing();

        _ring.Describe(0, VirtioDriver.RamSize, 16, Next, 1);
        _ring.Describe(1, StatusByte, 1, Write);
        AssertCompletesWithNothing();
    }

    [Fact]
    public void Dispose_Device_ClosesTheDisk()
    {
        _driver.Dispose();

        Assert.True(_disk.IsDisposed);
    }

    /// <summary>Rings and registers full of noise: afterwards the device still resets and serves.</summary>
    [Fact]
    public void Device_HostileRings_NeverThrowOrHang()
    {
        Random random = new(0xB10C);
        for (int i = 0; i < 3_000; i++)
        {
            ushort size = (ushort)(1 << random.Next(5));
            Restart(random.Next(2) == 0 ? VirtioDriver.Version1 : VirtioDriver.Version1 | VirtioDriver.EventIndex, size);
            if (random.Next(8) == 0)
            {
                _driver.Negotiate(VirtioDriver.Version1);
                _driver.EnableQueue(size, RandomAddress(random), RandomAddress(random), RandomAddress(random));
                _driver.Status = 0xF;
            }

            BinaryPrimitives.WriteUInt32LittleEndian(_driver.Memory.Slice(Header, 4), (uint)random.Next(10));
            BinaryPrimitives.WriteUInt64LittleEndian(_driver.Memory.Slice(Header + 8, 8), (ulong)random.Next(Sectors + 2));
            for (int d = 0; d < size; d++)
            {
                ulong address = random.Next(6) == 0 ? RandomAddress(random) : Header;
                uint length = random.Next(6) == 0 ? (uint)random.NextInt64(1L << 32) : (uint)random.Next(1, 5) * 512;
                _ring.Describe(d, address, length, (ushort)random.Next(8), (ushort)random.Next(size + 1));
            }

            for (int chain = random.Next(size + 1); chain >= 0; chain--)
            {
                _ring.Offer((ushort)random.Next(size + 1));
            }

            _ring.AvailableIndex += (ushort)(random.Next(8) == 0 ? random.Next(0x10000) : 0);
            _driver.Notify();
            SpinWait.SpinUntil(() => _driver.Line || (_driver.Status & VirtioDriver.NeedsReset) != 0, 2);
        }

        Restart(VirtioDriver.Version1);
        Assert.Equal(Ok, Request(Flush, 0, 0, flags: 0));
    }

    private static ulong RandomAddress(Random random) => random.Next(4) switch
    {
        0 => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
        1 => VirtioDriver.RamSize - (ulong)random.Next(0x100),
        2 => ulong.MaxValue - (ulong)random.Next(0x100),
        _ => (ulong)random.Next((int)VirtioDriver.RamSize),
    };

    private void Restart(ulong features, ushort size = 16) => _ring = _driver.Start(features, size);

    private byte[] Guest(ulong address, int length) => _driver.Memory.Slice(address, length).ToArray();

    private void Describe(uint type, ulong sector)
    {
        Span<byte> header = _driver.Memory.Slice(Header, 16);
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], sector);
        _ring.Describe(0, Header, 16, Next, 1);
    }

    private byte Request(uint type, ulong sector, uint length, ushort flags)
    {
        Describe(type, sector);
        _ring.Describe(1, length == 0 ? StatusByte : Data, Math.Max(length, 1), length == 0 ? Write : (ushort)(flags | Next), 2);
        _ring.Describe(2, StatusByte, 1, Write);
        return Serve();
    }

    private byte Serve()
    {
        _driver.Memory.Slice(StatusByte, 1)[0] = 0xFF;
        int used = _ring.UsedIndex;
        _ring.Offer(0);
        _driver.Notify();
        VirtioDriver.WaitUntil(() => _ring.UsedIndex != used, "the used buffer");
        return Guest(StatusByte, 1)[0];
    }

    private void AssertCompletesWithNothing()
    {
        int used = _ring.UsedIndex;
        Assert.Equal(0xFF, Serve());
        Assert.Equal(0U, _ring.UsedEntry(used).Length);
    }
}
