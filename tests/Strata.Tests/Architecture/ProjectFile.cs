using System.Xml.Linq;

namespace Strata.Tests.Architecture;

/// <summary>A project of the source tree: its layer (the folder below src) and the projects it names.</summary>
internal sealed record ProjectFile(string Name, string Layer, IReadOnlyList<string> References)
{
    /// <summary>Every project below src.</summary>
    public static IReadOnlyList<ProjectFile> ReadAll()
    {
        string source = Path.Combine(FindRoot(), "src");
        return [.. Directory.EnumerateFiles(source, "*.csproj", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)
            .Select(path => Read(source, path))];
    }

    private static ProjectFile Read(string source, string path)
    {
        string layer = Path.GetRelativePath(source, path).Split(Path.DirectorySeparatorChar)[0];
        string[] references = [.. XDocument.Load(path).Descendants()
            .Where(element => element.Name.LocalName == "ProjectReference")
            .Select(element => (string?)element.Attribute("Include")
                ?? throw new InvalidDataException($"{path} has a reference without a target."))
            .Select(include => Path.GetFileNameWithoutExtension(include.Replace('\\', '/')))];
        return new ProjectFile(Path.GetFileNameWithoutExtension(path), layer, references);
    }

    internal static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Strata.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new DirectoryNotFoundException("No folder above the tests holds Strata.slnx.");
    }
}
