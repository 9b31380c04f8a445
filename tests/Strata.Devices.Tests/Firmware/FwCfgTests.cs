using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Firmware;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Firmware;

/// <summary>QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device".</summary>
public sealed class FwCfgTests : IDisposable
{
    private const uint Error = 1;
    private const uint Read = 2;
    private const uint Skip = 4;
    private const uint Select = 8;
    private const uint Write = 16;
    private const ulong Block = 0x100;
    private const ulong RamSize = 0x10000;

    private readonly GuestMemory _memory = new(RamSize);
    private readonly AddressSpace _space = new();
    private readonly FwCfg _device;

    public FwCfgTests()
    {
        _space.MapRam(0, _memory, 0, RamSize);
        _device = new FwCfg(_space);
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Signature_ThroughData_IsQemu()
    {
        Assert.Equal("QEMU", Encoding.ASCII.GetString(ReadItem(FwCfg.KeySignature, 4)));
    }

    [Fact]
    public void Signature_ThroughDmaAddress_IsQemuCfgBigEndian()
    {
        Assert.Equal("QEMU CFG"u8.ToArray(), DmaSignature());
    }

    [Fact]
    public void Id_Features_AreTraditionalAndDma()
    {
        Assert.Equal([3, 0, 0, 0], ReadItem(FwCfg.KeyId, 4));
    }

    [Fact]
    public void Data_PastTheEnd_ReadsZeros()
    {
        _device.Add(0x8001, [1, 2]);

        Assert.Equal([1, 2, 0, 0], ReadItem(0x8001, 4));
        Assert.Equal([0, 0], ReadItem(0x7777, 2));
    }

    [Fact]
    public void Selector_Written_StartsOver()
    {
        Assert.Equal((byte)'Q', ReadItem(FwCfg.KeySignature, 1)[0]);
        Assert.Equal((byte)'Q', ReadItem(FwCfg.KeySignature, 1)[0]);
        Assert.Equal((byte)'E', _device.In(1));
    }

    [Fact]
    public void Value_SixteenBits_IsLittleEndian()
    {
        _device.Add(FwCfg.KeyProcessors, 0x0102);

        Assert.Equal([2, 1], ReadItem(FwCfg.KeyProcessors, 2));
    }

    [Fact]
    public void Directory_Files_AreListedBigEndian()
    {
        _device.AddFile("etc/one", new byte[0x1234]);
        _device.AddFile("opt/two", "content"u8.ToArray());

        byte[] directory = ReadItem(FwCfg.KeyDirectory, 4 + (2 * 64));

        Assert.Equal(2U, BinaryPrimitives.ReadUInt32BigEndian(directory));
        Assert.Equal(0x1234U, BinaryPrimitives.ReadUInt32BigEndian(directory.AsSpan(4)));
        Assert.Equal("etc/one\0", Encoding.ASCII.GetString(directory, 12, 8));
        ushort key = BinaryPrimitives.ReadUInt16BigEndian(directory.AsSpan(68 + 4));
        Assert.Equal("content", Encoding.ASCII.GetString(ReadItem(key, 7)));
    }

    [Fact]
    public void AddFile_NameTooLong_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.AddFile(new string('x', 56), []));
    }

    [Fact]
    public void Dma_SelectAndRead_FillsMemoryAndPadsWithZeros()
    {
        _memory.Slice(0x2000, 8).Fill(0xEE);

        Assert.Equal(0U, Dma(Select | Read | (FwCfg.KeySignature << 16), 6, 0x2000));

        Assert.Equal("QEMU\0\0"u8.ToArray(), _memory.Slice(0x2000, 6).ToArray());
        Assert.Equal(0xEE, _memory.Slice(0x2006, 1)[0]);
        Assert.True(_memory.IsDirty(2));
    }

    [Fact]
    public void Dma_Skip_MovesTheOffset()
    {
        Assert.Equal(0U, Dma(Select | Skip | (FwCfg.KeySignature << 16), 2, 0));
        Assert.Equal(0U, Dma(Read, 2, 0x2000));

        Assert.Equal("MU"u8.ToArray(), _memory.Slice(0x2000, 2).ToArray());
    }

    [Fact]
    public void Dma_SkipFarBeyondTheEnd_ReadsZeros()
    {
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(0U, Dma(Skip, uint.MaxValue, 0));
        }

        Assert.Equal(0, _device.In(1));
        Assert.Equal(0U, Dma(Read, 4, 0x2000));
        Assert.Equal([0, 0, 0, 0], _memory.Slice(0x2000, 4).ToArray());
    }

    [Fact]
    public void Dma_Write_IsRefused()
    {
        Assert.Equal(Error, Dma(Select | Write | (FwCfg.KeySignature << 16), 4, 0x2000));

        Assert.Equal("QEMU", Encoding.ASCII.GetString(ReadItem(FwCfg.KeySignature, 4)));
    }

    [Theory]
    [InlineData(RamSize, 1U)]
    [InlineData(RamSize - 1, 2U)]
    [InlineData(0UL, uint.MaxValue)]
    [InlineData(ulong.MaxValue, 4U)]
    [InlineData(0UL, (uint)RamSize + 1)]
    public void Dma_TargetOutsideRam_ReportsAnError(ulong target, uint length)
    {
        Assert.Equal(Error, Dma(Read, length, target));
    }

    [Theory]
    [InlineData(RamSize)]
    [InlineData(RamSize - 15)]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue - 15)]
    public void Dma_BlockOutsideRam_IsIgnored(ulong block)
    {
        Start(block);

        Assert.False(_memory.IsDirty(0));
    }

    [Fact]
    public void Dma_LowHalfAlone_UsesAddressZeroAbove()
    {
        Start(Block | (1UL << 32));
        Assert.Equal(0U, Dma(Select | Read, 4, 0x2000));

        WriteBlock(Read, 1, 0x2010);
        _device.WritePort(8, AccessWidth.Dword, Swap((uint)Block));

        Assert.Equal(0U, BinaryPrimitives.ReadUInt32BigEndian(_memory.Slice(Block, 4)));
    }

    [Fact]
    public void Ports_RandomDescriptorsAndSelectors_NeverThrow()
    {
        _device.AddFile("etc/file", new byte[1000]);
        Random random = new(0x510);
        for (int i = 0; i < 50_000; i++)
        {
            ulong block = (ulong)random.Next((int)RamSize);
            uint length = random.Next(4) == 0 ? (uint)random.NextInt64(1L << 32) : (uint)random.Next(2000);
            ulong target = random.Next(4) == 0 ? (ulong)random.NextInt64(long.MinValue, long.MaxValue) : (ulong)random.Next((int)RamSize);
            if (block + 16 <= RamSize)
            {
                WriteBlock((uint)random.NextInt64(1L << 32) & 0x3F_001F, length, target, block);
            }

            Start(block);
            _device.WritePort((ushort)random.Next(FwCfg.PortCount), (AccessWidth)(1 << random.Next(3)), (uint)random.Next());
            _device.ReadPort((ushort)random.Next(FwCfg.PortCount), (AccessWidth)(1 << random.Next(3)));
        }

        Assert.Equal("QEMU", Encoding.ASCII.GetString(ReadItem(FwCfg.KeySignature, 4)));
    }

    private static uint Swap(uint value) => BinaryPrimitives.ReverseEndianness(value);

    private byte[] DmaSignature()
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, _device.ReadPort(4, AccessWidth.Dword));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), _device.ReadPort(8, AccessWidth.Dword));
        return bytes;
    }

    private byte[] ReadItem(ushort key, int count)
    {
        _device.WritePort(0, AccessWidth.Word, key);
        return [.. Enumerable.Range(0, count).Select(_ => _device.In(1))];
    }

    private void WriteBlock(uint control, uint length, ulong target, ulong block = Block)
    {
        Span<byte> at = _memory.Slice(block, 16);
        BinaryPrimitives.WriteUInt32BigEndian(at, control);
        BinaryPrimitives.WriteUInt32BigEndian(at[4..], length);
        BinaryPrimitives.WriteUInt64BigEndian(at[8..], target);
    }

    private void Start(ulong block)
    {
        _device.WritePort(4, AccessWidth.Dword, Swap((uint)(block >> 32)));
        _device.WritePort(8, AccessWidth.Dword, Swap((uint)block));
    }

    private uint Dma(uint control, uint length, ulong target)
    {
        WriteBlock(control, length, target);
        Start(Block);
        return BinaryPrimitives.ReadUInt32BigEndian(_memory.Slice(Block, 4));
    }
}
