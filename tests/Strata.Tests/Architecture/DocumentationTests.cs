using System.Text.RegularExpressions;

namespace Strata.Tests.Architecture;

/// <summary>Documents may only point at what is there.</summary>
public sealed partial class DocumentationTests
{
    private static readonly string Root = ProjectFile.FindRoot();

    private static readonly Lazy<string[]> Sources = new(() => [.. new[] { "src", "tests" }
        .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories))
        .Select(path => '/' + Path.GetRelativePath(Root, path).Replace('\\', '/'))]);

    public static TheoryData<string> Documents => [.. Directory.EnumerateFiles(Root, "*.md")
        .Concat(Directory.EnumerateFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories))
        .Select(path => Path.GetRelativePath(Root, path))
        .Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Links_OfEachDocument_LeadToFiles(string document)
    {
        string folder = Path.GetDirectoryName(Path.Combine(Root, document))!;

        string[] broken = [.. Link().Matches(File.ReadAllText(Path.Combine(Root, document)))
            .Select(match => match.Groups["target"].Value)
            .Where(target => !Path.Exists(Path.Combine(folder, target)))];

        Assert.Empty(broken);
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void SourceFiles_ThatADocumentNames_Exist(string document)
    {
        string[] missing = [.. SourceName().Matches(File.ReadAllText(Path.Combine(Root, document)))
            .Select(match => match.Groups["path"].Value)
            .Where(path => !Sources.Value.Any(source => source.EndsWith('/' + path, StringComparison.Ordinal)))];

        Assert.Empty(missing);
    }

    [Fact]
    public void Projects_OfTheTree_StandInTheArchitecture()
    {
        string architecture = File.ReadAllText(Path.Combine(Root, "docs", "architecture.md"));

        string[] unnamed = [.. ProjectFile.ReadAll().Select(project => project.Name)
            .Where(name => !architecture.Contains($"`{name}`", StringComparison.Ordinal))];

        Assert.Empty(unnamed);
    }

    [GeneratedRegex(@"\]\((?!https?:)(?<target>[^)#\s]+)(#[^)]*)?\)")]
    private static partial Regex Link();

    /// <summary>A C# file in backticks, with as much of its path as the document gives.</summary>
    [GeneratedRegex(@"`(?<path>[\w./-]+\.cs)`")]
    private static partial Regex SourceName();
}
