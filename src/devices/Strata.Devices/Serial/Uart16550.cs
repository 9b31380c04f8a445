using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;

namespace Strata.Devices.Serial;

/// <summary>Where a UART's transmitted bytes go.</summary>
public interface ISerialBackend
{
    /// <summary>Takes bytes; never blocks for long: it runs on a vCPU's thread.</summary>
    void Write(ReadOnlySpan<byte> bytes);
}

/// <summary>
/// National PC16550D UART. Transmission takes no time: the holding register is always empty again when the guest looks.
/// Ports +0 .. +7 as in the data sheet, "Register Descriptions".
/// <para>Reception takes time, as on a line: a guest that has taken the FIFO's bytes finds it empty for a while. So the interrupt falls and
/// rises again, which its edge-triggered input needs, and a driver's loop over what is there ends.</para>
/// </summary>
public sealed partial class Uart16550 : IPortDevice, IUnit<Uart16550State>
{
    /// <summary>
    /// Between the guest's last read and the next bytes, in ns: longer than a driver takes to see that there are no more, and short
    /// enough for 100 KB a second. It stands for the four character times of a receive timeout as well.
    /// </summary>
    public const long LineDelay = 100_000;

    internal const int FifoSize = 16;
    private const byte CauseNone = 1;
    private const byte CauseTransmit = 2;
    private const byte CauseReceive = 4;
    private const byte CauseLineStatus = 6;
    private const byte CauseTimeout = 12;
    private const byte InterruptReceive = 1;
    private const byte InterruptTransmit = 2;
    private const byte InterruptLineStatus = 4;
    private const byte StatusReady = 1;
    private const byte StatusOverrun = 2;
    private const byte StatusTransmitterEmpty = 0x60;
    private const byte ControlDivisorLatch = 0x80;
    private const byte ModemLoopback = 0x10;
    private const byte ModemOut2 = 0x08;

    /// <summary>Line status reads without a byte sent in between that make a guest one that polls for input.</summary>
    internal const int PollingReads = 256;

    private const ushort DivisorAtReset = 12;

    // Wiring
    private readonly ISerialBackend _backend;
    private readonly InterruptLine _interrupt;
    private readonly IVirtualClock _clock;
    private readonly IVirtualTimer _timer;

    // Guest-visible state
    private readonly Lock _gate = new();
    private Queue<byte> _received = new();
    private Queue<byte> _backlog = new();
    private byte _interruptEnable;
    private byte _fifoControl;
    private byte _lineControl;
    private byte _modemControl;
    private byte _scratch;
    private ushort _divisor = DivisorAtReset;
    private bool _transmitPending;
    private bool _overrun;
    private bool _listens;
    private int _statusReads;
    private bool _timedOut; // bytes below the trigger level have waited for long enough to interrupt
    private long _lineDue = VirtualTime.Never; // when the line brings the next bytes, or the receive timeout, as the timer is armed

    public Uart16550(ISerialBackend backend, InterruptLine interrupt, IVirtualClock clock)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _backend = backend;
        _interrupt = interrupt;
        _clock = clock;
        _timer = clock.CreateTimer(OnLine);
    }

    /// <summary>Bytes that a host may have waiting for the guest; more are refused by <see cref="Receive"/>.</summary>
    public const int BacklogLimit = 1 << 16;

    /// <summary>
    /// Keeps what the host sends until the guest listens, by interrupt or by polling, and over a reset of the FIFO: a driver's
    /// initialisation throws away what it finds there, and with it the start of a command that was typed or piped ahead. Off, as on
    /// the chip, by default.
    /// </summary>
    public bool HoldsEarlyInput { get; init; }

    /// <summary>
    /// Modem output 2 gates the interrupt line, as the wiring of a PC's serial port has it (by default). Virtual machines' serial ports do
    /// without, and there are kernels that were never tried on others.
    /// </summary>
    public bool RequiresOut2 { get; init; } = true;

    private bool HasFifo => (_fifoControl & 1) != 0;

    /// <summary>Bytes from the host. They wait in a bounded backlog until the guest has read what came before. Any thread.</summary>
    /// <returns>How many bytes were taken.</returns>
    public int Receive(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            int taken = Math.Clamp(BacklogLimit - _backlog.Count, 0, bytes.Length);
            for (int i = 0; i < taken; i++)
            {
                _backlog.Enqueue(bytes[i]);
            }

            Refill();
            UpdateInterrupt();
            return taken;
        }
    }

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        lock (_gate)
        {
            byte value = Read(offset);
            UpdateInterrupt();
            return value;
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        byte data = (byte)value;
        bool transmit = false;
        lock (_gate)
        {
            transmit = Write(offset, data);
            UpdateInterrupt();
        }

        if (transmit)
        {
            _backend.Write([data]);
        }
    }

    private byte Read(ushort offset)
    {
        bool latch = (_lineControl & ControlDivisorLatch) != 0;
        switch (offset)
        {
            case 0 when latch:
                return (byte)_divisor;
            case 0:
                return TakeReceived();
            case 1:
                return latch ? (byte)(_divisor >> 8) : _interruptEnable;
            case 2:
                byte cause = InterruptCause();
                if (cause == CauseTransmit)
                {
                    _transmitPending = false;
                }

                return (byte)(cause | (HasFifo ? 0xC0 : 0));
            case 3:
                return _lineControl;
            case 4:
                return _modemControl;
            case 5:
                NotePolling();
                byte status = (byte)(StatusTransmitterEmpty | (_received.Count > 0 ? StatusReady : 0) | (_overrun ? StatusOverrun : 0));
                _overrun = false;
                return status;
            case 6:
                return ModemStatus();
            default:
                return _scratch;
        }
    }

    /// <summary>
    /// A receive timeout ends with the byte that is taken, and comes again where others are left. The line goes on behind the last one,
    /// however slow the guest is.
    /// </summary>
    private byte TakeReceived()
    {
        if (!_received.TryDequeue(out byte value))
        {
            return 0;
        }

        _timedOut = false;
        bool isLast = _received.Count == 0 && _backlog.Count > 0;
        bool leavesSome = _received.Count > 0 && _received.Count < TriggerLevel && _lineDue == VirtualTime.Never;
        if (isLast || leavesSome)
        {
            _lineDue = _clock.Now + LineDelay;
            _timer.Arm(_lineDue);
        }

        return value;
    }

    private void OnLine()
    {
        lock (_gate)
        {
            if (_lineDue <= _clock.Now)
            {
                _lineDue = VirtualTime.Never;
                Refill();
                UpdateInterrupt();
            }
        }
    }

    /// <summary>Carrier, data-set-ready and clear-to-send are always there; in loopback the outputs come back.</summary>
    private byte ModemStatus() => (_modemControl & ModemLoopback) == 0
        ? (byte)0xB0
        : (byte)(((_modemControl & 1) << 5) | ((_modemControl & 2) << 3) | ((_modemControl & 4) << 4) | ((_modemControl & 8) << 4));

    /// <returns>True if the byte goes to the backend.</returns>
    private bool Write(ushort offset, byte value)
    {
        bool latch = (_lineControl & ControlDivisorLatch) != 0;
        switch (offset)
        {
            case 0 when latch:
                _divisor = (ushort)((_divisor & 0xFF00) | value);
                return false;
            case 0:
                _statusReads = 0;
                _transmitPending = true;
                if ((_modemControl & ModemLoopback) == 0)
                {
                    NoteListening(sends: true);
                    return true;
                }

                Store(value);
                return false;
            case 1 when latch:
                _divisor = (ushort)((_divisor & 0xFF) | (value << 8));
                return false;
            case 1:
                bool enablesTransmit = (value & InterruptTransmit & ~_interruptEnable) != 0;
                _interruptEnable = (byte)(value & 0xF);
                _transmitPending |= enablesTransmit;
                NoteListening();
                return false;
            case 2:
                WriteFifoControl(value);
                return false;
            case 3:
                _lineControl = value;
                return false;
            case 4:
                _modemControl = (byte)(value & 0x1F);
                NoteListening();
                Refill(); // what arrived during a loopback test
                return false;
            case 7:
                _scratch = value;
                return false;
            default:
                return false;
        }
    }

    private void WriteFifoControl(byte value)
    {
        if ((value & 2) != 0 || ((value ^ _fifoControl) & 1) != 0)
        {
            ClearReceived();
        }

        _fifoControl = (byte)(value & 0xC9);
        Refill();
    }

    private void ClearReceived()
    {
        if (HoldsEarlyInput && (_modemControl & ModemLoopback) == 0)
        {
            // In front of what already waits.
            for (int i = _backlog.Count; i > 0; i--)
            {
                _received.Enqueue(_backlog.Dequeue());
            }

            (_received, _backlog) = (_backlog, _received);
            return;
        }

        _received.Clear();
    }

    /// <summary>A full FIFO loses the new byte, a full holding register the old one.</summary>
    private void Store(byte value)
    {
        if (_received.Count >= (HasFifo ? FifoSize : 1))
        {
            _overrun = true;
            if (HasFifo)
            {
                return;
            }

            _received.Clear();
        }

        _received.Enqueue(value);
        _timedOut = true;
    }

    /// <summary>A receive interrupt would reach the processor: the driver is ready for bytes.</summary>
    /// <param name="sends">A byte was sent: without the gate, enabled interrupts alone can be a look at whether the port is there.</param>
    private void NoteListening(bool sends = false)
    {
        bool opens = (_modemControl & ModemOut2) != 0 || (sends && !RequiresOut2);
        bool interrupts = (_interruptEnable & InterruptReceive) != 0 && opens && (_modemControl & ModemLoopback) == 0;
        if (interrupts && !_listens)
        {
            _listens = true;
            Refill();
        }
    }

    private void NotePolling()
    {
        if (!_listens && ++_statusReads >= PollingReads)
        {
            _listens = true;
            Refill();
        }
    }

    /// <summary>
    /// Moves waiting bytes into an empty FIFO, unless the line has more to wait: it never overruns. Where fewer come than make an
    /// interrupt, no others follow, so their timeout is over at once.
    /// </summary>
    private void Refill()
    {
        if (_lineDue != VirtualTime.Never || (_modemControl & ModemLoopback) != 0 || (HoldsEarlyInput && !_listens))
        {
            return;
        }

        for (int room = _received.Count > 0 ? 0 : HasFifo ? FifoSize : 1; room > 0 && _backlog.Count > 0; room--)
        {
            _received.Enqueue(_backlog.Dequeue());
        }

        _timedOut = _received.Count > 0;
    }

    /// <summary>Bytes that make an interrupt by themselves.</summary>
    private int TriggerLevel => !HasFifo ? 1 : (_fifoControl >> 6) switch { 0 => 1, 1 => 4, 2 => 8, _ => 14 };

    /// <summary>The interrupt identification without the bits that tell of a FIFO.</summary>
    private byte InterruptCause()
    {
        if (_overrun && (_interruptEnable & InterruptLineStatus) != 0)
        {
            return CauseLineStatus;
        }

        if ((_interruptEnable & InterruptReceive) != 0 && _received.Count > 0)
        {
            if (_received.Count >= TriggerLevel)
            {
                return CauseReceive;
            }

            if (_timedOut)
            {
                return CauseTimeout;
            }
        }

        return _transmitPending && (_interruptEnable & InterruptTransmit) != 0 ? CauseTransmit : CauseNone;
    }

    private bool IsInterruptDue =>
        InterruptCause() != CauseNone && (_modemControl & ModemLoopback) == 0 && (!RequiresOut2 || (_modemControl & ModemOut2) != 0);

    private void UpdateInterrupt() => _interrupt.Set(IsInterruptDue);
}
