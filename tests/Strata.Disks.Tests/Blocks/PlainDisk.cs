namespace Strata.Disks.Tests.Blocks;

/// <summary>The plain bytes that an image must show, and random operations done to both.</summary>
internal sealed class PlainDisk(int size, Random random)
{
    private const int SectorSize = 512;

    public byte[] Bytes { get; } = new byte[size];

    /// <summary>Does one operation: mostly writes, some of zeros, zero marks, discards and flushes.</summary>
    public void Step(DiskImage image)
    {
        (int offset, int length) = PickRange();
        switch (random.Next(10))
        {
            case 0:
                image.WriteZeros(offset, length);
                Bytes.AsSpan(offset, length).Clear();
                break;
            case 1:
                image.Discard(offset, length);
                AcceptDiscard(image, offset, length);
                break;
            case 2:
                Write(image, offset, new byte[length]);
                break;
            case 3:
                image.Flush();
                break;
            default:
                byte[] data = new byte[length];
                random.NextBytes(data);
                Write(image, offset, data);
                break;
        }
    }

    public void ExpectSame(DiskImage image)
    {
        Assert.Equal(Bytes.Length / SectorSize, image.Sectors);
        byte[] seen = new byte[Bytes.Length];
        image.Read(0, seen);
        int difference = seen.AsSpan().CommonPrefixLength(Bytes);
        Assert.True(difference == seen.Length, $"The image differs from the model at byte {difference}.");
        ExpectMapMatches(image);
    }

    private void Write(DiskImage image, int offset, ReadOnlySpan<byte> data)
    {
        image.Write(offset, data);
        data.CopyTo(Bytes.AsSpan(offset));
    }

    /// <summary>What was discarded reads as zeros or as before, sector by sector, and stays that way.</summary>
    private void AcceptDiscard(DiskImage image, int offset, int length)
    {
        byte[] seen = new byte[length];
        image.Read(offset, seen);
        for (int at = 0; at < length; at += SectorSize)
        {
            Span<byte> now = seen.AsSpan(at, SectorSize);
            Assert.True(!now.ContainsAnyExcept((byte)0) || now.SequenceEqual(Bytes.AsSpan(offset + at, SectorSize)));
        }

        seen.CopyTo(Bytes, offset);
    }

    /// <summary>Extents cover the disk, and whatever is called unallocated or zero reads as zeros.</summary>
    private void ExpectMapMatches(DiskImage image)
    {
        for (long at = 0; at < Bytes.Length;)
        {
            DiskExtent extent = image.Map(at, Bytes.Length - at);
            Assert.InRange(extent.Length, SectorSize, Bytes.Length - at);
            Assert.Equal(0, extent.Length % SectorSize);
            Assert.True(
                extent.Kind == DiskExtentKind.Data
                    || !Bytes.AsSpan((int)at, (int)extent.Length).ContainsAnyExcept((byte)0), $"{extent} at {at} is not zero.");
            at += extent.Length;
        }
    }

    /// <returns>Small and large ranges, often at borders of 64 KiB, 1 MiB and at the ends of the disk.</returns>
    private (int Offset, int Length) PickRange()
    {
        int sectors = Bytes.Length / SectorSize;
        int border = random.Next(4) switch
        {
            0 => random.Next((Bytes.Length >> 16) + 1) << 7,
            1 => random.Next((Bytes.Length >> 20) + 1) << 11,
            2 => random.Next(2) * sectors,
            _ => random.Next(sectors),
        };
        int start = Math.Clamp(border - random.Next(4), 0, sectors - 1);
        int count = 1 + random.Next(random.Next(5) == 0 ? 3000 : 40);
        return (start * SectorSize, Math.Min(count, sectors - start) * SectorSize);
    }
}
