namespace Strata.Tests.Architecture;

/// <summary>Lines of the sources fit a screen. Text between triple quotes is what it is: help, programs of guests, JSON.</summary>
public sealed class SourceLinesTests
{
    private const int Longest = 140;
    private const string RawQuotes = "\"\"\"";

    [Fact]
    public void Lines_OfTheSources_FitAScreen()
    {
        string root = ProjectFile.FindRoot();

        string[] tooLong = [.. new[] { "src", "tests", "benchmarks" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(root, folder), "*.cs", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(root, path))
            .Where(path => !IsMade(path))
            .SelectMany(path => FindTooLong(path, File.ReadLines(Path.Combine(root, path))))];

        Assert.Empty(tooLong);
    }

    /// <summary>Generated, or an output of the build.</summary>
    private static bool IsMade(string path) =>
        path.EndsWith(".g.cs", StringComparison.Ordinal) || path.Split(Path.DirectorySeparatorChar).Contains("obj");

    private static IEnumerable<string> FindTooLong(string path, IEnumerable<string> lines)
    {
        bool isText = false;
        foreach ((int index, string line) in lines.Index())
        {
            if (!isText && line.Length > Longest)
            {
                yield return $"{path}:{index + 1}";
            }

            isText ^= line.Split(RawQuotes).Length % 2 == 0;
        }
    }
}
