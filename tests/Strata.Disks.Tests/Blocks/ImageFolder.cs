namespace Strata.Disks.Tests.Blocks;

/// <summary>A folder for images that goes with the test; in memory where the host can, so that flushes take no time.</summary>
internal sealed class ImageFolder : IDisposable
{
    private const string Memory = "/dev/shm";

    public string Root { get; } = Directory.Exists(Memory)
        ? Directory.CreateDirectory(Path.Combine(Memory, $"strata-image-{Guid.NewGuid():N}")).FullName
        : Directory.CreateTempSubdirectory("strata-image-").FullName;

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
