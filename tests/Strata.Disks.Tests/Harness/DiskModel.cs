namespace Strata.Disks.Tests.Harness;

/// <summary>What a disk should hold, as plain bytes, driven by the same random operations as the disk.</summary>
internal sealed class DiskModel(byte[] bytes)
{
    private const int Sector = 512;

    public DiskModel(int size)
        : this(new byte[size])
    {
    }

    public byte[] Bytes { get; } = bytes;

    /// <summary>Does one random operation to both.</summary>
    /// <returns>What it was, for the message of a failure.</returns>
    public string Step(DiskImage disk, Random random)
    {
        int sectors = Bytes.Length / Sector;
        int start = random.Next(sectors);
        int length = Math.Min(random.Next(8) == 0 ? random.Next(1, 1024) : random.Next(1, 40), sectors - start) * Sector;
        int offset = start * Sector;
        switch (random.Next(12))
        {
            case < 5:
                byte[] data = new byte[length];
                random.NextBytes(data);
                disk.Write(offset, data);
                data.CopyTo(Bytes, offset);
                return $"write {length} at {offset}";
            case 5 or 6:
                disk.WriteZeros(offset, length);
                Bytes.AsSpan(offset, length).Clear();
                return $"zeros {length} at {offset}";
            case 7:
                disk.Discard(offset, length);
                Span<byte> area = Bytes.AsSpan(offset, length);
                byte[] now = new byte[length];
                disk.Read(offset, now);
                for (int i = 0; i < length; i++)
                {
                    Assert.True(now[i] == 0 || now[i] == area[i], $"After a discard byte {offset + i} is neither zero nor as before.");
                }

                now.CopyTo(area);
                return $"discard {length} at {offset}";
            case 8:
                disk.Flush();
                return "flush";
            default:
                byte[] buffer = new byte[length];
                disk.Read(offset, buffer);
                Assert.True(buffer.AsSpan().SequenceEqual(Bytes.AsSpan(offset, length)), $"read {length} at {offset} differs");
                return $"read {length} at {offset}";
        }
    }

    public void AssertSame(DiskImage disk)
    {
        byte[] all = new byte[Bytes.Length];
        disk.Read(0, all);
        int different = all.AsSpan().CommonPrefixLength(Bytes);
        Assert.True(different == all.Length, $"The disk differs from the model at byte {different}.");
    }
}
