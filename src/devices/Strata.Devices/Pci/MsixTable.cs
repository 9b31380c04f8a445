using Strata.Core.Bus;
using Strata.Core.Interrupts;

namespace Strata.Devices.Pci;

/// <summary>
/// The MSI-X table and pending bits of a function, in one 4 KiB BAR. PCI Local Bus Specification 3.0, "MSI-X Capability and Table
/// Structures".
/// <code>
/// entry:  +0 address low   +4 address high   +8 data   +12 vector control (bit 0 masks)
/// </code>
/// </summary>
public sealed partial class MsixTable : IMmioDevice
{
    /// <summary>Bytes of the BAR.</summary>
    public const uint BarSize = 0x1000;

    /// <summary>Offset of the pending-bit array.</summary>
    public const int PendingOffset = 0x800;

    /// <summary>Words of an entry.</summary>
    internal const int EntryWords = 4;

    /// <summary>Vector number that means "none".</summary>
    public const ushort NoVector = 0xFFFF;

    private const ushort ControlEnable = 1 << 15;
    private const ushort ControlMask = 1 << 14;
    private const int EntrySize = 16;

    private readonly Lock _gate = new();
    private readonly uint[] _words;
    private readonly ulong[] _pending;
    private readonly long[] _sent; // messages a vector, for inspection
    private ushort _control;
    private IMsiSink? _sink;

    public MsixTable(int vectors)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vectors);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vectors, PendingOffset / EntrySize);
        Vectors = vectors;
        _words = new uint[vectors * EntryWords];
        _pending = new ulong[(vectors + 63) / 64];
        _sent = new long[vectors];
        MaskAll();
    }

    public int Vectors { get; }

    public bool IsEnabled => (_control & ControlEnable) != 0;

    /// <summary>Offset of the capability in configuration space.</summary>
    internal int Capability { get; set; }

    /// <summary>Sends a vector, or latches it while masked. A number outside the table is ignored. Any thread.</summary>
    public void Signal(ushort vector)
    {
        ulong address;
        uint data;
        lock (_gate)
        {
            if (vector >= Vectors || !IsEnabled)
            {
                return;
            }

            if (IsMasked(vector))
            {
                _pending[vector / 64] |= 1UL << (vector & 63);
                return;
            }

            _sent[vector]++;
            (address, data) = Message(vector);
        }

        _sink?.Send(address, data);
    }

    /// <summary>What the table is set to, and what it has sent. Any thread.</summary>
    public MsixInspection Inspect()
    {
        lock (_gate)
        {
            return new MsixInspection(
                IsEnabled,
                [.. Enumerable.Range(0, Vectors).Select(vector => new MsixVectorInspection(vector, IsMasked(vector), _sent[vector]))]);
        }
    }

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        lock (_gate)
        {
            ulong low = Word(offset & ~3UL);
            ulong value = width == AccessWidth.Qword ? low | (Word((offset & ~3UL) + 4) << 32) : low;
            return value >> (int)((offset & 3) * 8);
        }
    }

    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        if (width < AccessWidth.Dword || (offset & 3) != 0)
        {
            return;
        }

        lock (_gate)
        {
            Store(offset, (uint)value);
            if (width == AccessWidth.Qword)
            {
                Store(offset + 4, (uint)(value >> 32));
            }

            SendPending();
        }
    }

    internal void Connect(IMsiSink sink) => _sink = sink;

    internal void SetControl(ushort control)
    {
        lock (_gate)
        {
            _control = control;
            SendPending();
        }
    }

    private void MaskAll()
    {
        for (int vector = 0; vector < Vectors; vector++)
        {
            _words[(vector * EntryWords) + 3] = 1;
        }
    }

    private bool IsMasked(int vector) => (_control & ControlMask) != 0 || (_words[(vector * 4) + 3] & 1) != 0;

    private (ulong Address, uint Data) Message(int vector) =>
        (_words[vector * 4] | ((ulong)_words[(vector * 4) + 1] << 32), _words[(vector * 4) + 2]);

    private ulong Word(ulong offset)
    {
        if (offset < (ulong)_words.Length * 4)
        {
            return _words[offset / 4];
        }

        ulong pending = offset - PendingOffset;
        return offset >= PendingOffset && pending < (ulong)_pending.Length * 8
            ? (uint)(_pending[pending / 8] >> (int)((pending & 4) * 8))
            : 0;
    }

    private void Store(ulong offset, uint value)
    {
        if (offset < (ulong)_words.Length * 4)
        {
            _words[offset / 4] = value;
        }
    }

    private void SendPending()
    {
        for (int vector = 0; vector < Vectors && IsEnabled; vector++)
        {
            ulong bit = 1UL << (vector & 63);
            if ((_pending[vector / 64] & bit) != 0 && !IsMasked(vector))
            {
                _pending[vector / 64] &= ~bit;
                _sent[vector]++;
                (ulong address, uint data) = Message(vector);
                _sink?.Send(address, data);
            }
        }
    }
}
