using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.State;
using Strata.Core.Time;

namespace Strata.Devices.Power;

/// <summary>
/// The ACPI fixed hardware: PM1a event and control blocks and the PM timer in one range of 12 ports.
/// ACPI specification 6.4, "Fixed Hardware Registers".
/// <code>
/// +0 PM1_STS  15 WAK  10 RTC  9 SLPBTN  8 PWRBTN  5 GBL  0 TMR     (write 1 to clear)
/// +2 PM1_EN           10 RTC  9 SLPBTN  8 PWRBTN  5 GBL  0 TMR
/// +4 PM1_CNT  13 SLP_EN  12..10 SLP_TYP  0 SCI_EN
/// +8 PM_TMR   32-bit counter of 3.579545 MHz
/// </code>
/// </summary>
public sealed partial class AcpiPower : IPortDevice, IUnit<AcpiPowerState>
{
    /// <summary>Ports in the range.</summary>
    public const int PortCount = 12;

    /// <summary>SLP_TYP of S3, suspended to memory, as the DSDT's package says.</summary>
    public const int SleepTypeS3 = 1;

    /// <summary>SLP_TYP of S4, suspended to disk.</summary>
    public const int SleepTypeS4 = 2;

    /// <summary>SLP_TYP of S5, switched off.</summary>
    public const int SleepTypeS5 = 5;

    private const int SleepTypeOfPiix4 = 0; // "soft off": what firmware for that chip writes, without looking at tables

    private const ushort Woken = 1 << 15;
    private const ushort PowerButton = 1 << 8;
    private const ushort RealTimeClock = 1 << 10;
    internal const ushort StatusMask = 0x8731;
    internal const ushort EnableMask = 0x0721;

    private const ushort SleepEnable = 1 << 13;
    private const ushort SciEnable = 1;
    private const long TimerHz = 3_579_545;

    // Wiring
    private readonly IMachineControl _control;
    private readonly IVirtualClock _clock;
    private readonly InterruptLine _sci;

    // Guest-visible state
    private readonly Lock _gate = new();
    private ushort _status;
    private ushort _enable;
    private ushort _controlValue = SciEnable;
    private bool _isAsleep;
    private ushort _wakeCause; // from when something has woken the guest until the reset

    /// <param name="sci">Level-triggered system control interrupt.</param>
    public AcpiPower(IMachineControl control, IVirtualClock clock, InterruptLine sci)
    {
        _control = control;
        _clock = clock;
        _sci = sci;
    }

    /// <summary>The chip is taken for a PIIX4 by firmware, which switches it off in that chip's way as well.</summary>
    public bool IsPiix4 { get; init; }

    /// <summary>There is firmware, which lets a guest go on behind S3. Where there is none, a request for it is ignored.</summary>
    public bool CanSleep { get; init; }

    /// <summary>The guest is suspended to memory. Any thread.</summary>
    public bool IsAsleep
    {
        get
        {
            lock (_gate)
            {
                return _isAsleep;
            }
        }
    }

    /// <summary>PM1_STS of a guest that something has woken, and which is to be reset now; 0 for none. Any thread.</summary>
    public ushort WakeCause
    {
        get
        {
            lock (_gate)
            {
                return _isAsleep ? _wakeCause : (ushort)0;
            }
        }
    }

    /// <summary>Whether the guest wants to be told when the power button is pressed. Until then a press is lost. Any thread.</summary>
    public bool IsPowerButtonEnabled
    {
        get
        {
            lock (_gate)
            {
                return (_enable & PowerButton) != 0;
            }
        }
    }

    /// <summary>
    /// Presses the power button: an operating system that listens shuts down, and one that sleeps wakes. Any thread.
    /// </summary>
    public void PressPowerButton() => Signal(PowerButton, alwaysWakes: true);

    /// <summary>The RTC's alarm has gone off: a system that sleeps, and has asked for it, wakes. Any thread.</summary>
    public void SignalAlarm() => Signal(RealTimeClock, alwaysWakes: false);

    /// <summary>The machine has been reset for a guest that wakes, which looks what has woken it.</summary>
    /// <param name="cause">What <see cref="WakeCause"/> was before the reset.</param>
    public void ReportWake(ushort cause)
    {
        lock (_gate)
        {
            _status |= cause;
            UpdateSci();
        }
    }

    /// <summary>Wakes a guest that is suspended to memory as a key does, which sets no status of its own. Any thread.</summary>
    /// <returns>False if it is not.</returns>
    public bool TryWake()
    {
        lock (_gate)
        {
            if (!_isAsleep)
            {
                return false;
            }

            _wakeCause |= Woken;
        }

        _control.RequestWake();
        return true;
    }

    public uint ReadPort(ushort offset, AccessWidth width)
    {
        if (offset >= 8)
        {
            return (uint)((UInt128)_clock.Now * TimerHz / 1_000_000_000) >> ((offset - 8) * 8);
        }

        lock (_gate)
        {
            ulong all = _status | ((ulong)_enable << 16) | ((ulong)_controlValue << 32);
            return (uint)(all >> (offset * 8));
        }
    }

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        int? sleep = null;
        lock (_gate)
        {
            for (int i = 0; i < (int)width; i++)
            {
                sleep = WriteByte(offset + i, (byte)(value >> (8 * i))) ?? sleep;
            }

            _isAsleep |= CanSleep && sleep == SleepTypeS3;
            UpdateSci();
        }

        switch (sleep)
        {
            case SleepTypeS3 when CanSleep:
                _control.RequestSleep();
                break;
            case SleepTypeS5:
            case SleepTypeS4 when CanSleep: // the guest's memory is on its disk
            case SleepTypeOfPiix4 when IsPiix4:
                _control.RequestPowerOff();
                break;
            default:
                break;
        }
    }

    /// <param name="status">What has happened.</param>
    /// <param name="alwaysWakes">A guest that sleeps wakes whether it has asked for it or not.</param>
    private void Signal(ushort status, bool alwaysWakes)
    {
        lock (_gate)
        {
            if (!_isAsleep)
            {
                _status |= status;
                UpdateSci();
                return;
            }

            if (!alwaysWakes && (_enable & status) == 0)
            {
                return;
            }

            _wakeCause |= (ushort)(Woken | status);
        }

        _control.RequestWake();
    }

    /// <returns>SLP_TYP of the sleep that the byte completes a request for; null for none.</returns>
    private int? WriteByte(int offset, byte value)
    {
        int shift = (offset & 1) * 8;
        ushort wide = (ushort)(value << shift);
        ushort keep = (ushort)(0xFF00 >> shift);
        switch (offset & ~1)
        {
            case 0:
                _status &= (ushort)~wide;
                return null;
            case 2:
                _enable = (ushort)(((_enable & keep) | wide) & EnableMask);
                return null;
            case 4:
                _controlValue = (ushort)((_controlValue & keep) | wide | SciEnable);
                bool sleep = (_controlValue & SleepEnable) != 0;
                _controlValue &= unchecked((ushort)~SleepEnable);
                return sleep ? (_controlValue >> 10) & 7 : null;
            default:
                return null;
        }
    }

    private bool IsSciDue => (_status & _enable & EnableMask) != 0;

    private void UpdateSci() => _sci.Set(IsSciDue);
}
