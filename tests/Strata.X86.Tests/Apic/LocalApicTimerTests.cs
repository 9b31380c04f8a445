using Strata.Core.Bus;
using Strata.Core.Time;
using Strata.X86.Apic;
using Strata.X86.Cpuid;

namespace Strata.X86.Tests.Apic;

/// <summary>
/// Intel SDM Vol. 3A, "APIC Timer" and "TSC-Deadline Mode". The timer's clock is the 25 MHz crystal of CPUID leaf 15H: 40 ns a count.
/// </summary>
public sealed class LocalApicTimerTests : IDisposable
{
    private const uint LvtTimer = 0x320;
    private const uint InitialCount = 0x380;
    private const uint CurrentCount = 0x390;
    private const uint Divide = 0x3E0;
    private const uint DivideByOne = 0xB;
    private const uint Vector = 0x40;
    private const uint Masked = 1 << 16;
    private const uint Periodic = 1 << 17;
    private const uint Deadline = 2 << 17;
    private const long CountTime = 40;

    private readonly ApicMachine _machine = new ApicMachine().Enable();

    public LocalApicTimerTests() => _machine.Write(Divide, DivideByOne);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void OneShot_Count_InterruptsOnceAndStaysAtZero()
    {
        _machine.Write(LvtTimer, Vector);
        _machine.Write(InitialCount, 1000);

        Advance(400);
        Assert.Equal(600U, _machine.Read(CurrentCount));
        Advance(599);
        Assert.Empty(_machine.Take());
        Advance(1);
        Assert.Equal([(byte)Vector], _machine.Take());
        Advance(100_000);
        Assert.Empty(_machine.Take());
        Assert.Equal(0U, _machine.Read(CurrentCount));
        Assert.Equal(1000U, _machine.Read(InitialCount));
    }

    /// <summary>1 GHz, as UEFI firmware takes for granted.</summary>
    [Fact]
    public void OneShot_OtherCrystal_CountsIt()
    {
        ManualClock clock = new();
        CpuidPolicy policy = new() { CrystalFrequency = 1_000_000_000 };
        using LocalApic apic = new(0, clock, new ApicBus { EoiSink = _machine }, policy, null, () => 0);
        apic.WriteMmio(Divide, AccessWidth.Dword, DivideByOne);
        apic.WriteMmio(InitialCount, AccessWidth.Dword, 1000);

        clock.Advance(400); // ns

        Assert.Equal(600U, (uint)apic.ReadMmio(CurrentCount, AccessWidth.Dword));
    }

    [Fact]
    public void Periodic_Count_InterruptsEachPeriod()
    {
        _machine.Write(LvtTimer, Vector | Periodic);
        _machine.Write(InitialCount, 1000);

        for (int i = 0; i < 5; i++)
        {
            Advance(999);
            Assert.Empty(_machine.Take());
            Assert.Equal(1U, _machine.Read(CurrentCount));
            Advance(1);
            Assert.Equal([(byte)Vector], _machine.Take());
        }
    }

    [Theory]
    [InlineData(0x0U, 2)]
    [InlineData(0x1U, 4)]
    [InlineData(0x2U, 8)]
    [InlineData(0x3U, 16)]
    [InlineData(0x8U, 32)]
    [InlineData(0x9U, 64)]
    [InlineData(0xAU, 128)]
    [InlineData(0xBU, 1)]
    public void Divide_Code_SlowsTheCount(uint code, int divisor)
    {
        _machine.Write(Divide, code);
        _machine.Write(LvtTimer, Vector);
        _machine.Write(InitialCount, 100);

        Advance((100 * divisor) - 1);
        Assert.Empty(_machine.Take());
        Assert.Equal(1U, _machine.Read(CurrentCount));
        Advance(1);
        Assert.Single(_machine.Take());
    }

    [Fact]
    public void Divide_WrittenWhileCounting_GoesOnAtTheNewPace()
    {
        _machine.Write(LvtTimer, Vector);
        _machine.Write(InitialCount, 1000);
        Advance(400);

        _machine.Write(Divide, 0);

        Assert.Equal(600U, _machine.Read(CurrentCount));
        Advance(1199);
        Assert.Empty(_machine.Take());
        Advance(1);
        Assert.Single(_machine.Take());
    }

    [Fact]
    public void InitialCount_Zero_StopsTheTimer()
    {
        _machine.Write(LvtTimer, Vector | Periodic);
        _machine.Write(InitialCount, 1000);

        _machine.Write(InitialCount, 0);

        Advance(10_000);
        Assert.Empty(_machine.Take());
        Assert.Equal(0U, _machine.Read(CurrentCount));
    }

    [Fact]
    public void InitialCount_WrittenAgain_StartsOver()
    {
        _machine.Write(LvtTimer, Vector);
        _machine.Write(InitialCount, 1000);
        Advance(900);

        _machine.Write(InitialCount, 1000);

        Advance(999);
        Assert.Empty(_machine.Take());
        Advance(1);
        Assert.Single(_machine.Take());
    }

    [Fact]
    public void InitialCount_Largest_IsReached()
    {
        _machine.Write(Divide, 0xA);
        _machine.Write(LvtTimer, Vector);
        _machine.Write(InitialCount, uint.MaxValue);

        Advance((uint.MaxValue * 128L) - 1);
        Assert.Empty(_machine.Take());
        Advance(1);
        Assert.Single(_machine.Take());
    }

    [Fact]
    public void Lvt_Masked_CountsWithoutInterrupt()
    {
        _machine.Write(LvtTimer, Vector | Masked);
        _machine.Write(InitialCount, 1000);

        Advance(500);
        Assert.Equal(500U, _machine.Read(CurrentCount));
        Advance(10_000);
        Assert.Empty(_machine.Take());
    }

    [Fact]
    public void Lvt_UnmaskedInTime_Interrupts()
    {
        _machine.Write(LvtTimer, Vector | Masked);
        _machine.Write(InitialCount, 1000);
        Advance(500);

        _machine.Write(LvtTimer, Vector + 1);

        Advance(500);
        Assert.Equal([(byte)(Vector + 1)], _machine.Take());
    }

    /// <summary>Only entering or leaving TSC-deadline mode disarms the timer.</summary>
    [Fact]
    public void Lvt_OneShotAndPeriodic_SwitchWhileCounting()
    {
        _machine.Write(LvtTimer, Vector | Periodic);
        _machine.Write(InitialCount, 1000);
        Advance(1600);
        Assert.Single(_machine.Take());

        _machine.Write(LvtTimer, Vector);
        Assert.Equal(400U, _machine.Read(CurrentCount));
        Advance(400);
        Assert.Single(_machine.Take());
        Advance(5000);
        Assert.Empty(_machine.Take());

        _machine.Write(LvtTimer, Vector | Periodic);
        Assert.Equal(1000U, _machine.Read(InitialCount));
        Assert.Equal(0U, _machine.Read(CurrentCount));
        Advance(5000);
        Assert.Empty(_machine.Take());
    }

    [Fact]
    public void Lvt_OneShotBecomesPeriodic_Repeats()
    {
        _machine.Write(LvtTimer, Vector);
        _machine.Write(InitialCount, 1000);
        Advance(300);

        _machine.Write(LvtTimer, Vector | Periodic);

        Advance(700);
        Assert.Single(_machine.Take());
        Advance(1000);
        Assert.Single(_machine.Take());
    }

    [Fact]
    public void Deadline_Reached_InterruptsOnceAndReadsZero()
    {
        _machine.Write(LvtTimer, Vector | Deadline);
        WriteDeadline(1_000_000);
        Assert.Equal(1_000_000UL, ReadDeadline());

        _machine.Clock.Advance(499_999);
        Assert.Empty(_machine.Take());
        _machine.Clock.Advance(1);
        Assert.Equal([(byte)Vector], _machine.Take());
        Assert.Equal(0UL, ReadDeadline());
        _machine.Clock.Advance(10_000_000);
        Assert.Empty(_machine.Take());
    }

    [Fact]
    public void Deadline_InThePast_InterruptsAtOnce()
    {
        _machine.Clock.Advance(1_000_000);
        _machine.Write(LvtTimer, Vector | Deadline);

        WriteDeadline(2_000_000);

        Assert.Equal([(byte)Vector], _machine.Take());
        Assert.Equal(0UL, ReadDeadline());
    }

    [Fact]
    public void Deadline_InThePastButMasked_DoesNotInterrupt()
    {
        _machine.Clock.Advance(1_000_000);
        _machine.Write(LvtTimer, Vector | Deadline | Masked);

        WriteDeadline(1);

        Assert.Empty(_machine.Take());
        Assert.Equal(0UL, ReadDeadline());
    }

    [Fact]
    public void Deadline_Zero_Disarms()
    {
        _machine.Write(LvtTimer, Vector | Deadline);
        WriteDeadline(1_000_000);

        WriteDeadline(0);

        _machine.Clock.Advance(10_000_000);
        Assert.Empty(_machine.Take());
    }

    [Fact]
    public void Deadline_OtherMode_IsIgnoredAndReadsZero()
    {
        _machine.Write(LvtTimer, Vector);
        WriteDeadline(1_000_000);

        Assert.Equal(0UL, ReadDeadline());
        _machine.Clock.Advance(10_000_000);
        Assert.Empty(_machine.Take());
    }

    [Fact]
    public void Deadline_ModeLeft_IsDisarmed()
    {
        _machine.Write(LvtTimer, Vector | Deadline);
        WriteDeadline(1_000_000);

        _machine.Write(LvtTimer, Vector);
        _machine.Write(LvtTimer, Vector | Deadline);

        Assert.Equal(0UL, ReadDeadline());
        _machine.Clock.Advance(10_000_000);
        Assert.Empty(_machine.Take());
    }

    [Fact]
    public void Deadline_ModeEntered_StopsTheCount()
    {
        _machine.Write(LvtTimer, Vector);
        _machine.Write(InitialCount, 1000);

        _machine.Write(LvtTimer, Vector | Deadline);
        _machine.Write(InitialCount, 500);

        Assert.Equal(0U, _machine.Read(CurrentCount));
        Advance(10_000);
        Assert.Empty(_machine.Take());
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData((ulong)long.MaxValue)]
    [InlineData(1UL << 63)]
    public void Deadline_VeryFar_NeverFires(ulong deadline)
    {
        _machine.Clock.Advance(1_000);
        _machine.Write(LvtTimer, Vector | Deadline);

        WriteDeadline(deadline);

        _machine.Clock.Advance(1_000_000_000_000);
        Assert.Empty(_machine.Take());
        Assert.Equal(deadline, ReadDeadline());
    }

    [Fact]
    public void SoftwareDisabled_RunningTimer_IsMasked()
    {
        _machine.Write(LvtTimer, Vector);
        _machine.Write(InitialCount, 1000);

        _machine.Write(0xF0, 0xFF);
        Advance(2000);
        _machine.Write(0xF0, 0x1FF);

        Assert.Empty(_machine.Take());
    }

    /// <summary>The guest sees the count at zero before the clock's thread has run: the interrupt is due all the same, once.</summary>
    [Fact]
    public void Lvt_SwitchedBeforeTheTimerFires_KeepsTheExpiry()
    {
        LateClock clock = new();
        using LocalApic apic = new(0, clock, new ApicBus(), new CpuidPolicy(), pic: null, () => 0);
        apic.WriteMmio(0xF0, AccessWidth.Dword, 0x1FF);
        apic.WriteMmio(Divide, AccessWidth.Dword, DivideByOne);
        apic.WriteMmio(LvtTimer, AccessWidth.Dword, Vector);
        apic.WriteMmio(InitialCount, AccessWidth.Dword, 1000);
        clock.Now = 1500 * CountTime;

        apic.WriteMmio(LvtTimer, AccessWidth.Dword, Vector | Periodic);
        clock.Fire();

        Assert.Equal(0UL, apic.ReadMmio(CurrentCount, AccessWidth.Dword));
        Assert.True(apic.TryAcknowledge(out byte vector));
        Assert.Equal((byte)Vector, vector);
        Assert.False(apic.TryAcknowledge(out _));
    }

    private void Advance(long counts) => _machine.Clock.Advance(counts * CountTime);

    private void WriteDeadline(ulong tsc) => Assert.True(_machine.First.TryWriteMsr(ApicMachine.TscMsr, tsc));

    private ulong ReadDeadline()
    {
        Assert.True(_machine.First.TryReadMsr(ApicMachine.TscMsr, out ulong value));
        return value;
    }

    /// <summary>A clock with one timer, which fires when the test says so.</summary>
    private sealed class LateClock : IVirtualClock, IVirtualTimer
    {
        private Action? _callback;

        public long Now { get; set; }

        public IVirtualTimer CreateTimer(Action callback)
        {
            _callback = callback;
            return this;
        }

        public void Fire() => _callback!();

        public void Arm(long deadline)
        {
        }

        public void Disarm()
        {
        }

        public void Dispose()
        {
        }
    }
}
