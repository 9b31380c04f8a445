using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;

namespace Strata.Devices.Interrupts;

/// <summary>
/// The 82093AA I/O APIC with 24 pins. Intel 82093AA data sheet (290566).
/// <code>
/// redirection entry  63..56      16   15      14         13       12      11          10..8    7..0
///                   |destination|mask|trigger|remote IRR|polarity|pending|logical dest|delivery|vector|
/// </code>
/// It sends what the local APICs receive as MSIs. Messages leave under the chip's lock: the local APIC is the last of the order.
/// </summary>
public sealed partial class IoApic(IMsiSink bus) : IMmioDevice, IInterruptSink, IEoiSink, IUnit<IoApicState>
{
    public const int PinCount = 24;

    private const ulong Masked = 1 << 16;
    private const ulong Level = 1 << 15;
    private const ulong RemoteIrr = 1 << 14;
    private const ulong ActiveLow = 1 << 13;
    private const ulong Pending = 1 << 12;
    private const ulong Logical = 1 << 11;
    private const uint VersionValue = 0x0017_0020;

    private readonly Lock _gate = new();
    private readonly long[] _sent = new long[PinCount]; // interrupts a pin, for inspection; under _gate as all below

    // Guest-visible state
    private readonly ulong[] _entries = CreateEntries();
    private uint _select;
    private uint _id;
    private uint _lines;

    public void SetPin(int pin, bool high)
    {
        lock (_gate)
        {
            uint bit = 1u << pin;
            bool was = (_lines & bit) != 0;
            _lines = high ? _lines | bit : _lines & ~bit;
            if ((_entries[pin] & Level) != 0)
            {
                ServiceLevel(pin);
            }
            else if (high && !was && (_entries[pin] & Masked) == 0)
            {
                Send(pin);
            }
        }
    }

    /// <summary>What each pin is set to, and how many interrupts it has sent. Any thread.</summary>
    public IReadOnlyList<InterruptPinInspection> Inspect()
    {
        lock (_gate)
        {
            return
            [
                .. _entries.Select((entry, pin) => new InterruptPinInspection(
                    pin, (byte)entry, (entry & Masked) != 0, (entry & Level) != 0, (_lines & (1u << pin)) != 0, _sent[pin])),
            ];
        }
    }

    public void EndOfInterrupt(byte vector)
    {
        lock (_gate)
        {
            for (int pin = 0; pin < PinCount; pin++)
            {
                if ((_entries[pin] & (Level | RemoteIrr)) == (Level | RemoteIrr) && (byte)_entries[pin] == vector)
                {
                    _entries[pin] &= ~RemoteIrr;
                    ServiceLevel(pin);
                }
            }
        }
    }

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        lock (_gate)
        {
            return (offset & 0xFC) switch
            {
                0x00 => _select,
                0x10 => ReadRegister(_select),
                _ => 0,
            };
        }
    }

    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        lock (_gate)
        {
            switch (offset & 0xFC)
            {
                case 0x00:
                    _select = (byte)value;
                    break;
                case 0x10:
                    WriteRegister(_select, (uint)value);
                    break;
                case 0x40:
                    EndOfInterrupt((byte)value); // EOI register, which versions from 0x20 on have
                    break;
                default:
                    break;
            }
        }
    }

    private static ulong[] CreateEntries()
    {
        ulong[] entries = new ulong[PinCount];
        Array.Fill(entries, Masked);
        return entries;
    }

    private uint ReadRegister(uint index) => index switch
    {
        0 => _id,
        1 => VersionValue,
        2 => _id,
        >= 0x10 and < 0x10 + (PinCount * 2) => (uint)(_entries[(index - 0x10) >> 1] >> (int)((index & 1) * 32)),
        _ => 0,
    };

    private void WriteRegister(uint index, uint value)
    {
        if (index == 0)
        {
            _id = value & IdBits;
            return;
        }

        if (index is < 0x10 or >= 0x10 + (PinCount * 2))
        {
            return;
        }

        int pin = (int)(index - 0x10) >> 1;
        ulong entry = _entries[pin];
        if ((index & 1) != 0)
        {
            entry = (uint)entry | ((ulong)(value & 0xFF000000) << 32);
        }
        else
        {
            const ulong readOnly = RemoteIrr | Pending;
            entry = (entry & (0xFFFF_FFFF_0000_0000 | readOnly)) | (value & 0x1AFFF & ~readOnly);
            if ((entry & Level) == 0)
            {
                entry &= ~RemoteIrr;
            }
        }

        _entries[pin] = entry;
        if ((entry & Level) != 0)
        {
            ServiceLevel(pin);
        }
    }

    /// <summary>Sends a level-triggered interrupt if its line is active and the last one has been acknowledged.</summary>
    private void ServiceLevel(int pin)
    {
        ulong entry = _entries[pin];
        bool active = (_lines & (1u << pin)) != 0;
        if (active && (entry & (Masked | RemoteIrr)) == 0)
        {
            _entries[pin] |= RemoteIrr;
            Send(pin);
        }
    }

    /// <summary>The polarity bit is not looked at: lines here are logical levels, already active-high.</summary>
    private void Send(int pin)
    {
        ulong entry = _entries[pin];
        _sent[pin]++;
        ulong address = 0xFEE0_0000 | ((entry >> 56) << 12) | ((entry & Logical) != 0 ? 4UL : 0);
        uint data = (uint)(entry & 0x7FF) | ((entry & Level) != 0 ? 0xC000u : 0);
        bus.Send(address, data);
    }
}
