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

    /// <summary>SLP_TYP of S5, as the DSDT's _S5 package says.</summary>
    public const int SleepTypeS5 = 5;

    private const int SleepTypeOfPiix4 = 0; // "soft off": what firmware for that chip writes, without looking at tables

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

    /// <param name="sci">Level-triggered system control interrupt.</param>
    public AcpiPower(IMachineControl control, IVirtualClock clock, InterruptLine sci)
    {
        _control = control;
        _clock = clock;
        _sci = sci;
    }

    /// <summary>The chip is taken for a PIIX4 by firmware, which switches it off in that chip's way as well.</summary>
    public bool IsPiix4 { get; init; }

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

    /// <summary>Presses the power button: an operating system that listens shuts down. Any thread.</summary>
    public void PressPowerButton()
    {
        lock (_gate)
        {
            _status |= PowerButton;
            UpdateSci();
        }
    }

    /// <summary>The RTC's alarm has gone off: a system that sleeps, and has asked for it, wakes. Any thread.</summary>
    public void SignalAlarm()
    {
        lock (_gate)
        {
            _status |= RealTimeClock;
            UpdateSci();
        }
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
        bool powerOff = false;
        lock (_gate)
        {
            for (int i = 0; i < (int)width; i++)
            {
                powerOff |= WriteByte(offset + i, (byte)(value >> (8 * i)));
            }

            UpdateSci();
        }

        if (powerOff)
        {
            _control.RequestPowerOff();
        }
    }

    /// <returns>True if the byte completes a request for S5.</returns>
    private bool WriteByte(int offset, byte value)
    {
        int shift = (offset & 1) * 8;
        ushort wide = (ushort)(value << shift);
        ushort keep = (ushort)(0xFF00 >> shift);
        switch (offset & ~1)
        {
            case 0:
                _status &= (ushort)~wide;
                return false;
            case 2:
                _enable = (ushort)(((_enable & keep) | wide) & EnableMask);
                return false;
            case 4:
                _controlValue = (ushort)((_controlValue & keep) | wide | SciEnable);
                bool sleep = (_controlValue & SleepEnable) != 0;
                _controlValue &= unchecked((ushort)~SleepEnable);
                int type = (_controlValue >> 10) & 7;
                return sleep && (type == SleepTypeS5 || (IsPiix4 && type == SleepTypeOfPiix4));
            default:
                return false;
        }
    }

    private bool IsSciDue => (_status & _enable & EnableMask) != 0;

    private void UpdateSci() => _sci.Set(IsSciDue);
}
