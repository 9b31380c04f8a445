using System.Reflection;

namespace Strata.Images;

/// <summary>The scripts and configuration files of the debian image, which this assembly carries (Images/Debian).</summary>
internal static class DebianFiles
{
    private const string Prefix = "debian/";

    public static byte[] Read(string path)
    {
        using Stream stream = Open(Prefix + path);
        using MemoryStream content = new();
        stream.CopyTo(content);
        return content.ToArray();
    }

    /// <summary>Writes all of them into a folder.</summary>
    public static void CopyTo(string folder)
    {
        foreach (string resource in typeof(DebianFiles)
            .Assembly
            .GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            string path = Path.Combine(folder, resource[Prefix.Length..]);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using Stream stream = Open(resource);
            using FileStream file = File.Create(path);
            stream.CopyTo(file);
        }
    }

    private static Stream Open(string resource)
    {
        Assembly assembly = typeof(DebianFiles).Assembly;
        return assembly.GetManifestResourceStream(resource) ?? throw new InvalidOperationException($"The assembly carries no {resource}.");
    }
}
