using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Strata.Disks.Images;
using L = Strata.Disks.Vdi.VdiLayout;

namespace Strata.Disks.Vdi;

/// <summary>The checked header of a VDI image.</summary>
/// <param name="IsFixed">u32Type is IMAGE_TYPE_FIXED.</param>
/// <param name="DiskSize">Bytes.</param>
/// <param name="BlockSize">Bytes; a power of two.</param>
/// <param name="Blocks">Entries of the block map.</param>
/// <param name="BlocksAllocated">As the header states it.</param>
/// <param name="MapOffset">Bytes from the start of the file.</param>
/// <param name="DataOffset">Bytes from the start of the file.</param>
internal readonly record struct VdiHeader(
    bool IsFixed, long DiskSize, int BlockSize, uint Blocks, uint BlocksAllocated, uint MapOffset, uint DataOffset)
{
    public const int Length = 512;
    public const int DefaultBlockSize = 1 << 20;

    /// <summary>Entries of the largest block map that is read: 64 MiB of table, a disk of 16 TiB with the usual blocks of 1 MiB.</summary>
    public const uint MaximumBlocks = 16 << 20;

    private const int SmallestBlock = 64 << 10;
    private const int LargestBlock = 64 << 20;

    /// <summary>The header of a new image.</summary>
    public static VdiHeader ForNew(long diskSize, bool isFixed)
    {
        uint blocks = checked((uint)((diskSize + DefaultBlockSize - 1) / DefaultBlockSize));
        uint mapLength = blocks * L.EntrySize;
        const uint MapOffset = DefaultBlockSize;
        uint dataOffset = MapOffset + ((mapLength + DefaultBlockSize - 1) & ~(uint)(DefaultBlockSize - 1));
        return new VdiHeader(isFixed, diskSize, DefaultBlockSize, blocks, isFixed ? blocks : 0, MapOffset, dataOffset);
    }

    public static bool HasSignature(ReadOnlySpan<byte> header) =>
        header.Length >= L.Version && BinaryPrimitives.ReadUInt32LittleEndian(header[L.Signature..]) == L.IMAGE_SIGNATURE;

    public static VdiHeader Parse(ReadOnlySpan<byte> header, ImageFile file)
    {
        if (!HasSignature(header))
        {
            throw file.Unsupported("it has no VDI signature", "name its real format");
        }

        uint version = Word(header, L.Version);
        if (version != L.IMAGE_VERSION)
        {
            throw file.Unsupported(
                $"its VDI version is {version >> 16}.{version & 0xFFFF}", "convert it to version 1.1 with VBoxManage clonemedium");
        }

        uint type = Word(header, L.Type);
        bool hasParent = header.Slice(L.UuidLinkage, 16).ContainsAnyExcept((byte)0)
            || header.Slice(L.UuidParentModify, 16).ContainsAnyExcept((byte)0);
        if (hasParent || type is not (L.IMAGE_TYPE_NORMAL or L.IMAGE_TYPE_FIXED))
        {
            throw file.Unsupported(
                hasParent ? "it holds only the differences to a parent image" : $"its VDI type {type} is neither dynamic nor fixed",
                "merge it into an image of its own with VBoxManage clonemedium");
        }

        return Check(header, type, file);
    }

    /// <summary>Writes the header of a new image.</summary>
    /// <param name="destination"><see cref="Length"/> bytes of zeros.</param>
    public void Write(Span<byte> destination)
    {
        Encoding.ASCII.GetBytes("<<< Strata Virtual Disk Image >>>\n", destination[L.FileInfo..L.FileInfoLength]);
        Put(destination, L.Signature, L.IMAGE_SIGNATURE);
        Put(destination, L.Version, L.IMAGE_VERSION);
        Put(destination, L.HeaderSize, L.Header1PlusLength);
        Put(destination, L.Type, IsFixed ? L.IMAGE_TYPE_FIXED : L.IMAGE_TYPE_NORMAL);
        Put(destination, L.OffBlocks, MapOffset);
        Put(destination, L.OffData, DataOffset);
        Put(destination, L.LegacyGeometrySectorSize, L.SectorSize);
        BinaryPrimitives.WriteInt64LittleEndian(destination[L.DiskSize..], DiskSize);
        Put(destination, L.BlockSize, (uint)BlockSize);
        Put(destination, L.Blocks, Blocks);
        Put(destination, L.BlocksAllocated, BlocksAllocated);
        Guid.NewGuid().TryWriteBytes(destination[L.UuidCreate..]);
        Guid.NewGuid().TryWriteBytes(destination[L.UuidModify..]);
        Put(destination, L.LchsGeometrySectorSize, L.SectorSize);
    }

    private static VdiHeader Check(ReadOnlySpan<byte> header, uint type, ImageFile file)
    {
        uint blockSize = Word(header, L.BlockSize);
        if (!BitOperations.IsPow2(blockSize) || blockSize is < SmallestBlock or > LargestBlock || Word(header, L.BlockExtra) != 0)
        {
            throw file.Unsupported(
                $"its blocks have {blockSize:N0} and {Word(header, L.BlockExtra):N0} extra bytes", "convert it to blocks of 1 MiB");
        }

        // The last sector may be counted only in part; it is there all the same.
        ulong stated = BinaryPrimitives.ReadUInt64LittleEndian(header[L.DiskSize..]);
        uint blocks = Word(header, L.Blocks);
        if (blocks > MaximumBlocks)
        {
            throw file.Unsupported($"it has {blocks:N0} blocks and at most {MaximumBlocks:N0} are served", "split the disk");
        }

        if (stated == 0 || stated > (ulong)blocks * blockSize)
        {
            throw file.Damaged($"its header states a disk of {stated:N0} bytes in {blocks:N0} blocks of {blockSize:N0}");
        }

        uint map = Word(header, L.OffBlocks);
        uint data = Word(header, L.OffData);
        if (map < Length || map % L.SectorSize != 0 || data % L.SectorSize != 0 || data < (ulong)map + ((ulong)blocks * L.EntrySize))
        {
            throw file.Damaged($"its block map at byte {map:N0} or its data at byte {data:N0} lies where it cannot");
        }

        long size = ((long)stated + L.SectorSize - 1) & -L.SectorSize;
        return new VdiHeader(type == L.IMAGE_TYPE_FIXED, size, (int)blockSize, blocks, Word(header, L.BlocksAllocated), map, data);
    }

    private static uint Word(ReadOnlySpan<byte> header, int field) => BinaryPrimitives.ReadUInt32LittleEndian(header[field..]);

    private static void Put(Span<byte> header, int field, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(header[field..], value);
}
