namespace Strata.EndToEnd.Tests.Harness;

/// <summary>A test that needs commands of the host; skipped by name where one is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class HostToolFactAttribute : FactAttribute
{
    public HostToolFactAttribute(params string[] tools) => Skip = HostTools.ReasonToSkip(tools);
}
