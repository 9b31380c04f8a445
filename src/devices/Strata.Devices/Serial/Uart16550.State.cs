using Strata.Core.State;
using Strata.Core.Time;

namespace Strata.Devices.Serial;

/// <summary>State of a UART; the registers' names are the data sheet's.</summary>
public sealed class Uart16550State : IStateRecord<Uart16550State>
{
    public static ushort Version => 1;

    /// <summary>The receive FIFO, or the receive buffer, the next byte first.</summary>
    public required byte[] Received { get; set; }

    /// <summary>What the host has sent and the guest has not been shown.</summary>
    public required byte[] Backlog { get; set; }

    /// <summary>IER.</summary>
    public required byte InterruptEnable { get; set; }

    /// <summary>FCR.</summary>
    public required byte FifoControl { get; set; }

    /// <summary>LCR.</summary>
    public required byte LineControl { get; set; }

    /// <summary>MCR.</summary>
    public required byte ModemControl { get; set; }

    /// <summary>SCR.</summary>
    public required byte Scratch { get; set; }

    /// <summary>DLL and DLM.</summary>
    public required ushort Divisor { get; set; }

    /// <summary>The transmitter's interrupt waits to be seen.</summary>
    public required bool TransmitPending { get; set; }

    /// <summary>LSR bit 1.</summary>
    public required bool Overrun { get; set; }

    /// <summary>The guest has shown that it takes input.</summary>
    public required bool Listens { get; set; }

    /// <summary>Reads of LSR without a byte sent in between, as far as they are counted.</summary>
    public required ushort StatusReads { get; set; }

    /// <summary>Bytes below the trigger level have waited for long enough to interrupt.</summary>
    public required bool TimedOut { get; set; }

    /// <summary>Virtual time at which the line brings the next bytes, or the receive timeout; it may have passed.</summary>
    public required long LineDue { get; set; }

    public static Uart16550State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new Uart16550State
        {
            Received = reader.ReadBytes(nameof(Received), Uart16550.FifoSize),
            Backlog = reader.ReadBytes(nameof(Backlog), Uart16550.LargestBacklog),
            InterruptEnable = reader.ReadBits<byte>(nameof(InterruptEnable), 0xF),
            FifoControl = reader.ReadBits<byte>(nameof(FifoControl), 0xC9),
            LineControl = reader.Read<byte>(nameof(LineControl)),
            ModemControl = reader.ReadBits<byte>(nameof(ModemControl), 0x1F),
            Scratch = reader.Read<byte>(nameof(Scratch)),
            Divisor = reader.Read<ushort>(nameof(Divisor)),
            TransmitPending = reader.ReadBoolean(nameof(TransmitPending)),
            Overrun = reader.ReadBoolean(nameof(Overrun)),
            Listens = reader.ReadBoolean(nameof(Listens)),
            StatusReads = reader.Read<ushort>(nameof(StatusReads), 0, Uart16550.PollingReads),
            TimedOut = reader.ReadBoolean(nameof(TimedOut)),
            LineDue = reader.ReadDeadline(nameof(LineDue)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteBytes(Received);
        writer.WriteBytes(Backlog);
        writer.Write(InterruptEnable);
        writer.Write(FifoControl);
        writer.Write(LineControl);
        writer.Write(ModemControl);
        writer.Write(Scratch);
        writer.Write(Divisor);
        writer.Write(TransmitPending);
        writer.Write(Overrun);
        writer.Write(Listens);
        writer.Write(StatusReads);
        writer.Write(TimedOut);
        writer.Write(LineDue);
    }
}

public sealed partial class Uart16550
{
    /// <summary>A reset of the FIFO puts its bytes in front of a full backlog.</summary>
    internal const int LargestBacklog = BacklogLimit + FifoSize;

    public string UnitName { get; init; } = "uart0";

    /// <summary>Master reset. What the host has sent, and the guest has not been shown, waits on.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            _modemControl = 0;
            ClearReceived();
            (_interruptEnable, _fifoControl, _lineControl, _scratch) = (0, 0, 0, 0);
            _divisor = DivisorAtReset;
            (_transmitPending, _overrun, _listens, _statusReads) = (false, false, false, 0);
            (_timedOut, _lineDue) = (false, VirtualTime.Never);
            _timer.Disarm();
            UpdateInterrupt();
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            _timer.ArmOrDisarm(_lineDue);
            Refill();
            UpdateInterrupt();
        }
    }

    public Uart16550State SaveState()
    {
        lock (_gate)
        {
            return new Uart16550State
            {
                Received = [.. _received],
                Backlog = [.. _backlog],
                InterruptEnable = _interruptEnable,
                FifoControl = _fifoControl,
                LineControl = _lineControl,
                ModemControl = _modemControl,
                Scratch = _scratch,
                Divisor = _divisor,
                TransmitPending = _transmitPending,
                Overrun = _overrun,
                Listens = _listens,
                StatusReads = (ushort)_statusReads,
                TimedOut = _timedOut,
                LineDue = _lineDue,
            };
        }
    }

    public void LoadState(Uart16550State state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            _received = new Queue<byte>(state.Received);
            _backlog = new Queue<byte>(state.Backlog);
            _interruptEnable = state.InterruptEnable;
            _fifoControl = state.FifoControl;
            _lineControl = state.LineControl;
            _modemControl = state.ModemControl;
            _scratch = state.Scratch;
            _divisor = state.Divisor;
            _transmitPending = state.TransmitPending;
            _overrun = state.Overrun;
            _listens = state.Listens;
            _statusReads = state.StatusReads;
            (_timedOut, _lineDue) = (state.TimedOut, state.LineDue);
            _timer.Disarm(); // until Resume
            _interrupt.Restore(IsInterruptDue);
        }
    }
}
