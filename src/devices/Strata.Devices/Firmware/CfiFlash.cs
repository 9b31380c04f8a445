using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Storage;

namespace Strata.Devices.Firmware;

/// <summary>
/// A flash chip, one byte wide, with Intel's basic commands: what UEFI firmware keeps its variables in. As long as it shows its array it
/// is memory, read and executed at full speed; any command turns it into registers until the array is asked for. Intel, <i>3 Volt
/// StrataFlash Memory 28F640J3</i> data sheet, "Command Bus-Cycle Definitions"; JEDEC JESD68.01, "Common Flash Interface".
/// <code>
/// FFh array   70h status   50h clear status   90h identifier   98h query
/// 10h, 40h then data: program (bits go from 1 to 0)      20h then D0h: erase a block (all bits become 1)
/// status: 7 ready   5 erase failed   4 program failed
/// </code>
/// </summary>
public sealed partial class CfiFlash : IMmioDevice, IUnit<CfiFlashState>, IDisposable
{
    /// <summary>Bytes that are erased at once.</summary>
    public const int BlockSize = 4096;

    private const byte Ready = 1 << 7;
    private const byte EraseFailed = 1 << 5;
    private const byte ProgramFailed = 1 << 4;
    private const byte Intel = 0x89;
    private const byte Device = 0x18;
    private const byte Erased = 0xFF;
    private const byte Confirm = 0xD0;
    private const byte ShowArray = 0xFF;

    // Wiring
    private readonly AddressSpace _memory;
    private readonly GuestMemory _chip;
    private readonly IBlockBackend? _store;
    private readonly MemoryRegion _array;
    private readonly MemoryRegion _registers;
    private readonly byte[] _query;

    // Guest-visible state, with the bytes in _chip
    private readonly Lock _gate = new();
    private FlashMode _mode; // under _gate, as all below
    private byte _status;

    private readonly bool[] _changed; // blocks that the store lacks
    private MemoryRegion? _shown;

    /// <param name="memory">Where the chip is seen.</param>
    /// <param name="address">Guest-physical address of its first byte, a multiple of 4 KiB.</param>
    /// <param name="chip">Its bytes, from the start of the memory on: somebody else disposes it.</param>
    /// <param name="size">Bytes, a multiple of <see cref="BlockSize"/>.</param>
    /// <param name="store">Keeps the bytes when the machine is gone, and has them already; the chip disposes it. Null for none.</param>
    public CfiFlash(AddressSpace memory, ulong address, GuestMemory chip, int size, IBlockBackend? store = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(chip);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, BlockSize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(size % BlockSize, 0, nameof(size));
        (_memory, _chip, _store, Size) = (memory, chip, store, size);
        _changed = new bool[size / BlockSize];
        _query = CfiQuery.Describe(size, BlockSize);
        _array = MemoryRegion.Rom(address, chip, 0, (ulong)size, writes: this);
        _registers = MemoryRegion.OfDevice(address, (ulong)size, this, MemoryRegion.OverlayPriority);
        Show();
    }

    /// <summary>Bytes of the chip.</summary>
    public int Size { get; }

    /// <summary>What could not be brought to the store when it was last tried; null if all is well. Any thread.</summary>
    public IOException? StoreFailure { get; private set; }

    /// <summary>Called where the store fails, with what it says. On a processor's thread.</summary>
    public Action<IOException>? StoreFailed { get; init; }

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        lock (_gate)
        {
            ulong value = 0;
            for (int i = 0; i < (int)width; i++)
            {
                value |= (ulong)ReadByte(offset + (ulong)i) << (8 * i);
            }

            return value;
        }
    }

    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        if (offset >= (ulong)Size)
        {
            return;
        }

        lock (_gate)
        {
            switch (_mode)
            {
                case FlashMode.Program:
                    Program(offset, width, value);
                    break;
                case FlashMode.Erase:
                    Erase(offset, (byte)value);
                    break;
                default:
                    Obey((byte)value);
                    break;
            }

            Show();
        }
    }

    /// <summary>Brings what the guest has changed to the store.</summary>
    /// <exception cref="IOException">It could not.</exception>
    public void Dispose()
    {
        lock (_gate)
        {
            Keep();
            _store?.Dispose();
        }

        if (StoreFailure is { } failure)
        {
            throw failure;
        }
    }

    private byte ReadByte(ulong offset) => _mode switch
    {
        _ when offset >= (ulong)Size => Erased,
        FlashMode.Array => _chip.Slice(offset, 1)[0],
        FlashMode.Identifier => (offset & 0xFF) switch { 0 => Intel, 1 => Device, _ => 0 },
        FlashMode.Query => (offset & 0xFF) < (ulong)_query.Length ? _query[(int)(offset & 0xFF)] : (byte)0,
        _ => _status,
    };

    private void Obey(byte command)
    {
        switch (command)
        {
            case ShowArray:
                _mode = FlashMode.Array;
                Keep();
                break;
            case 0x10 or 0x40:
                _mode = FlashMode.Program;
                break;
            case 0x20:
                _mode = FlashMode.Erase;
                break;
            case 0x50:
                // The chip of silicon stays "ready". Firmware for virtual machines tells flash from ROM by all bits' being clear.
                _status = 0;
                _mode = _mode == FlashMode.Array ? FlashMode.Array : FlashMode.Status;
                break;
            case 0x70:
                _mode = FlashMode.Status;
                break;
            case 0x90:
                _mode = FlashMode.Identifier;
                break;
            case 0x98:
                _mode = FlashMode.Query;
                break;
            default:
                break; // suspending, locking and buffered writes: the query says that there are none
        }
    }

    private void Program(ulong offset, AccessWidth width, ulong value)
    {
        _mode = FlashMode.Status;
        if (offset + (ulong)width > (ulong)Size)
        {
            _status |= Ready | ProgramFailed;
            return;
        }

        using (DmaWrite write = _chip.BeginWrite(offset, (int)width))
        {
            for (int i = 0; i < (int)width; i++)
            {
                write.Span[i] &= (byte)(value >> (8 * i));
            }
        }

        _status |= Ready;
        NoteChange(offset);
        NoteChange(offset + (ulong)width - 1);
    }

    private void Erase(ulong offset, byte confirmation)
    {
        _mode = FlashMode.Status;
        if (confirmation != Confirm)
        {
            _status |= Ready | EraseFailed | ProgramFailed; // both: not the sequence that was expected
            return;
        }

        ulong start = offset - (offset % BlockSize);
        using (DmaWrite write = _chip.BeginWrite(start, BlockSize))
        {
            write.Span.Fill(Erased);
        }

        _status |= Ready;
        NoteChange(start);
    }

    private void NoteChange(ulong offset) => _changed[(int)(offset / BlockSize)] = true;

    /// <summary>Under <see cref="_gate"/>. What fails is tried again the next time.</summary>
    private void Keep()
    {
        if (_store is null)
        {
            return;
        }

        bool hasChanged = false;
        try
        {
            for (int block = 0; block < _changed.Length; block++)
            {
                if (_changed[block])
                {
                    _store.Write((long)block * BlockSize, _chip.Slice((ulong)block * BlockSize, BlockSize));
                    _changed[block] = false;
                    hasChanged = true;
                }
            }

            StoreFailure = hasChanged ? null : StoreFailure;
        }
        catch (IOException error)
        {
            StoreFailure = error;
            StoreFailed?.Invoke(error);
        }
    }

    /// <summary>Under <see cref="_gate"/>: memory where the array shows, registers otherwise.</summary>
    private void Show()
    {
        MemoryRegion wanted = _mode == FlashMode.Array ? _array : _registers;
        if (!ReferenceEquals(wanted, _shown))
        {
            _memory.Change(_shown is null ? [] : [_shown], [wanted]);
            _shown = wanted;
        }
    }
}
