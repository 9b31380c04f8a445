namespace Strata.Disks.Tests.Blocks;

/// <summary>A folder for images that goes with the test.</summary>
internal sealed class ImageFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("strata-image-").FullName;

    public string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>Writes the plain bytes of a disk for comparisons.</summary>
    public string WriteRaw(ReadOnlySpan<byte> content)
    {
        string path = PathOf("expected.raw");
        File.WriteAllBytes(path, content);
        return path;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
