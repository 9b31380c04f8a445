using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.State;

namespace Strata.Devices.Firmware;

/// <summary>
/// The firmware configuration device: named items that firmware and test suites read. QEMU documentation, "QEMU Firmware Configuration
/// (fw_cfg) Device".
/// <code>
/// +0 selector (16-bit write)   +1 data (8-bit read)   +4 DMA address, high then low half, big-endian
/// DMA control block: 0 control (32, big-endian)   4 length (32)   8 address (64)
/// </code>
/// Items are added while the machine is built and are read-only for the guest.
/// </summary>
public sealed class FwCfg : IPortDevice, IUnit<FwCfgState>
{
    /// <summary>Ports in the range.</summary>
    public const int PortCount = 12;

    public const ushort KeySignature = 0x00;
    public const ushort KeyId = 0x01;
    public const ushort KeyRamSize = 0x03;
    public const ushort KeyProcessors = 0x05;
    public const ushort KeyMaxProcessors = 0x0F;
    public const ushort KeyDirectory = 0x19;

    private const ushort FirstFile = 0x20;
    private const uint ControlError = 1;
    private const uint ControlRead = 2;
    private const uint ControlSkip = 4;
    private const uint ControlSelect = 8;
    private const uint ControlWrite = 16;

    // Configuration
    private readonly Dictionary<ushort, byte[]> _items = [];
    private readonly List<(string Name, ushort Key, int Size)> _files = [];

    // Wiring
    private readonly AddressSpace _memory;

    // Guest-visible state
    private readonly Lock _gate = new();
    private ushort _selector;
    private uint _offset;
    private uint _dmaHigh;

    public FwCfg(AddressSpace memory)
    {
        _memory = memory;
        _items[KeySignature] = Encoding.ASCII.GetBytes("QEMU");
        _items[KeyId] = [3, 0, 0, 0]; // port interface and DMA
        UpdateDirectory();
    }

    public string UnitName => "fw-cfg";

    public void Add(ushort key, byte[] content) => _items[key] = content;

    public void Add(ushort key, ushort value) => _items[key] = [(byte)value, (byte)(value >> 8)];

    /// <summary>Adds a named item.</summary>
    /// <param name="name">At most 55 ASCII characters, such as "opt/org.example/config".</param>
    public void AddFile(string name, byte[] content)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(name.Length, 55);
        ushort key = (ushort)(FirstFile + _files.Count);
        _files.Add((name, key, content.Length));
        _items[key] = content;
        UpdateDirectory();
    }

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            switch (offset)
            {
                case 1:
                    return Next();
                case 4 when width == AccessWidth.Dword:
                    return BinaryPrimitives.ReverseEndianness(0x51454D55u); // "QEMU"
                case 8 when width == AccessWidth.Dword:
                    return BinaryPrimitives.ReverseEndianness(0x20434647u); // " CFG"
                default:
                    return 0;
            }
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        lock (_gate)
        {
            switch (offset)
            {
                case 0 when width == AccessWidth.Word:
                    _selector = (ushort)value;
                    _offset = 0;
                    break;
                case 4 when width == AccessWidth.Dword:
                    _dmaHigh = BinaryPrimitives.ReverseEndianness(value);
                    break;
                case 8 when width == AccessWidth.Dword:
                    RunDma(((ulong)_dmaHigh << 32) | BinaryPrimitives.ReverseEndianness(value));
                    _dmaHigh = 0;
                    break;
                default:
                    break;
            }
        }
    }

    public void Reset()
    {
        lock (_gate)
        {
            (_selector, _offset, _dmaHigh) = (0, 0, 0);
        }
    }

    public FwCfgState SaveState()
    {
        lock (_gate)
        {
            return new FwCfgState { Selector = _selector, Offset = _offset, DmaHigh = _dmaHigh };
        }
    }

    public void LoadState(FwCfgState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            (_selector, _offset, _dmaHigh) = (state.Selector, state.Offset, state.DmaHigh);
        }
    }

    private byte Next()
    {
        byte[] item = _items.GetValueOrDefault(_selector) ?? [];
        return _offset < (uint)item.Length ? item[_offset++] : (byte)0;
    }

    private void RunDma(ulong address)
    {
        if (!_memory.TryBeginWrite(address, 16, out DmaWrite write))
        {
            return; // nowhere to report an error to
        }

        using DmaWrite request = write;
        Span<byte> block = request.Span;
        uint control = BinaryPrimitives.ReadUInt32BigEndian(block);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(block[4..]);
        ulong target = BinaryPrimitives.ReadUInt64BigEndian(block[8..]);
        if ((control & ControlSelect) != 0)
        {
            _selector = (ushort)(control >> 16);
            _offset = 0;
        }

        uint result = 0;
        if ((control & ControlWrite) != 0)
        {
            result = ControlError;
        }
        else if ((control & ControlRead) != 0)
        {
            result = CopyTo(target, length) ? 0 : ControlError;
        }
        else if ((control & ControlSkip) != 0)
        {
            _offset = (uint)Math.Min((ulong)_offset + length, int.MaxValue);
        }

        BinaryPrimitives.WriteUInt32BigEndian(block, result);
    }

    /// <summary>Beyond the end of an item there are zeros.</summary>
    private bool CopyTo(ulong target, uint length)
    {
        if (length == 0)
        {
            return true;
        }

        if (!_memory.TryBeginWrite(target, length, out DmaWrite write))
        {
            return false;
        }

        using DmaWrite place = write;

        byte[] item = _items.GetValueOrDefault(_selector) ?? [];
        ReadOnlySpan<byte> rest = _offset < (uint)item.Length ? item.AsSpan((int)_offset) : [];
        int count = (int)Math.Min((uint)rest.Length, length);
        place.Span.Clear();
        rest[..count].CopyTo(place.Span);
        _offset += (uint)count;
        return true;
    }

    private void UpdateDirectory()
    {
        byte[] directory = new byte[4 + (_files.Count * 64)];
        BinaryPrimitives.WriteUInt32BigEndian(directory, (uint)_files.Count);
        for (int i = 0; i < _files.Count; i++)
        {
            Span<byte> at = directory.AsSpan(4 + (i * 64));
            BinaryPrimitives.WriteUInt32BigEndian(at, (uint)_files[i].Size);
            BinaryPrimitives.WriteUInt16BigEndian(at[4..], _files[i].Key);
            Encoding.ASCII.GetBytes(_files[i].Name).CopyTo(at[8..]);
        }

        _items[KeyDirectory] = directory;
    }
}
