using Strata.X86.Comparison;
using Strata.X86.Registers;

namespace Strata.Verification;

/// <summary>Makes reports of states.</summary>
internal static class Registers
{
    public static IReadOnlyList<RegisterValue> Values(in X86CpuState state) =>
        [.. StateComparison.Values(state).Select(field => new RegisterValue(field.Name, field.Value))];

    /// <param name="ignoredFlags">Bits of RFLAGS that do not count.</param>
    public static IReadOnlyList<RegisterDifference> Differences(
        in X86CpuState before, in X86CpuState expected, in X86CpuState actual, ulong ignoredFlags)
    {
        Dictionary<string, ulong> values = StateComparison.Values(before).ToDictionary(field => field.Name, field => field.Value);
        return [.. StateComparison.Compare(expected, actual, ignoredFlags)
            .Select(d => new RegisterDifference(d.Name, values[d.Name], d.Expected, d.Actual))];
    }
}
