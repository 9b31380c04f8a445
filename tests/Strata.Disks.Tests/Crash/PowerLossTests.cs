using Strata.Disks.Qcow2;
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
        byte[] start = File.ReadAllBytes(path);
        (List<ImageFileChange> changes, List<(int Changes, int Operations)> flushes) = Record(path);
        Random random = new(clusterSize);
        int losses = Environment.GetEnvironmentVariable("STRATA_LONG_TESTS") == "1" ? LongLosses : OrdinaryLosses;
        string left = _folder.PathOf("left.qcow2");
        for (int i = 0; i < losses; i++)
        {
            int moment = random.Next(changes.Count + 1);
            if (random.Next(2) == 0)
            {
                // As much as possible is not flushed yet right before a flush.
                moment = changes.FindIndex(Math.Min(moment, changes.Count - 1), change => change.Kind == ImageFileChangeKind.Flush) is >= 0 and int flush ? flush : changes.Count;
            }

            File.WriteAllBytes(left, Remainder(start, changes, moment, random));
            if (!lazy)
            {
                QemuTools.AssertNotCorrupt(left);
            }

            using Qcow2Image disk = Qcow2Image.Open(left, new DiskOpenOptions());
            new CrashJudge().Judge(disk, round: 1, flushes.LastOrDefault(flush => flush.Changes <= moment).Operations);
            Assert.True(disk.Check(repair: version == 2).IsClean, $"Opening did not repair what a loss of power after change {moment} left.");
        }
    }

    public void Dispose() => _folder.Dispose();

    /// <returns>Every change of the file, and after how many of them how many operations were flushed.</returns>
    private static (List<ImageFileChange> Changes, List<(int Changes, int Operations)> Flushes) Record(string path)
    {
        List<ImageFileChange> changes = [];
        List<(int, int)> flushes = [];
        using Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions());
        disk.HostFile.Observer = changes.Add;
        for (int number = 0; number < Operations; number++)
        {
            CrashOperation operation = CrashOperation.At(round: 1, number);
            operation.Run(disk);
            if (operation.Kind == CrashOperationKind.Flush)
            {
                flushes.Add((changes.Count, number + 1));
            }
        }

        Assert.True(flushes.Count > Operations / CrashOperation.LongestUnflushed);
        return (changes, flushes);
    }

    /// <summary>The file as a device could hold it: all that was flushed, and any part of what was not.</summary>
    private static byte[] Remainder(byte[] start, List<ImageFileChange> changes, int moment, Random random)
    {
        int flushed = changes.FindLastIndex(Math.Max(0, moment - 1), change => change.Kind == ImageFileChangeKind.Flush);
        double share = random.Next(4) switch { 0 => 0, 1 => 0.5, 2 => 0.95, _ => 1 };
        using MemoryStream file = new();
        file.Write(start);
        for (int i = 0; i < moment; i++)
        {
            ImageFileChange change = changes[i];
            bool isCertain = i < flushed;
            switch (change.Kind)
            {
                case ImageFileChangeKind.Write:
                    for (int part = 0; part < change.Data.Length; part += SectorSize)
                    {
                        if (isCertain || random.NextDouble() < share)
                        {
                            file.Position = change.Offset + part;
                            file.Write(change.Data, part, Math.Min(SectorSize, change.Data.Length - part));
                        }
                    }

                    break;
                case ImageFileChangeKind.Hole when isCertain || random.NextDouble() < share:
                    file.Position = change.Offset;
                    file.Write(new byte[Math.Clamp(file.Length - change.Offset, 0, change.Length)]);
                    break;
                case ImageFileChangeKind.Length when isCertain || random.NextDouble() < share:
                    file.SetLength(change.Offset);
                    break;
                default:
                    break;
            }
        }

        return file.ToArray();
    }
}
