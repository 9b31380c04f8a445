using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;

namespace Strata.Devices.Interrupts;

/// <summary>
/// The pair of 8259A interrupt controllers of a PC, slave on pin 2. Intel 8259A data sheet (231468).
/// Ports: the master's two, the slave's two, and ELCR at 0x4D0 through the three views below.
/// </summary>
public sealed partial class Pic8259 : IInterruptSink, IPicAcknowledge, IUnit<Pic8259State>
{
    private const int CascadePin = 2;

    // Wiring
    private readonly Action<bool> _output;

    // Guest-visible state
    private readonly Lock _gate = new();
    private readonly Chip _master = new();
    private readonly Chip _slave = new();
    private volatile bool _pending;

    /// <param name="output">Called with the level of INTR when it changes, outside of this chip's lock.</param>
    public Pic8259(Action<bool> output)
    {
        _output = output;
        Master = new Ports(this, _master);
        Slave = new Ports(this, _slave);
        EdgeLevel = new EdgeLevelPorts(this);
    }

    /// <summary>Ports 0x20 and 0x21.</summary>
    public IPortDevice Master { get; }

    /// <summary>Ports 0xA0 and 0xA1.</summary>
    public IPortDevice Slave { get; }

    /// <summary>Ports 0x4D0 and 0x4D1.</summary>
    public IPortDevice EdgeLevel { get; }

    public bool IsInterruptPending => _pending;

    public void SetPin(int pin, bool high)
    {
        Chip chip = pin < 8 ? _master : _slave;
        Change(() => chip.SetPin(pin & 7, high));
    }

    public byte Acknowledge()
    {
        byte vector = 0;
        Change(() =>
        {
            int pin = _master.Acknowledge();
            if (pin != CascadePin)
            {
                vector = (byte)(_master.VectorBase + pin);
                return;
            }

            vector = (byte)(_slave.VectorBase + _slave.Acknowledge());
            _master.SetPin(CascadePin, false); // the slave's INT falls with INTA: its next request is a new edge
        });
        return vector;
    }

    private void Change(Action change)
    {
        bool before;
        bool now;
        lock (_gate)
        {
            before = _pending;
            change();
            _master.SetPin(CascadePin, _slave.HasRequest);
            now = _master.HasRequest;
            _pending = now;
        }

        if (before != now)
        {
            _output(now);
        }
    }

    /// <summary>One 8259A.</summary>
    private sealed partial class Chip
    {
        private int _initStep;
        private bool _expectsIcw4;
        private bool _single;
        private bool _autoEoi;
        private bool _rotateOnAutoEoi;
        private bool _specialMask;
        private bool _readIsr;
        private bool _poll;
        private byte _requests;
        private byte _service;
        private byte _mask;
        private byte _lines;
        private int _lowest = 7;

        public byte VectorBase { get; private set; }

        /// <summary>A bit for each level-triggered pin.</summary>
        public byte EdgeLevel { get; private set; }

        public bool HasRequest => HighestRequest() >= 0;

        public void SetEdgeLevel(int value)
        {
            int becomeLevel = value & ~EdgeLevel;
            EdgeLevel = (byte)value;
            _requests = (byte)((_requests & ~becomeLevel) | (_lines & becomeLevel));
        }

        public void SetPin(int pin, bool high)
        {
            byte bit = (byte)(1 << pin);
            bool was = (_lines & bit) != 0;
            _lines = (byte)(high ? _lines | bit : _lines & ~bit);
            if ((EdgeLevel & bit) != 0)
            {
                _requests = (byte)(high ? _requests | bit : _requests & ~bit);
            }
            else if (high && !was)
            {
                _requests |= bit;
            }
            else if (!high)
            {
                _requests &= (byte)~bit;
            }
        }

        /// <returns>The pin taken into service; 7 without service for a spurious request.</returns>
        public int Acknowledge()
        {
            int pin = HighestRequest();
            if (pin < 0)
            {
                return 7;
            }

            byte bit = (byte)(1 << pin);
            if ((EdgeLevel & bit) == 0)
            {
                _requests &= (byte)~bit;
            }

            if (!_autoEoi)
            {
                _service |= bit;
            }
            else if (_rotateOnAutoEoi)
            {
                _lowest = pin;
            }

            return pin;
        }

        public uint Read(int offset)
        {
            if (_poll)
            {
                _poll = false;
                int pin = HighestRequest();
                return pin < 0 ? 0u : 0x80u | (uint)Acknowledge();
            }

            return offset == 1 ? _mask : _readIsr ? _service : _requests;
        }

        public void Write(int offset, byte value)
        {
            if (offset == 1)
            {
                WriteData(value);
            }
            else if ((value & 0x10) != 0)
            {
                Initialise(value);
            }
            else if ((value & 0x08) != 0)
            {
                WriteOcw3(value);
            }
            else
            {
                WriteOcw2(value);
            }
        }

        private void Initialise(byte icw1)
        {
            _initStep = 2;
            _expectsIcw4 = (icw1 & 1) != 0;
            _single = (icw1 & 2) != 0;
            _mask = 0;
            _service = 0;
            _requests = (byte)(_lines & EdgeLevel);
            _lowest = 7;
            _autoEoi = _rotateOnAutoEoi = _specialMask = _readIsr = _poll = false;
        }

        private void WriteData(byte value)
        {
            switch (_initStep)
            {
                case 2:
                    VectorBase = (byte)(value & 0xF8);
                    _initStep = _single ? (_expectsIcw4 ? 4 : 0) : 3;
                    break;
                case 3:
                    _initStep = _expectsIcw4 ? 4 : 0;
                    break;
                case 4:
                    _autoEoi = (value & 2) != 0;
                    _initStep = 0;
                    break;
                default:
                    _mask = value;
                    break;
            }
        }

        private void WriteOcw3(byte value)
        {
            if ((value & 0x40) != 0)
            {
                _specialMask = (value & 0x20) != 0;
            }

            _poll = (value & 4) != 0;
            if ((value & 2) != 0)
            {
                _readIsr = (value & 1) != 0;
            }
        }

        private void WriteOcw2(byte value)
        {
            int level = value & 7;
            switch (value >> 5)
            {
                case 0 or 4:
                    _rotateOnAutoEoi = value >> 5 == 4;
                    break;
                case 1:
                    EndOfInterrupt(HighestService());
                    break;
                case 3:
                    EndOfInterrupt(level);
                    break;
                case 5:
                    int ended = HighestService();
                    EndOfInterrupt(ended);
                    _lowest = ended < 0 ? _lowest : ended;
                    break;
                case 6:
                    _lowest = level;
                    break;
                case 7:
                    EndOfInterrupt(level);
                    _lowest = level;
                    break;
                default:
                    break;
            }
        }

        private void EndOfInterrupt(int pin)
        {
            if (pin >= 0)
            {
                _service &= (byte)~(1 << pin);
            }
        }

        /// <summary>What a non-specific EOI ends, and what holds back lower requests: not masked pins in special mask mode.</summary>
        private int HighestService() => HighestOf(_specialMask ? (byte)(_service & ~_mask) : _service);

        private int HighestRequest()
        {
            int request = HighestOf((byte)(_requests & ~_mask));
            if (request < 0)
            {
                return -1;
            }

            int service = HighestService();
            return service >= 0 && Rank(service) <= Rank(request) ? -1 : request;
        }

        private int Rank(int pin) => (pin - _lowest - 1) & 7;

        private int HighestOf(byte bits)
        {
            for (int i = 1; i <= 8; i++)
            {
                int pin = (_lowest + i) & 7;
                if ((bits & (1 << pin)) != 0)
                {
                    return pin;
                }
            }

            return -1;
        }
    }

    private sealed class Ports(Pic8259 pic, Chip chip) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width)
        {
            uint value = 0;
            pic.Change(() => value = chip.Read(offset));
            return value;
        }

        public void WritePort(ushort offset, AccessWidth width, uint value) => pic.Change(() => chip.Write(offset, (byte)value));
    }

    private sealed class EdgeLevelPorts(Pic8259 pic) : IPortDevice
    {
        public uint ReadPort(ushort offset, AccessWidth width) => offset == 0 ? pic._master.EdgeLevel : pic._slave.EdgeLevel;

        public void WritePort(ushort offset, AccessWidth width, uint value) => pic.Change(() =>
        {
            // Pins 0, 1, 2, 8 and 13 are edge-triggered for good.
            if (offset == 0)
            {
                pic._master.SetEdgeLevel((int)value & 0xF8);
            }
            else
            {
                pic._slave.SetEdgeLevel((int)value & 0xDE);
            }
        });
    }
}
