namespace Strata.Disks.Tests.Harness;

/// <summary>A folder that goes with the test.</summary>
/// <param name="inMemory">On a file system without a device behind it, where the host has one: for tests that flush often.</param>
internal sealed class TemporaryFolder(bool inMemory = false) : IDisposable
{
    private const string MemoryFileSystem = "/dev/shm";

    private readonly string _path = inMemory && Directory.Exists(MemoryFileSystem)
        ? Directory.CreateDirectory(Path.Combine(MemoryFileSystem, $"strata-test-{Guid.NewGuid():N}")).FullName
        : Directory.CreateTempSubdirectory("strata-test-").FullName;

    public string PathOf(string name) => Path.Combine(_path, name);

    /// <returns>The new file's path.</returns>
    public string Write(string name, ReadOnlySpan<byte> content)
    {
        string path = PathOf(name);
        File.WriteAllBytes(path, content);
        return path;
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
