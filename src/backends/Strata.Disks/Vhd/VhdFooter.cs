using System.Buffers.Binary;
using Strata.Disks.Images;
using L = Strata.Disks.Vhd.VhdLayout;

namespace Strata.Disks.Vhd;

/// <summary>What the hard disk footer says.</summary>
/// <param name="DiskType">One of the types of <see cref="VhdLayout"/>.</param>
/// <param name="Size">Bytes of the disk.</param>
/// <param name="DataOffset">Where the dynamic disk header lies; bytes.</param>
internal readonly record struct VhdFooter(uint DiskType, long Size, ulong DataOffset)
{
    /// <summary>The specification's limit: 2040 GiB.</summary>
    public const long MaximumSize = 2040L << 30;

    private static readonly DateTime TimeStampEpoch = new(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    public static bool HasCookie(ReadOnlySpan<byte> footer) => footer.StartsWith(L.FooterCookie);

    /// <summary>Whether these bytes are a footer that arrived whole.</summary>
    public static bool IsValid(ReadOnlySpan<byte> footer) => HasCookie(footer) && VhdChecksum.IsRight(footer, L.FooterChecksum);

    public static VhdFooter Parse(ReadOnlySpan<byte> footer, ImageFile file)
    {
        uint version = BinaryPrimitives.ReadUInt32BigEndian(footer[L.FileFormatVersion..]);
        if (version != L.Version1)
        {
            throw file.Unsupported($"its VHD version is {version >> 16}.{version & 0xFFFF}", "convert it to version 1.0");
        }

        uint type = BinaryPrimitives.ReadUInt32BigEndian(footer[L.DiskType..]);
        if (type is not (L.TypeFixed or L.TypeDynamic))
        {
            throw file.Unsupported(
                type == L.TypeDifferencing ? "it holds only the differences to a parent image" : $"its VHD disk type {type} is not known",
                "merge it into a fixed or dynamic image");
        }

        long size = SizeOf(footer);
        if (size is <= 0 or > MaximumSize || size % L.SectorSize != 0)
        {
            throw file.Damaged($"its footer states a disk of {(ulong)size:N0} bytes");
        }

        return new VhdFooter(type, size, BinaryPrimitives.ReadUInt64BigEndian(footer[L.DataOffset..]));
    }

    /// <summary>The footer of a new image.</summary>
    public byte[] ToBytes()
    {
        byte[] footer = new byte[L.FooterLength];
        L.FooterCookie.CopyTo(footer);
        Put(footer, L.Features, L.FeaturesReserved);
        Put(footer, L.FileFormatVersion, L.Version1);
        BinaryPrimitives.WriteUInt64BigEndian(footer.AsSpan(L.DataOffset), DataOffset);
        Put(footer, L.TimeStamp, (uint)(DateTime.UtcNow - TimeStampEpoch).TotalSeconds);

        // Other programs take Current Size for the size of the disk only from applications that they know to mean it so; from
        // others they take the geometry, which is a little smaller. Hyper-V's name is the one that all of them know.
        "win "u8.CopyTo(footer.AsSpan(L.CreatorApplication));
        Put(footer, L.CreatorVersion, L.Version1);
        "Wi2k"u8.CopyTo(footer.AsSpan(L.CreatorHostOs));
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(L.OriginalSize), Size);
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(L.CurrentSize), Size);
        VhdGeometry geometry = VhdGeometry.ForSectors(Size / L.SectorSize);
        BinaryPrimitives.WriteUInt16BigEndian(footer.AsSpan(L.Cylinders), geometry.Cylinders);
        footer[L.Heads] = geometry.Heads;
        footer[L.SectorsPerTrack] = geometry.SectorsPerTrack;
        Put(footer, L.DiskType, DiskType);
        Guid.NewGuid().TryWriteBytes(footer.AsSpan(L.UniqueId));
        VhdChecksum.Put(footer, L.FooterChecksum);
        return footer;
    }

    /// <summary>Virtual PC, and QEMU unless told otherwise, mean the geometry; every other program means Current Size.</summary>
    private static long SizeOf(ReadOnlySpan<byte> footer)
    {
        ReadOnlySpan<byte> creator = footer.Slice(L.CreatorApplication, 4);
        VhdGeometry geometry = new(BinaryPrimitives.ReadUInt16BigEndian(footer[L.Cylinders..]), footer[L.Heads], footer[L.SectorsPerTrack]);
        bool meansGeometry = creator.SequenceEqual("vpc "u8) || creator.SequenceEqual("qemu"u8);
        return meansGeometry && !geometry.IsMaximum
            ? geometry.Sectors * L.SectorSize
            : BinaryPrimitives.ReadInt64BigEndian(footer[L.CurrentSize..]);
    }

    private static void Put(Span<byte> footer, int field, uint value) => BinaryPrimitives.WriteUInt32BigEndian(footer[field..], value);
}
