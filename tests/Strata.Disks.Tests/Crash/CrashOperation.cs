using System.Buffers.Binary;
using Strata.Disks.Qcow2;

namespace Strata.Disks.Tests.Crash;

/// <summary>
/// One of the operations that a writer which is going to be killed does, the same for the same round and number in the writer and in the test that
/// judges what is left. Every written sector names itself and the operation that wrote it.
/// </summary>
internal sealed record CrashOperation(CrashOperationKind Kind, int Sector, int Count, long Stamp)
{
    public const int DiskSectors = 16 << 10;

    /// <summary>A writer flushes at least this often.</summary>
    public const int LongestUnflushed = 24;

    private const int SectorSize = 512;
    private const int LargestCluster = 128; // sectors
    private const long StampsPerRound = 1_000_000;

    public static CrashOperation At(int round, int number)
    {
        Random random = new((round * 100_003) + number);
        CrashOperationKind kind = number % LongestUnflushed == LongestUnflushed - 1 ? CrashOperationKind.Flush : random.Next(20) switch
        {
            < 10 => CrashOperationKind.Write,
            < 12 => CrashOperationKind.Zeros,
            < 15 => CrashOperationKind.Discard,
            15 => CrashOperationKind.Snapshot,
            16 => CrashOperationKind.DeleteSnapshot,
            _ => CrashOperationKind.Flush,
        };
        int sector = random.Next(DiskSectors - 256);
        int count = random.Next(1, random.Next(5) == 0 ? 256 : 24);
        return kind == CrashOperationKind.Discard
            ? new CrashOperation(kind, sector & ~(LargestCluster - 1), LargestCluster, 0) // parts of clusters would keep their bytes
            : new CrashOperation(kind, sector, count, (round * StampsPerRound) + number + 1);
    }

    /// <summary>A sector as the operation with a stamp wrote it; stamp 0 is zeros.</summary>
    public static void Fill(Span<byte> sector, int index, long stamp)
    {
        sector.Clear();
        for (int i = 0; stamp != 0 && i < SectorSize; i += 16)
        {
            BinaryPrimitives.WriteInt64LittleEndian(sector[i..], stamp);
            BinaryPrimitives.WriteInt64LittleEndian(sector[(i + 8)..], index);
        }
    }

    public void Run(Qcow2Image disk)
    {
        switch (Kind)
        {
            case CrashOperationKind.Write:
                byte[] data = new byte[Count * SectorSize];
                for (int i = 0; i < Count; i++)
                {
                    Fill(data.AsSpan(i * SectorSize, SectorSize), Sector + i, Stamp);
                }

                disk.Write(Sector * SectorSize, data);
                break;
            case CrashOperationKind.Zeros:
                disk.WriteZeros(Sector * SectorSize, Count * SectorSize);
                break;
            case CrashOperationKind.Discard:
                disk.Discard(Sector * SectorSize, Count * SectorSize);
                break;
            case CrashOperationKind.Snapshot when disk.Describe().Snapshots.Count < 3:
                disk.CreateSnapshot(Stamp.ToString(System.Globalization.CultureInfo.InvariantCulture), DateTimeOffset.UnixEpoch);
                break;
            case CrashOperationKind.DeleteSnapshot when disk.Describe().Snapshots is [var first, ..]:
                disk.DeleteSnapshot(first.Name);
                break;
            case CrashOperationKind.Flush:
                disk.Flush();
                break;
            default:
                break;
        }
    }
}

internal enum CrashOperationKind
{
    Write,
    Zeros,
    Discard,
    Snapshot,
    DeleteSnapshot,
    Flush,
}
