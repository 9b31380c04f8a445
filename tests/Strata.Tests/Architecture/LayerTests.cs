namespace Strata.Tests.Architecture;

/// <summary>Holds the floor plan: which layer may know which. A layer may always use projects of its own.</summary>
public sealed class LayerTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["core"] = [],
        ["cpu"] = ["core"],
        ["devices"] = ["core"],
        ["backends"] = ["core"],
        ["machines"] = ["cpu", "devices", "backends", "core"],
        ["control"] = ["machines", "cpu", "devices", "backends", "core"],
        ["apps"] = ["control"],
    };

    private static readonly IReadOnlyList<ProjectFile> Projects = ProjectFile.ReadAll();

    public static TheoryData<string> ProjectNames => [.. Projects.Select(project => project.Name)];

    [Theory]
    [MemberData(nameof(ProjectNames))]
    public void References_OfEachProject_StayInsideTheAllowedLayers(string name)
    {
        ProjectFile project = Projects.Single(candidate => candidate.Name == name);

        string[] forbidden = [.. project.References.Where(reference => !MayUse(project.Layer, LayerOf(reference)))];

        Assert.True(forbidden.Length == 0, $"{name} ({project.Layer}) must not reference {string.Join(", ", forbidden)}.");
    }

    [Fact]
    public void Projects_OfTheTree_LieInKnownLayers()
    {
        string[] unknown = [
            .. Projects.Where(project => !Allowed.ContainsKey(project.Layer)).Select(project => $"{project.Layer}/{project.Name}")];

        Assert.Empty(unknown);
    }

    [Fact]
    public void Projects_OfTheTree_FillEveryLayer() =>
        Assert.Equal(Allowed.Keys.Order(), Projects.Select(project => project.Layer).Distinct().Order());

    [Fact]
    public void ProjectNames_OfTheTree_AreUnique() =>
        Assert.Equal(Projects.Count, Projects.Select(project => project.Name).Distinct().Count());

    [Theory]
    [InlineData("cpu", "devices")]
    [InlineData("devices", "cpu")]
    [InlineData("devices", "backends")]
    [InlineData("backends", "devices")]
    [InlineData("core", "cpu")]
    [InlineData("machines", "control")]
    [InlineData("apps", "machines")]
    public void MayUse_LayersThatMustNotKnowEachOther_IsFalse(string user, string used) => Assert.False(MayUse(user, used));

    private static bool MayUse(string user, string used) =>
        user == used || (Allowed.TryGetValue(user, out string[]? layers) && layers.Contains(used));

    private static string LayerOf(string project) =>
        Projects.SingleOrDefault(candidate => candidate.Name == project)?.Layer ?? $"nowhere ({project})";
}
