using System.Numerics;
using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

public sealed partial class Qcow2Image
{
    private const int DefaultClusterSize = 64 << 10;

    /// <summary>Makes an image and opens it for writing, with its backing image if it has one.</summary>
    /// <exception cref="DiskImageException">It exists, cannot be made, or an option is impossible.</exception>
    public static Qcow2Image Create(string path, DiskCreateOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Qcow2Header header = PlanHeader(options);
        ImageFile.Create(path, file => WriteEmpty(file, header), options.Overwrite);
        return Open(path, new DiskOpenOptions { Format = "qcow2", Backing = BackingAccess.Any });
    }

    /// <summary>Makes an overlay of an open image, whose format need not have names for files, and takes the image over.</summary>
    /// <param name="backing">Disposed with the overlay, also if this fails.</param>
    /// <param name="backingFile">What the overlay names it.</param>
    public static Qcow2Image CreateOverlay(string path, DiskImage backing, string backingFile)
    {
        ArgumentNullException.ThrowIfNull(backing);
        try
        {
            DiskCreateOptions options = new()
            {
                Size = backing.Sectors * SectorSize,
                BackingFile = backingFile,
                BackingFormat = backing.Format,
            };
            ImageFile.Create(path, file => WriteEmpty(file, PlanHeader(options)));
            Qcow2Image image = Open(path, new DiskOpenOptions { Backing = BackingAccess.Detached });
            image._backing = backing;
            return image;
        }
        catch
        {
            backing.Dispose();
            throw;
        }
    }

    private static Qcow2Header PlanHeader(DiskCreateOptions options)
    {
        int clusterSize = options.ClusterSize ?? DefaultClusterSize;
        int version = options.Version ?? 3;
        int refcountBits = options.RefcountBits ?? 16;
        if (options.Size <= 0 || options.Size % SectorSize != 0)
        {
            throw new DiskImageException($"A disk cannot have {options.Size:N0} bytes; give a positive multiple of 512.");
        }

        if (!BitOperations.IsPow2(clusterSize) || clusterSize is < 1 << SmallestClusterBits or > 1 << LargestClusterBits)
        {
            throw new DiskImageException($"Clusters cannot have {clusterSize:N0} bytes; give a power of two from 512 to 2M.");
        }

        if (version is not (2 or 3) || options.Subformat is not null)
        {
            throw new DiskImageException("qcow2 images have version 2 or 3 and no subformats; leave the option out for version 3.");
        }

        if (!BitOperations.IsPow2(refcountBits) || refcountBits is < 1 or > 64 || (version == 2 && refcountBits != 16))
        {
            throw new DiskImageException(
                $"Reference counts cannot have {refcountBits} bits; give a power of two from 1 to 64, and 16 for version 2.");
        }

        if (version == 2 && options.LazyRefcounts)
        {
            throw new DiskImageException("Lazy reference counts need version 3; leave one of the two options out.");
        }

        int clusterBits = BitOperations.Log2((uint)clusterSize);
        long perTable = (long)clusterSize / EntrySize * clusterSize;
        long l1 = (options.Size / perTable) + (options.Size % perTable != 0 ? 1 : 0);
        return l1 * EntrySize > LargestL1
            ? throw new DiskImageException($"A disk of {options.Size:N0} bytes needs larger clusters than {clusterSize:N0} bytes.")
            : new Qcow2Header
            {
                Version = version,
                ClusterBits = clusterBits,
                Size = options.Size,
                L1Size = (int)l1,
                RefcountOrder = BitOperations.Log2((uint)refcountBits),
                BackingFile = options.BackingFile,
                BackingFormat = options.BackingFile is null ? null : options.BackingFormat,
                Compatible = options.LazyRefcounts ? CompatibleLazyRefcounts : 0,
                Extensions = version == 2 ? [] : [Qcow2Header.FeatureNames()],
            };
    }

    /// <summary>Cluster 0 is the header, then the L1 table, then the reference counts; the header is written last.</summary>
    private static void WriteEmpty(ImageFile file, Qcow2Header header)
    {
        Qcow2File image = Qcow2File.Create(file, header);
        long l1Clusters = image.ToClusters((long)header.L1Size * EntrySize);
        Qcow2Counts counts = new();
        for (long cluster = 0; cluster < 1 + l1Clusters; cluster++)
        {
            counts.Add(cluster, 1);
        }

        (long table, int clusters) = counts.Write(image, 1 + l1Clusters); // behind a hole: the L1 table's zeros
        file.Flush();
        image.WriteHeader(header with { L1Offset = header.ClusterSize, RefcountTableOffset = table, RefcountTableClusters = clusters });
        file.Flush();
    }
}
