using FsCheck;
using FsCheck.Fluent;
using Strata.X86.Paravirt;

namespace Strata.X86.Tests.Paravirt;

/// <summary>Linux kernel documentation, "KVM-specific MSRs", MSR_KVM_SYSTEM_TIME_NEW.</summary>
public sealed class ClockRateTests
{
    private const ulong Day = 86_400UL * 1_000_000_000;

    [Theory]
    [InlineData(1_000_000_000UL, 0x8000_0000U, 1)]
    [InlineData(2_000_000_000UL, 0x8000_0000U, 0)]
    [InlineData(4_000_000_000UL, 0x8000_0000U, -1)]
    [InlineData(500_000_000UL, 0x8000_0000U, 2)]
    public void Of_PowersOfTwo_AreExact(ulong frequency, uint multiplier, int shift) =>
        Assert.Equal(new ClockRate(multiplier, (sbyte)shift), ClockRate.Of(frequency));

    [Fact]
    public void Of_AnyFrequency_IsWithinTwentyMicrosecondsAfterADay() =>
        Prop.ForAll(Gen.Choose(1_000, 9_000_000).ToArbitrary(), kilohertz =>
        {
            ulong frequency = (ulong)kilohertz * 1000;
            ulong ticks = (ulong)((UInt128)Day * frequency / 1_000_000_000);

            long error = (long)(ClockRate.Of(frequency).ToNanoseconds(ticks) - Day);

            return Math.Abs(error) <= 20_000 + (1_000_000_000 / (long)frequency);
        }).QuickCheckThrowOnFailure();
}
