using Strata.Disks.Blocks;
using Strata.Disks.Images;
using L = Strata.Disks.Vmdk.VmdkLayout;

namespace Strata.Disks.Vmdk;

/// <summary>Opens the extents that a descriptor names.</summary>
internal static class VmdkExtents
{
    /// <summary>Opens every extent of a descriptor file.</summary>
    public static ByteStore Open(VmdkDescriptor descriptor, ImageFile file)
    {
        if (descriptor.Extents.Count == 0)
        {
            throw file.Damaged("its descriptor names no extent");
        }

        List<ByteStore> stores = [];
        HashSet<string> names = new(StringComparer.Ordinal) { Path.GetFileName(file.Path) };
        try
        {
            foreach (VmdkExtentLine extent in descriptor.Extents)
            {
                stores.Add(Open(extent, names, file));
            }

            return stores.Count == 1 ? stores[0] : new SpannedStore(stores);
        }
        catch
        {
            stores.ForEach(store => store.Dispose());
            throw;
        }
    }

    /// <summary>Opens a sparse extent, compressed or not, whose header is at the start of the file.</summary>
    public static ByteStore OpenSparse(ImageFile file, VmdkSparseHeader header)
    {
        if (header.IsCompressed)
        {
            return new VmdkStream(file, header);
        }

        return header.GdOffset == L.GD_AT_END
            ? throw file.Unsupported(
                "its grain directory lies at the end although its grains are not compressed", "convert it to monolithicSparse")
            : new VmdkGrains(file, header);
    }

    public static VmdkSparseHeader ReadHeader(ImageFile file)
    {
        byte[] header = new byte[L.HeaderLength];
        file.ReadStructure(0, header, "sparse extent header");
        return VmdkSparseHeader.Parse(header, file);
    }

    private static ByteStore Open(VmdkExtentLine extent, HashSet<string> names, ImageFile file)
    {
        if (extent.Sectors == 0)
        {
            throw file.Damaged("an extent of its descriptor has no sectors");
        }

        if (extent.Access != "RW" && !(extent.Access == "RDONLY" && file.IsReadOnly))
        {
            throw file.Unsupported($"an extent allows only {extent.Access} access", "open it for reading, or convert it");
        }

        if (extent.Type == "ZERO")
        {
            return new ZeroStore(extent.Sectors * L.SectorSize);
        }

        if (extent.Type is not ("FLAT" or "VMFS" or "SPARSE"))
        {
            throw file.Unsupported(
                $"its extent type {Shown(extent.Type)} is not FLAT, VMFS, SPARSE or ZERO", "convert it to monolithicSparse");
        }

        ImageFile part = ImageFile.Open(PathOf(extent.FileName, names, file), file.IsReadOnly);
        try
        {
            return Open(extent, part);
        }
        catch
        {
            part.Dispose();
            throw;
        }
    }

    private static ByteStore Open(VmdkExtentLine extent, ImageFile part)
    {
        if (extent.Type != "SPARSE")
        {
            return new FlatStore(part, extent.Offset * L.SectorSize, extent.Sectors * L.SectorSize);
        }

        VmdkSparseHeader header = ReadHeader(part);
        return header.Capacity == extent.Sectors
            ? OpenSparse(part, header)
            : throw part.Damaged($"it has {header.Capacity:N0} sectors and the descriptor gives it {extent.Sectors:N0}");
    }

    /// <summary>
    /// An image may come from anybody: its extents are files beside it, never files elsewhere that it would like to reach.
    /// </summary>
    private static string PathOf(string name, HashSet<string> names, ImageFile file)
    {
        if (name is "." or ".." || name.AsSpan().IndexOfAny("/\\:") >= 0 || name.Any(char.IsControl))
        {
            throw file.Unsupported(
                $"its descriptor names the extent {Shown(name)} outside the descriptor's own folder",
                "put the extent beside the descriptor and name it without a path");
        }

        if (!names.Add(name))
        {
            throw file.Unsupported($"its descriptor uses the file {Shown(name)} twice", "convert it to monolithicSparse");
        }

        string path = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file.Path))!, name);
        if (new FileInfo(path).LinkTarget is { } target)
        {
            throw file.Unsupported(
                $"its extent {Shown(name)} is a symbolic link to {Shown(target)}", "put the extent itself beside the descriptor");
        }

        return path;
    }

    /// <summary>Untrusted text for a message.</summary>
    private static string Shown(string text)
    {
        const int Longest = 100;
        string clean = string.Concat(text.Take(Longest).Select(character => char.IsControl(character) ? '?' : character));
        return text.Length > Longest ? clean + "..." : clean;
    }
}
