using Xunit.Abstractions;
using Xunit.Sdk;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>Gives long tests the trait that `./build.sh e2e` finds them by: Length=Long.</summary>
public sealed class LongTraitDiscoverer : ITraitDiscoverer
{
    internal const string Name = "Strata.EndToEnd.Tests.Harness.LongTraitDiscoverer";
    internal const string Assembly = "Strata.EndToEnd.Tests";

    public IEnumerable<KeyValuePair<string, string>> GetTraits(IAttributeInfo traitAttribute) => [new("Length", "Long")];
}
