namespace Strata.EndToEnd.Tests.Harness;

/// <summary>Tests that count this process's threads, descriptors and memory: nothing runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class CountedResources
{
    public const string Name = "counted resources";
}
