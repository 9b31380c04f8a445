using static Strata.X86.Apic.ApicRegisters;

namespace Strata.X86.Apic;

/// <summary>The timer: one-shot, periodic and TSC-deadline. Intel SDM Vol. 3A, "APIC Timer". All under the gate of the APIC.</summary>
public sealed partial class LocalApic
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    private bool IsDeadlineMode => (_lvt[1] & LvtTimerModeMask) == LvtTimerDeadline;

    /// <summary>What the divide configuration register says: 1, 2, 4 .. 128.</summary>
    private uint Divisor
    {
        get
        {
            uint code = (_divide & 3) | ((_divide >> 1) & 4);
            return code == 7 ? 1u : 2u << (int)code;
        }
    }

    /// <summary>Nanoseconds a count takes, as the crystal that CPUID leaf 15H reports drives the timer.</summary>
    private long CountPeriod(uint divisor) => NanosecondsPerSecond / _policy.CrystalFrequency * divisor;

    /// <summary>Nanoseconds from the initial count to zero.</summary>
    private long CountDuration => _initialCount * CountPeriod(Divisor);

    private void StartTimer(uint count)
    {
        if (IsDeadlineMode)
        {
            return;
        }

        _initialCount = count;
        _countStart = _clock.Now;
        _counts = count != 0;
        ArmTimer();
    }

    /// <summary>Arms the host side for what the registers say; a deadline that has passed fires at once.</summary>
    private void ArmTimer()
    {
        if (IsDeadlineMode && _tscDeadline != 0)
        {
            ulong now = _readTsc();
            long left = _tscDeadline > now ? _policy.ToNanoseconds(_tscDeadline - now) : 0;
            _timer.Arm(left > long.MaxValue / 2 ? long.MaxValue : _clock.Now + left);
        }
        else if (!IsDeadlineMode && _counts)
        {
            _timer.Arm(_countStart + CountDuration);
        }
        else
        {
            _timer.Disarm();
        }
    }

    /// <summary>Ends a one-shot count that has reached zero, as the guest may see before the clock's thread gets there.</summary>
    private void SettleOneShot()
    {
        if (_counts && (_lvt[1] & LvtTimerModeMask) != LvtTimerPeriodic && _clock.Now - _countStart >= CountDuration)
        {
            _counts = false;
            _timer.Disarm();
            if ((_lvt[1] & LvtMasked) == 0)
            {
                SetRequest((byte)_lvt[1], level: false);
            }
        }
    }

    /// <summary>A running count goes on at the new pace.</summary>
    private void WriteDivide(uint value)
    {
        SettleOneShot();
        uint passed = _initialCount - ReadCurrentCount();
        _divide = value;
        if (_counts)
        {
            _countStart = _clock.Now - (passed * CountPeriod(Divisor));
            ArmTimer();
        }
    }

    private uint ReadCurrentCount()
    {
        if (!_counts)
        {
            return 0;
        }

        ulong elapsed = (ulong)((_clock.Now - _countStart) / CountPeriod(Divisor));
        if ((_lvt[1] & LvtTimerModeMask) == LvtTimerPeriodic)
        {
            return _initialCount - (uint)(elapsed % _initialCount);
        }

        return elapsed >= _initialCount ? 0 : _initialCount - (uint)elapsed;
    }

    private void WriteDeadline(ulong value)
    {
        uint lvt;
        lock (_gate)
        {
            lvt = _lvt[1];
            if (!IsDeadlineMode)
            {
                return;
            }

            _tscDeadline = value;
            if (value == 0)
            {
                _timer.Disarm();
                return;
            }

            if (value > _readTsc())
            {
                ArmTimer();
                return;
            }

            _tscDeadline = 0;
            _timer.Disarm();
        }

        if ((lvt & LvtMasked) == 0)
        {
            Request((byte)lvt, level: false); // a deadline in the past needs no detour over the clock's thread
        }
    }

    /// <summary>On the clock's thread.</summary>
    private void OnTimer()
    {
        uint lvt;
        lock (_gate)
        {
            lvt = _lvt[1];
            if (IsDeadlineMode)
            {
                if (_tscDeadline == 0)
                {
                    return;
                }

                if (_readTsc() < _tscDeadline)
                {
                    ArmTimer();
                    return;
                }

                _tscDeadline = 0;
            }
            else if (!_counts || _clock.Now - _countStart < CountDuration)
            {
                return; // stopped or started over while this was under way
            }
            else if ((lvt & LvtTimerModeMask) == LvtTimerPeriodic)
            {
                _countStart += (_clock.Now - _countStart) / CountDuration * CountDuration;
                ArmTimer();
            }
            else
            {
                _counts = false;
            }
        }

        if ((lvt & LvtMasked) == 0)
        {
            Request((byte)lvt, level: false);
        }
    }
}
