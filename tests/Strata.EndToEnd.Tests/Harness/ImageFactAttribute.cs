namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A test that starts, and at first builds, a whole system: minutes, which only `./build.sh e2e` spends.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ImageFactAttribute : FactAttribute
{
    /// <summary>Set by the build script.</summary>
    private const string Variable = "STRATA_E2E";

    public ImageFactAttribute() => Skip = Environment.GetEnvironmentVariable(Variable) == "1" ? null : "Long: ./build.sh e2e runs it.";
}
