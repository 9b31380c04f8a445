using Xunit.Sdk;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>As <see cref="ImageFactAttribute"/>, with data.</summary>
[AttributeUsage(AttributeTargets.Method)]
[TraitDiscoverer(LongTraitDiscoverer.Name, LongTraitDiscoverer.Assembly)]
internal sealed class ImageTheoryAttribute : TheoryAttribute, ITraitAttribute
{
    /// <param name="tools">Commands of the host that the test needs besides.</param>
    public ImageTheoryAttribute(params string[] tools) => Skip = new ImageFactAttribute(tools).Skip;
}
