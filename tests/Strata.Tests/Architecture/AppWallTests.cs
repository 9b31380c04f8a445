using System.Diagnostics;
using System.Text.Json;
using System.Xml.Linq;

namespace Strata.Tests.Architecture;

/// <summary>What commands can be made of: the build lets the compiler of an app see the library, and nothing below it.</summary>
public sealed class AppWallTests
{
    /// <summary>Assemblies that the compiler of the command gets, by the build itself.</summary>
    [Fact]
    public async Task Compiler_OfTheCommand_SeesNoAssemblyBelowTheLibrary()
    {
        string project = Path.Combine(ProjectFile.FindRoot(), "src", "apps", "Strata.Cli", "Strata.Cli.csproj");
        string[] below = [.. ProjectFile.ReadAll().Where(file => file.Layer is not ("control" or "apps")).Select(file => file.Name)];

        string[] seen = await ResolveReferencesAsync(project);

        Assert.Contains("Strata", seen);
        Assert.Empty(seen.Intersect(below));
    }

    /// <summary>Otherwise the test above could pass by luck: the project has to say so itself.</summary>
    [Fact]
    public void Projects_OfTheAppsLayer_SwitchTransitiveReferencesOff() => Assert.All(
        Directory.EnumerateFiles(Path.Combine(ProjectFile.FindRoot(), "src", "apps"), "*.csproj", SearchOption.AllDirectories),
        path => Assert.Equal("true", XDocument.Load(path).Descendants("DisableTransitiveProjectReferences").SingleOrDefault()?.Value));

    /// <summary>Who has a friend shows it what nobody else may see.</summary>
    [Fact]
    public void Projects_OfTheTree_HaveNoFriendsButTests()
    {
        string[] friends = [
            .. Directory.EnumerateFiles(Path.Combine(ProjectFile.FindRoot(), "src"), "*.csproj", SearchOption.AllDirectories)
            .SelectMany(path => XDocument.Load(path).Descendants("InternalsVisibleTo")
                .Select(friend => (Project: Path.GetFileNameWithoutExtension(path), Friend: (string?)friend.Attribute("Include"))))
            .Where(pair => pair.Friend?.EndsWith(".Tests", StringComparison.Ordinal) != true)
            .Select(pair => $"{pair.Project} shows its inside to {pair.Friend}")];

        Assert.Empty(friends);
    }

    private static async Task<string[]> ResolveReferencesAsync(string project)
    {
        string[] arguments =
        [
            "msbuild", project, "-nologo", "-p:Configuration=Release", "-p:BuildProjectReferences=false", "-t:ResolveAssemblyReferences",
            "-getItem:ReferencePath",
        ];
        ProcessStartInfo start = new("dotnet", arguments)
        {
            RedirectStandardOutput = true,
        };
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1"; // nothing stays behind
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, output);
        using JsonDocument document = JsonDocument.Parse(output);
        JsonElement items = document.RootElement.GetProperty("Items").GetProperty("ReferencePath");
        return [.. items.EnumerateArray().Select(item => item.GetProperty("Filename").GetString()!)];
    }
}
