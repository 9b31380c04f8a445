using Iced.Intel;
using Strata.X86.Interpreter.Tests.Integer;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>A test that executes what not every host's processor has; skipped where one of the features is absent.</summary>
public sealed class HostFeatureTheoryAttribute : TheoryAttribute
{
    public HostFeatureTheoryAttribute(params CpuidFeature[] features)
    {
        CpuidFeature[] missing = [.. features.Where(feature => !HostFeatures.Has(feature))];
        Skip = missing.Length == 0 ? null : $"needs a host processor with {string.Join(", ", missing)}";
    }
}
