using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Vhdx;
using Strata.Disks.Vdi;
using Strata.Disks.Vhd;
using Strata.Disks.Vhdx;
using Strata.Disks.Vmdk;

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
    /// <summary>Corrects the checksums of an image's bytes; null for formats without them.</summary>
    public Action<byte[]>? Reseal { get; init; }

    private static readonly Dictionary<string, ImageKind> Kinds = new()
    {
        ["vdi-dynamic"] = new("vdi", (path, size) => VdiImage.Create(path, size), VdiImage.Open, VdiImage.Open, "static=off"),
        ["vdi-fixed"] = new(
            "vdi", (path, size) => VdiImage.Create(path, size, new VdiOptions { Fixed = true }), VdiImage.Open, VdiImage.Open, "static=on"),
        ["vhd-dynamic"] = new("vpc", (path, size) => VhdImage.Create(path, size), VhdImage.Open, VhdImage.Open, "subformat=dynamic")
        {
            Reseal = ResealVhd,
        },
        ["vhd-fixed"] = new(
            "vpc", (path, size) => VhdImage.Create(path, size, new VhdOptions { Fixed = true }), VhdImage.Open, VhdImage.Open,
            "subformat=fixed") { Reseal = ResealVhd },
        ["vmdk-sparse"] = new(
            "vmdk", (path, size) => VmdkImage.Create(path, size), VmdkImage.Open, VmdkImage.Open, "subformat=monolithicSparse"),
        ["vmdk-flat"] = new("vmdk", CreateFlatVmdk, VmdkImage.Open, VmdkImage.Open, "subformat=monolithicFlat") { HasOneFile = false },
        ["vhdx-dynamic"] = new("vhdx", (path, size) => VhdxImage.Create(path, size), VhdxImage.Open, VhdxImage.Open, "subformat=dynamic")
        {
            Reseal = VhdxSeal.Renew,
        },
        ["vhdx-fixed"] = new("vhdx", CreateFixedVhdx, VhdxImage.Open, VhdxImage.Open, "subformat=fixed") { Reseal = VhdxSeal.Renew },
    };

    /// <summary>What has no blocks, or tests of its own for all but what is common to every format.</summary>
    private static readonly Dictionary<string, ImageKind> OtherKinds = new()
    {
        ["raw"] = new(
            "raw", (path, size) => RawDisk.Create(path, size).Dispose(), RawDisk.Open, _ => throw new NotSupportedException("raw"), ""),
        ["qcow2"] = new("qcow2", CreateQcow2, OpenQcow2, file => Qcow2Image.Open(file, new DiskOpenOptions()), ""),
    };

    /// <summary>Whether everything passes through the file that is given to <see cref="OpenFile"/>.</summary>
    public bool HasOneFile { get; init; } = true;

    public static IEnumerable<string> AllNames => Kinds.Keys;

    public static TheoryData<string> NamesOfOneFile => [.. Kinds.Where(kind => kind.Value.HasOneFile).Select(kind => kind.Key)];

    public static TheoryData<string> Names => [.. Kinds.Keys];

    /// <summary>Every format that guests can write to.</summary>
    public static TheoryData<string> AllWritten => [.. Kinds.Keys, .. OtherKinds.Keys];

    public static ImageKind Named(string name) => Kinds.TryGetValue(name, out ImageKind? kind) ? kind : OtherKinds[name];

    private static void CreateFlatVmdk(string path, long size) =>
        VmdkImage.Create(path, size, new VmdkOptions { Subformat = VmdkSubformat.MonolithicFlat });

    private static void CreateFixedVhdx(string path, long size) => VhdxImage.Create(path, size, new VhdxOptions { Fixed = true });

    private static void CreateQcow2(string path, long size) =>
        Qcow2Image.Create(path, new DiskCreateOptions { Size = size }).Dispose();

    private static Qcow2Image OpenQcow2(string path, bool readOnly) => Qcow2Image.Open(path, new DiskOpenOptions { ReadOnly = readOnly });

    private static void ResealVhd(byte[] image)
    {
        VhdChecksum.Put(image.AsSpan(^VhdLayout.FooterLength..), VhdLayout.FooterChecksum);
        if (image.AsSpan().StartsWith(VhdLayout.FooterCookie))
        {
            VhdChecksum.Put(image.AsSpan(0, VhdLayout.FooterLength), VhdLayout.FooterChecksum);
            VhdChecksum.Put(image.AsSpan(VhdLayout.FooterLength, VhdLayout.DynamicHeaderLength), VhdLayout.HeaderChecksum);
        }
    }
}
