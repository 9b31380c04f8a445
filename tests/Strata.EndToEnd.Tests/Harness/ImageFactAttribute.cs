using Xunit.Sdk;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A test that starts, and at first builds, a whole system: minutes, which only `./build.sh e2e` spends.</summary>
[AttributeUsage(AttributeTargets.Method)]
[TraitDiscoverer(LongTraitDiscoverer.Name, LongTraitDiscoverer.Assembly)]
internal sealed class ImageFactAttribute : FactAttribute, ITraitAttribute
{
    /// <summary>Set by the build script.</summary>
    private const string Variable = "STRATA_E2E";

    /// <param name="tools">Commands of the host that the test needs besides.</param>
    public ImageFactAttribute(params string[] tools) =>
        Skip = Environment.GetEnvironmentVariable(Variable) == "1" ? HostTools.ReasonToSkip(tools) : "Long: ./build.sh e2e runs it.";
}
