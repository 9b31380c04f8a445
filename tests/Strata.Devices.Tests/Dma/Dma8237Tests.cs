using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Tests.State;
using Strata.Devices.Dma;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Dma;

/// <summary>Intel 8237A data sheet; IBM PC/AT Technical Reference, "DMA".</summary>
public sealed class Dma8237Tests : IDisposable
{
    private const int ToMemory = 0x44; // single mode, write transfer
    private const int FromMemory = 0x48;
    private const int Autoinitialize = 0x10;
    private const int Decrement = 0x20;

    private readonly GuestMemory _ram = new(1 << 20);
    private readonly AddressSpace _memory = new();
    private readonly Dma8237 _dma;

    public Dma8237Tests()
    {
        _memory.MapRam(0, _ram, 0, _ram.Size);
        _dma = new Dma8237(_memory);
        _dma.Second.Out(0x1E, 0x0E); // only the cascade is open
    }

    public void Dispose() => _ram.Dispose();

    [Fact]
    public void Write_ToMemory_EndsAtTheCountAndMasksTheChannel()
    {
        Program(2, ToMemory, 0x2_1234, count: 3);

        int taken = _dma.Channel(2).Write([1, 2, 3, 4, 5], out bool isTerminal);

        Assert.Equal(3, taken);
        Assert.True(isTerminal);
        Assert.Equal([1, 2, 3, 0], Bytes(0x2_1234, 4));
        Assert.False(_dma.Channel(2).IsReady);
        Assert.Equal(0x04, _dma.First.In(8));
        Assert.Equal(0x00, _dma.First.In(8)); // read once
    }

    [Fact]
    public void Write_InPieces_GoesOnWhereTheLastOneEnded()
    {
        Program(2, ToMemory, 0x1000, count: 4);

        _dma.Channel(2).Write([1, 2], out bool first);
        _dma.Channel(2).Write([3, 4], out bool second);

        Assert.Equal((false, true), (first, second));
        Assert.Equal([1, 2, 3, 4], Bytes(0x1000, 4));
    }

    [Fact]
    public void Read_FromMemory_GivesItsBytes()
    {
        Program(3, FromMemory, 0x3_0000, count: 4);
        _memory.TryWriteBytes(0x3_0000, [9, 8, 7, 6]);
        byte[] bytes = new byte[4];

        Assert.Equal(4, _dma.Channel(3).Read(bytes, out _));

        Assert.Equal([9, 8, 7, 6], bytes);
    }

    [Fact]
    public void Write_AcrossThePage_WrapsInIt()
    {
        Program(2, ToMemory, 0x2_FFFE, count: 4);

        _dma.Channel(2).Write([1, 2, 3, 4], out _);

        Assert.Equal([1, 2], Bytes(0x2_FFFE, 2));
        Assert.Equal([3, 4], Bytes(0x2_0000, 2));
    }

    [Fact]
    public void Write_WordsChannel_AddressesWords()
    {
        Program(5, ToMemory, 0x4_0002, count: 2);

        int taken = _dma.Channel(5).Write([1, 2, 3, 4, 5, 6], out _);

        Assert.Equal(4, taken);
        Assert.Equal([1, 2, 3, 4, 0], Bytes(0x4_0002, 5));
    }

    [Fact]
    public void Write_Decrementing_GoesDown()
    {
        Program(2, ToMemory | Decrement, 0x1003, count: 3);

        _dma.Channel(2).Write([1, 2, 3], out _);

        Assert.Equal([3, 2, 1], Bytes(0x1001, 3));
    }

    [Fact]
    public void Write_Autoinitialize_BeginsAgain()
    {
        Program(2, ToMemory | Autoinitialize, 0x1000, count: 2);

        _dma.Channel(2).Write([1, 2], out bool isTerminal);
        _dma.Channel(2).Write([3], out _);

        Assert.True(isTerminal);
        Assert.Equal([3, 2], Bytes(0x1000, 2));
    }

    [Theory]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    public void Write_MaskedDisabledOrWithoutCascade_TakesNothing(bool masked, bool disabled, bool withoutCascade)
    {
        Program(2, ToMemory, 0x1000, count: 2);
        _dma.First.Out(0x0A, masked ? 6 : 2);
        _dma.First.Out(0x08, disabled ? 4 : 0);
        _dma.Second.Out(0x1E, withoutCascade ? 0x0F : 0x0E);

        Assert.Equal(0, _dma.Channel(2).Write([1, 2], out _));
    }

    [Fact]
    public void Write_WhereThereIsNoRam_CountsAndWritesNothing()
    {
        Program(2, ToMemory, 0xF0_0000, count: 2);

        Assert.Equal(2, _dma.Channel(2).Write([1, 2], out bool isTerminal));
        Assert.True(isTerminal);
    }

    [Fact]
    public void Registers_BytePointer_ReadsLowThenHigh()
    {
        Program(1, ToMemory, 0x5678, count: 0x1235);

        _dma.First.Out(0x0C, 0);

        Assert.Equal([0x78, 0x56, 0x34, 0x12], [_dma.First.In(2), _dma.First.In(2), _dma.First.In(3), _dma.First.In(3)]);
    }

    [Fact]
    public void Registers_MasterClear_MasksAllChannels()
    {
        Program(2, ToMemory, 0x1000, count: 2);

        _dma.First.Out(0x0D, 0);

        Assert.Equal(0xFF, _dma.First.In(0x0F));
        _dma.First.Out(0x0E, 0);
        Assert.Equal(0xF0, _dma.First.In(0x0F));
    }

    [Fact]
    public void Contract_InUse_Holds()
    {
        Program(2, ToMemory, 0x2_1234, count: 3);
        Program(6, FromMemory, 0x4_1234, count: 3);
        _dma.Channel(2).Write([1, 2, 3], out _);

        UnitContract.Check<Dma8237State>(_dma, (property, old) => property.Name switch
        {
            nameof(Dma8237ChannelState.Mode) => (byte)0x54,
            _ => null,
        });
    }

    private void Program(int channel, int mode, int address, int count)
    {
        IPortDevice ports = channel < 4 ? _dma.First : _dma.Second;
        int stride = channel < 4 ? 1 : 2;
        int number = channel & 3;
        int unit = channel < 4 ? address : address >> 1;
        ports.Out(0xA * stride, 4 | number);
        ports.Out(0xC * stride, 0);
        ports.Out(0xB * stride, mode | number);
        ports.Out(number * 2 * stride, unit & 0xFF);
        ports.Out(number * 2 * stride, (unit >> 8) & 0xFF);
        ports.Out(((number * 2) + 1) * stride, (count - 1) & 0xFF);
        ports.Out(((number * 2) + 1) * stride, (count - 1) >> 8);
        int[] pages = [7, 3, 1, 2, 0xF, 0xB, 9, 0xA];
        _dma.Pages.Out(pages[channel], address >> 16);
        ports.Out(0xA * stride, number);
    }

    private byte[] Bytes(ulong gpa, int count) => _memory.TryGetSpan(gpa, (uint)count, out ReadOnlySpan<byte> span) ? span.ToArray() : [];
}
