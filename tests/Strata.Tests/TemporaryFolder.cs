namespace Strata.Tests;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("strata-test-").FullName;

    public string PathOf(string name) => Path.Combine(_path, name);

    /// <returns>The new file's path.</returns>
    public string Write(string name, ReadOnlySpan<byte> content)
    {
        string path = PathOf(name);
        File.WriteAllBytes(path, content);
        return path;
    }

    /// <summary>A file of zeros that takes no space.</summary>
    public string WriteSparse(string name, long length)
    {
        string path = PathOf(name);
        using FileStream file = File.Create(path);
        file.SetLength(length);
        return path;
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
