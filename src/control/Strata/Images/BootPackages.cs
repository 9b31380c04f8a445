using System.Buffers.Binary;

namespace Strata.Images;

/// <summary>What every image starts from: Debian's cloud kernel with its modules, and a static busybox for the initial RAM disk.</summary>
internal sealed class BootPackages
{
    /// <summary>The kernel of virtual machines, with few drivers.</summary>
    public const string CloudKernel = "linux-image-cloud-amd64";

    private const string BusyboxPackage = "busybox-static";
    private const long SmallestKernel = 4 << 20;
    private const long SmallestBusybox = 500 << 10;

    /// <summary>Debian moved it when /bin became a link.</summary>
    private static readonly string[] BusyboxPaths = ["bin/busybox", "usr/bin/busybox"];

    private BootPackages(string root, string kernel, string busybox)
    {
        Root = root;
        Kernel = kernel;
        Busybox = busybox;
    }

    /// <summary>The folder that all packages are unpacked in.</summary>
    public string Root { get; }

    /// <summary>The bzImage's path.</summary>
    public string Kernel { get; }

    /// <summary>The busybox binary's path.</summary>
    public string Busybox { get; }

    /// <summary>What uname -r says.</summary>
    public string Release => Path.GetFileName(Kernel)["vmlinuz-".Length..];

    /// <summary>Fetches and unpacks.</summary>
    /// <param name="further">Names of packages to be unpacked with them, without what they depend on.</param>
    /// <param name="kernel">The metapackage of the kernel.</param>
    /// <exception cref="StrataException">The packages cannot be fetched, or hold something else than they should.</exception>
    public static async Task<BootPackages> FetchAsync(
        DebianPackages packages, string[] further, string work, IProgress<string>? progress, CancellationToken cancellationToken,
        string kernel = CloudKernel)
    {
        string package = await packages.FindVersionedAsync(kernel, "linux-image-", cancellationToken).ConfigureAwait(false);
        progress?.Report($"Fetching {package} and {BusyboxPackage}");
        string archives = Path.Combine(work, "boot-packages");
        string root = Path.Combine(work, "boot-root");
        await packages.FetchAsync([package, BusyboxPackage, .. further], archives, cancellationToken).ConfigureAwait(false);
        foreach (string file in Directory.GetFiles(archives, "*.deb"))
        {
            await HostTool.RunAsync(work, "dpkg-deb", ["-x", file, root], cancellationToken).ConfigureAwait(false);
        }

        string image = Directory.GetFiles(Path.Combine(root, "boot"), "vmlinuz-*").FirstOrDefault()
            ?? throw new StrataException(
                StrataError.ImageUnavailable, $"The package {package} holds no kernel; try again when Debian has a new one.");
        string busybox = BusyboxPaths.Select(path => Path.Combine(root, path)).FirstOrDefault(File.Exists)
            ?? throw new StrataException(
                StrataError.ImageUnavailable, $"The package {BusyboxPackage} holds no busybox; try again when Debian has a new one.");
        CheckKernel(image);
        CheckBusybox(busybox);
        return new BootPackages(root, image, busybox);
    }

    private static void CheckKernel(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> head = stackalloc byte[0x206];
        if (file.Length < SmallestKernel || file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length
            || !head.Slice(0x202, 4).SequenceEqual("HdrS"u8))
        {
            throw new StrataException(StrataError.ImageUnavailable, "The kernel package holds no usable bzImage; fetch it again.");
        }
    }

    private static void CheckBusybox(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> head = stackalloc byte[4];
        if (file.Length < SmallestBusybox || file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length
            || BinaryPrimitives.ReadUInt32BigEndian(head) != 0x7F454C46)
        {
            throw new StrataException(
                StrataError.ImageUnavailable, $"The package {BusyboxPackage} holds no usable busybox; fetch it again.");
        }
    }
}
