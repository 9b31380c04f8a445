using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Storage;
using Strata.Core.Tests.State;
using Strata.Devices.Firmware;

namespace Strata.Devices.Tests.Firmware;

/// <summary>Intel, 28F640J3 data sheet, "Command Bus-Cycle Definitions"; JEDEC JESD68.01.</summary>
public sealed class CfiFlashTests : IDisposable
{
    private const ulong Base = 0xFFC0_0000;
    private const int Size = 4 * CfiFlash.BlockSize;

    private readonly GuestMemory _chip = new(2 * Size);
    private readonly AddressSpace _space = new();
    private readonly Store _store = new();
    private readonly CfiFlash _flash;

    public CfiFlashTests()
    {
        _chip.Slice(0, Size).Fill(0xFF);
        _chip.Slice(0x123, 1)[0] = 0xA5;
        _flash = new CfiFlash(_space, Base, _chip, Size, _store);
    }

    public void Dispose()
    {
        _flash.Dispose();
        _chip.Dispose();
    }

    [Fact]
    public void Array_AfterPowerOn_IsMemory()
    {
        Assert.True(_space.TryGetRamPage(Base, out _));
        Assert.Equal(0xA5, Read(0x123));
    }

    [Fact]
    public void Status_AfterAClear_IsZeroAndNoMemoryShows()
    {
        Write(0x123, 0x50);
        Write(0x123, 0x70);

        Assert.False(_space.TryGetRamPage(Base, out _));
        Assert.Equal(0, Read(0x123));
        Write(0, 0xFF);
        Assert.Equal(0xA5, Read(0x123));
    }

    [Fact]
    public void Program_OverOldBits_ClearsButDoesNotSet()
    {
        Program(0x123, 0x3C);

        Assert.Equal(0x80, Read(0)); // ready, no error
        Write(0, 0xFF);
        Assert.Equal(0xA5 & 0x3C, Read(0x123));
    }

    [Fact]
    public void Erase_Confirmed_FillsOneBlock()
    {
        Program(CfiFlash.BlockSize, 0);
        Program(0x10, 0);

        Write(0x20, 0x20);
        Write(0x20, 0xD0);
        Write(0, 0xFF);

        Assert.Equal((0xFF, 0xFF, 0), (Read(0x10), Read(0x123), Read(CfiFlash.BlockSize)));
    }

    [Fact]
    public void Erase_NotConfirmed_ChangesNothingAndSaysSo()
    {
        Write(0x20, 0x20);
        Write(0x20, 0xFF);

        Assert.Equal(0xB0, Read(0));
        Write(0, 0xFF);
        Assert.Equal(0xA5, Read(0x123));
    }

    [Fact]
    public void Query_ShowsTheStandardAndTheBlocks()
    {
        Write(0, 0x98);

        Assert.Equal(('Q', 'R', 'Y'), ((char)Read(0x10), (char)Read(0x11), (char)Read(0x12)));
        Assert.Equal(Size / CfiFlash.BlockSize, Read(0x2D) + 1);
        Assert.Equal(CfiFlash.BlockSize, Read(0x2F) * 256);
        Write(0, 0x90);
        Assert.Equal(0x89, Read(0));
    }

    [Fact]
    public void Store_GetsChangedBlocksWhenTheArrayShowsAgain()
    {
        Program(0x123, 0x01);
        Assert.Empty(_store.Written);

        Write(0, 0xFF);

        Assert.Equal(0x01, _store.Bytes[0x123]);
        Assert.Equal(0, Assert.Single(_store.Written));
    }

    [Fact]
    public void Store_ThatFails_IsTriedAgainAndSaidAtTheEnd()
    {
        List<string> heard = [];
        using GuestMemory chip = new(Size);
        Store store = new() { Failure = new IOException("The disk is full.") };
        CfiFlash flash = new(_space, 0x1000_0000, chip, Size, store) { StoreFailed = error => heard.Add(error.Message) };
        flash.WriteMmio(0, AccessWidth.Byte, 0x20);
        flash.WriteMmio(0, AccessWidth.Byte, 0xD0);
        flash.WriteMmio(0, AccessWidth.Byte, 0xFF);
        Assert.Equal(["The disk is full."], heard);

        Assert.Throws<IOException>(flash.Dispose);
        store.Failure = null;
        flash.Dispose();

        Assert.Equal(0xFF, store.Bytes[0]);
    }

    [Fact]
    public void Reset_InTheMiddle_ShowsTheArrayAndKeepsTheBytes()
    {
        Program(0x123, 0x01);

        _flash.Reset();

        Assert.Equal(0x01, Read(0x123));
        Assert.Equal(0x01, _store.Bytes[0x123]);
    }

    [Fact]
    public void Flash_BeingProgrammed_HoldsTheContract()
    {
        Program(0x123, 0x01);

        UnitContract.Check(_flash, (property, _) => property.Name switch
        {
            nameof(CfiFlashState.Mode) => FlashMode.Erase,
            nameof(CfiFlashState.Status) => (byte)0xB0,
            nameof(CfiFlashState.Content) => Enumerable.Range(0, Size).Select(i => (byte)(i * 7)).ToArray(),
            _ => null,
        });
    }

    [Fact]
    public void LoadState_OfAChipOfAnotherSize_IsRefused()
    {
        CfiFlashState state = _flash.SaveState();
        state.Content = new byte[Size / 2];

        Assert.Throws<StateException>(() => _flash.LoadState(state));
        Assert.Equal(0xA5, Read(0x123));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Commands_AnyOfThem_StayWithinTheChipAndEndInTheArray(int seed)
    {
        Random random = new(seed);
        byte[] commands = [0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xB0, 0xD0, 0xE8, 0xFF];
        AccessWidth[] widths = [AccessWidth.Byte, AccessWidth.Word, AccessWidth.Dword, AccessWidth.Qword];
        byte[] model = _chip.Slice(0, Size).ToArray();
        for (int i = 0; i < 5000; i++)
        {
            ulong offset = (ulong)random.Next(Size + 16);
            AccessWidth width = widths[random.Next(widths.Length)];
            ulong value = random.Next(4) == 0 ? (ulong)random.NextInt64() : commands[random.Next(commands.Length)];
            FlashMode before = _flash.SaveState().Mode;
            _flash.WriteMmio(offset, width, value);
            _flash.ReadMmio(offset, width);
            Expect(model, before, offset, (int)width, value);
        }

        Write(0, 0xFF); // ends what a command has begun
        Write(0, 0xFF);

        Assert.Equal(FlashMode.Array, _flash.SaveState().Mode);
        Assert.True(_space.TryGetRamPage(Base, out _));
        Assert.All(_store.Written.Distinct(), block => Assert.Equal(
            model[(int)block..((int)block + CfiFlash.BlockSize)], _store.Bytes[(int)block..((int)block + CfiFlash.BlockSize)]));
        Assert.False(_chip.Slice(Size, Size).ContainsAnyExcept((byte)0)); // the ROM behind
    }

    /// <summary>What the bytes have to be, worked out apart from the chip.</summary>
    private void Expect(byte[] model, FlashMode before, ulong offset, int width, ulong value)
    {
        if (before == FlashMode.Program && offset + (ulong)width <= Size)
        {
            for (int i = 0; i < width; i++)
            {
                model[offset + (ulong)i] &= (byte)(value >> (8 * i));
            }
        }
        else if (before == FlashMode.Erase && offset < Size && (byte)value == 0xD0)
        {
            model.AsSpan((int)offset / CfiFlash.BlockSize * CfiFlash.BlockSize, CfiFlash.BlockSize).Fill(0xFF);
        }

        Assert.True(_chip.Slice(0, Size).SequenceEqual(model));
    }

    private void Program(ulong offset, byte value)
    {
        Write(offset, 0x40);
        Write(offset, value);
    }

    private int Read(ulong offset) => (int)_space.Read(Base + offset, AccessWidth.Byte);

    private void Write(ulong offset, byte value) => _space.Write(Base + offset, AccessWidth.Byte, value);

    private sealed class Store : IBlockBackend
    {
        public byte[] Bytes { get; } = new byte[Size];

        public List<long> Written { get; } = [];

        public IOException? Failure { get; set; }

        public long Sectors => Size / 512;

        public bool IsReadOnly => false;

        public void Read(long offset, Span<byte> buffer) => Bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);

        public void Write(long offset, ReadOnlySpan<byte> buffer)
        {
            if (Failure is { } failure)
            {
                throw failure;
            }

            buffer.CopyTo(Bytes.AsSpan((int)offset));
            Written.Add(offset);
        }

        public void Flush()
        {
        }

        public void Discard(long offset, long length)
        {
        }

        public void WriteZeros(long offset, long length) => Bytes.AsSpan((int)offset, (int)length).Clear();

        public void Dispose()
        {
        }
    }
}
