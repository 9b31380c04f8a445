using System.Buffers.Binary;

namespace Strata.Virtio.Tests.Harness;

/// <summary>Many reads of a virtio-blk driver at once, each of a sector of its own into a place of its own.</summary>
internal sealed class Reads(VirtioDriver driver, DriverRing ring)
{
    public const int Most = 20;

    private const ulong Place = 0x2_0000;
    private const ulong Distance = 0x1000;
    private const ulong StatusAt = 0x100;
    private const ulong DataAt = 0x200;
    private const byte NotServed = 0xEE;

    /// <summary>Makes reads of sectors 0, 1, … available, without ringing.</summary>
    public void Offer(int count)
    {
        for (int i = 0; i < count; i++)
        {
            ulong at = Place + ((ulong)i * Distance);
            Span<byte> header = driver.Memory.Slice(at, 16);
            header.Clear();
            BinaryPrimitives.WriteUInt64LittleEndian(header[8..], (ulong)i);
            driver.Memory.Slice(at + StatusAt, 1)[0] = NotServed;
            driver.Memory.Slice(at + DataAt, 512).Clear();
            int first = i * 3;
            ring.Describe(first, at, 16, DriverRing.Next, (ushort)(first + 1));
            ring.Describe(first + 1, at + DataAt, 512, DriverRing.Next | DriverRing.Write, (ushort)(first + 2));
            ring.Describe(first + 2, at + StatusAt, 1, DriverRing.Write);
            ring.Offer((ushort)first);
        }
    }

    /// <summary>Which reads were completed, in their order in the used ring.</summary>
    public int[] Completed(int from = 0) =>
        [.. Enumerable.Range(from, (ushort)(ring.UsedIndex - from)).Select(index => (int)ring.UsedEntry(index).Head / 3)];

    public byte Status(int read) => driver.Memory.Slice(Place + ((ulong)read * Distance) + StatusAt, 1)[0];

    public byte FirstByte(int read) => driver.Memory.Slice(Place + ((ulong)read * Distance) + DataAt, 1)[0];
}
