using System.Buffers.Binary;

namespace Strata.Virtio.Tests.Harness;

/// <summary>The requests of a virtio-blk driver, one at a time in each queue. VIRTIO 1.2, "Block Device".</summary>
/// <param name="rings">The request queues. Each has 4 KiB for its header and status and 4 KiB for its data, from <see cref="Place"/>
/// on.</param>
internal sealed class BlockDriver(VirtioDriver driver, DriverRing[] rings)
{
    public const uint In = 0;
    public const uint Out = 1;
    public const uint Flush = 4;
    public const uint Discard = 11;
    public const uint WriteZeroes = 13;
    public const byte Ok = 0;
    public const byte IoError = 1;
    public const byte Unsupported = 2;
    public const ulong FeatureFlush = 1 << 9;
    public const ulong FeatureConfigWce = 1 << 11;
    public const ulong FeatureMq = 1 << 12;
    public const ulong FeatureDiscard = 1 << 13;
    public const ulong FeatureWriteZeroes = 1 << 14;

    private const ulong Place = 0x9_0000;
    private const int StatusAt = 64;

    public Span<byte> Data(int queue = 0) => driver.Memory.Slice(At(queue) + 0x1000, 0x1000);

    /// <summary>Sends a request and waits for its answer.</summary>
    /// <param name="length">Bytes of <see cref="Data"/> that go with it.</param>
    public byte Request(uint type, ulong sector, int length, bool toGuest, int queue = 0)
    {
        int used = rings[queue].UsedIndex;
        Submit(type, sector, length, toGuest, queue);
        VirtioDriver.WaitUntil(() => rings[queue].UsedIndex != used, $"queue {queue}");
        return Status(queue);
    }

    public void Submit(uint type, ulong sector, int length, bool toGuest, int queue = 0)
    {
        DriverRing ring = rings[queue];
        Span<byte> header = driver.Memory.Slice(At(queue), StatusAt + 1);
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], sector);
        header[StatusAt] = 0xFF;
        ushort direction = toGuest ? DriverRing.Write : (ushort)0;
        ring.Describe(0, At(queue), 16, DriverRing.Next, length == 0 ? (ushort)2 : (ushort)1);
        ring.Describe(1, At(queue) + 0x1000, (uint)length, (ushort)(direction | DriverRing.Next), 2);
        ring.Describe(2, At(queue) + StatusAt, 1, DriverRing.Write);
        ring.Offer(0);
        driver.Notify(queue);
    }

    /// <summary>A discard, or zeros, of segments: sector, sectors, flags.</summary>
    public byte Clear(uint type, params (ulong Sector, uint Count, uint Flags)[] segments)
    {
        Span<byte> data = Data();
        for (int i = 0; i < segments.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data[(i * 16)..], segments[i].Sector);
            BinaryPrimitives.WriteUInt32LittleEndian(data[((i * 16) + 8)..], segments[i].Count);
            BinaryPrimitives.WriteUInt32LittleEndian(data[((i * 16) + 12)..], segments[i].Flags);
        }

        return Request(type, 0, segments.Length * 16, toGuest: false);
    }

    public byte Status(int queue = 0) => driver.Memory.Slice(At(queue) + StatusAt, 1)[0];

    private static ulong At(int queue) => Place + ((ulong)queue * 0x2000);
}
