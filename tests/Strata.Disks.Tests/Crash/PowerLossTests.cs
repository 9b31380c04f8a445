using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Blocks;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Crash;

/// <summary>
/// A loss of power is worse than a killed process: of what was written since the last flush of the host's file any sectors may be
/// missing. Every change of the file is recorded, and for many moments one of the possible remainders is made and judged.
/// </summary>
public sealed class PowerLossTests : IDisposable
{
    private const int Operations = 150;
    private const int OrdinaryLosses = 25;
    private const int LongLosses = 1000;
    private const int SectorSize = 512;

    private readonly TemporaryFolder _folder = new(inMemory: true);

    /// <summary>Set STRATA_LONG_TESTS=1 for 1,000 losses of each shape.</summary>
    [QemuTheory]
    [InlineData(3, 4096, 16, false)]
    [InlineData(3, 512, 64, false)]
    [InlineData(3, 65536, 16, true)]
    [InlineData(2, 1024, 16, false)]
    public void Writer_WithoutPowerAtAnyMoment_LosesNothingThatWasFlushed(int version, int clusterSize, int refcountBits, bool lazy)
    {
        string path = _folder.PathOf("disk.qcow2");
        Qcow2Image.Create(path, new DiskCreateOptions
        {
            Size = CrashOperation.DiskSectors * SectorSize,
            Version = version,
            ClusterSize = clusterSize,
            RefcountBits = refcountBits,
            LazyRefcounts = lazy,
        }).Dispose();
        string start = _folder.PathOf("start.qcow2");
        File.Copy(path, start);
        using RecordingFile file = new(path);
        List<(int Events, int Operations)> flushes = Work(file);
        Random random = new(clusterSize);
        int losses = Environment.GetEnvironmentVariable("STRATA_LONG_TESTS") == "1" ? LongLosses : OrdinaryLosses;
        string left = _folder.PathOf("left.qcow2");
        for (int i = 0; i < losses; i++)
        {
            // As much as possible is not flushed yet right before a flush.
            int moment = random.Next(2) == 0 ? file.EventBeforeBarrier(random) : random.Next(file.EventCount + 1);
            file.Rebuild(start, left, moment, random);
            if (!lazy)
            {
                QemuTools.AssertNotCorrupt(left);
            }

            using Qcow2Image disk = Qcow2Image.Open(left, new DiskOpenOptions());
            new CrashJudge().Judge(disk, round: 1, flushes.LastOrDefault(flush => flush.Events <= moment).Operations);
            Assert.True(
                disk.Check(repair: version == 2).IsClean, $"Opening did not repair what a loss of power after event {moment} left.");
        }
    }

    public void Dispose() => _folder.Dispose();

    /// <returns>After how many events how many operations were flushed.</returns>
    private static List<(int Events, int Operations)> Work(RecordingFile file)
    {
        List<(int, int)> flushes = [];
        using Qcow2Image disk = Qcow2Image.Open(file, new DiskOpenOptions());
        for (int number = 0; number < Operations; number++)
        {
            CrashOperation operation = CrashOperation.At(round: 1, number);
            operation.Run(disk);
            if (operation.Kind == CrashOperationKind.Flush)
            {
                flushes.Add((file.EventCount, number + 1));
            }
        }

        Assert.True(flushes.Count > Operations / CrashOperation.LongestUnflushed);
        return flushes;
    }
}
