using Strata.Core.Sharing;

namespace Strata.Shares.Tests.Harness;

/// <summary>A folder of the host as a share, beside a secret that no guest may reach; all goes with the test.</summary>
internal sealed class SharedTree : IDisposable
{
    public const string Secret = "the secret outside of the share";

    private readonly string _all = Directory.CreateTempSubdirectory("strata-share-").FullName;

    public SharedTree(
        bool readOnly = false, int nodes = 1000, int held = 100, int handles = 50, ulong fileSize = long.MaxValue, FileOwner? owner = null)
    {
        Directory.CreateDirectory(Root);
        File.WriteAllText(SecretPath, Secret);
        Share = HostFolder.Open(Root, readOnly, new ShareLimits(nodes, held, handles, fileSize), owner);
    }

    public string Root => Path.Combine(_all, "shared");

    public string SecretPath => Path.Combine(_all, "secret");

    public string Outside => _all;

    public HostFolder Share { get; }

    public string PathOf(string name) => Path.Combine(Root, name);

    public string Write(string name, string content)
    {
        File.WriteAllText(PathOf(name), content);
        return PathOf(name);
    }

    /// <summary>The node of a path below the root, one lookup a component.</summary>
    public ulong NodeOf(string path)
    {
        ulong node = IFileShare.Root;
        foreach (string name in path.Split('/'))
        {
            Assert.Equal(Errno.None, Lookup(node, name, out FileEntry entry));
            node = entry.Node;
        }

        return node;
    }

    public Errno Lookup(ulong parent, string name, out FileEntry entry) => Share.Lookup(parent, Bytes(name), out entry);

    public ulong OpenFile(string path, OpenMode mode)
    {
        Assert.Equal(Errno.None, Share.Open(NodeOf(path), mode, out ulong handle, out _));
        return handle;
    }

    public string[] List(ulong folder)
    {
        Assert.Equal(Errno.None, Share.OpenFolder(folder, out ulong handle));
        Assert.Equal(Errno.None, Share.SeekFolder(handle, 0));
        List<string> names = [];
        while (true)
        {
            Assert.Equal(Errno.None, Share.ReadFolder(handle, out _, out ReadOnlySpan<byte> name));
            if (name.IsEmpty)
            {
                Share.Close(handle);
                return [.. names.Order(StringComparer.Ordinal)];
            }

            names.Add(System.Text.Encoding.UTF8.GetString(name));
        }
    }

    public static byte[] Bytes(string name) => System.Text.Encoding.UTF8.GetBytes(name);

    public void Dispose()
    {
        Share.Dispose();
        Directory.Delete(_all, recursive: true);
    }
}
