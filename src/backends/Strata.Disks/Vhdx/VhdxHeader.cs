using System.Buffers.Binary;
using Strata.Disks.Images;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Vhdx;

/// <summary>One of the two headers of a VHDX file.</summary>
internal sealed record VhdxHeader
{
    /// <summary>Bytes of the longest log that is read; programs use 1 MB.</summary>
    public const int MaximumLogLength = 16 * L.OneMegabyte;

    public required ulong SequenceNumber { get; init; }

    /// <summary>Changes whenever the file is changed after it was opened.</summary>
    public required Guid FileWriteGuid { get; init; }

    /// <summary>Changes whenever the disk's data is changed after the file was opened.</summary>
    public required Guid DataWriteGuid { get; init; }

    /// <summary>Names the entries of the log that count; empty when there is nothing to replay.</summary>
    public required Guid LogGuid { get; init; }

    public required int LogLength { get; init; }

    public required long LogOffset { get; init; }

    /// <summary>Where this header was read or is to be written.</summary>
    public required int Place { get; init; }

    public static VhdxHeader ForNew() => new()
    {
        SequenceNumber = 1,
        FileWriteGuid = Guid.NewGuid(),
        DataWriteGuid = Guid.NewGuid(),
        LogGuid = Guid.Empty,
        LogLength = L.OneMegabyte,
        LogOffset = L.OneMegabyte,
        Place = L.Header1Offset,
    };

    /// <summary>Reads the current header.</summary>
    public static VhdxHeader Read(ImageFile file)
    {
        VhdxHeader? first = TryRead(file, L.Header1Offset);
        VhdxHeader? second = TryRead(file, L.Header2Offset);
        VhdxHeader? current = first is null || second?.SequenceNumber > first.SequenceNumber ? second : first;
        return current ?? throw file.Damaged("neither of its headers is whole");
    }

    /// <summary>The header that follows this one, in the other place.</summary>
    public VhdxHeader Next() => this with
    {
        SequenceNumber = SequenceNumber + 1,
        Place = Place == L.Header1Offset ? L.Header2Offset : L.Header1Offset,
    };

    public void Write(ImageFile file)
    {
        byte[] bytes = new byte[L.HeaderLength];
        L.HeaderSignature.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(L.HeaderSequenceNumber), SequenceNumber);
        FileWriteGuid.TryWriteBytes(bytes.AsSpan(L.FileWriteGuid));
        DataWriteGuid.TryWriteBytes(bytes.AsSpan(L.DataWriteGuid));
        LogGuid.TryWriteBytes(bytes.AsSpan(L.HeaderLogGuid));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(L.HeaderVersion), 1);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(L.LogLength), LogLength);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(L.LogOffset), LogOffset);
        VhdxChecksum.Put(bytes);
        file.Write(Place, bytes);
    }

    private static VhdxHeader? TryRead(ImageFile file, int place)
    {
        byte[] bytes = new byte[L.HeaderLength];
        file.ReadStructure(place, bytes, "header");
        if (!bytes.AsSpan().StartsWith(L.HeaderSignature) || !VhdxChecksum.IsRight(bytes))
        {
            return null;
        }

        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(L.HeaderVersion));
        ushort logVersion = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(L.LogVersion));
        Guid logGuid = new(bytes.AsSpan(L.HeaderLogGuid, 16));
        if (version != 1 || (logVersion != 0 && logGuid != Guid.Empty))
        {
            throw file.Unsupported(
                $"its VHDX version is {version} and that of its log {logVersion}",
                "open it with the program that wrote it and close it there");
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(L.LogLength));
        long offset = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(L.LogOffset));
        bool isWhole = length % L.OneMegabyte == 0 && offset % L.OneMegabyte == 0;
        if (!isWhole || length is 0 or > MaximumLogLength || offset < L.OneMegabyte || offset > file.Length - length)
        {
            throw file.Damaged($"its log of {length:N0} bytes at byte {offset:N0} lies outside the file, or is no multiple of 1 MB");
        }

        return new VhdxHeader
        {
            SequenceNumber = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(L.HeaderSequenceNumber)),
            FileWriteGuid = new Guid(bytes.AsSpan(L.FileWriteGuid, 16)),
            DataWriteGuid = new Guid(bytes.AsSpan(L.DataWriteGuid, 16)),
            LogGuid = logGuid,
            LogLength = (int)length,
            LogOffset = offset,
            Place = place,
        };
    }
}
