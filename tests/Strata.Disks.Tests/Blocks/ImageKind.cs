using Strata.Disks.Blocks;
using Strata.Disks.Images;
using Strata.Disks.Vdi;

namespace Strata.Disks.Tests.Blocks;

/// <summary>One way of storing a disk that can be written anywhere: what the tests of all formats need to know of it.</summary>
/// <param name="Format">qemu-img's name of the format.</param>
/// <param name="Create">Makes a new image at a path, of so many bytes.</param>
/// <param name="Open">Opens an image, for writing or for reading only.</param>
/// <param name="OpenFile">Opens an image for writing through a file that records.</param>
/// <param name="QemuOptions">What qemu-img create -o needs to make the same kind.</param>
internal sealed record ImageKind(
    string Format, Action<string, long> Create, Func<string, bool, DiskImage> Open, Func<ImageFile, DiskImage> OpenFile, string QemuOptions)
{
    private static readonly Dictionary<string, ImageKind> Kinds = new()
    {
        ["vdi-dynamic"] = new("vdi", (path, size) => VdiImage.Create(path, size), VdiImage.Open, VdiImage.Open, "static=off"),
        ["vdi-fixed"] = new("vdi", (path, size) => VdiImage.Create(path, size, new VdiOptions { Fixed = true }), VdiImage.Open, VdiImage.Open, "static=on"),
    };

    public static IEnumerable<string> AllNames => Kinds.Keys;

    public static TheoryData<string> Names => [.. Kinds.Keys];

    public static ImageKind Named(string name) => Kinds[name];
}
