using Strata.Machines.Boards;

namespace Strata.Machines.Tests.Boards;

public sealed class ResetRateTests
{
    private const long Second = 1_000_000_000;

    private readonly ResetRate _rate = new();

    [Fact]
    public void IsTooHigh_ManyResetsAtOnce_IsAtTheLimitOnly()
    {
        bool[] answers = [.. Enumerable.Range(0, ResetRate.Most).Select(i => _rate.IsTooHigh(i))];

        Assert.Equal(Enumerable.Repeat(false, ResetRate.Most - 1).Append(true), answers);
    }

    [Fact]
    public void IsTooHigh_OneResetInTwoSeconds_NeverIs() =>
        Assert.DoesNotContain(true, Enumerable.Range(0, 100).Select(i => _rate.IsTooHigh(2 * i * Second)));
}
