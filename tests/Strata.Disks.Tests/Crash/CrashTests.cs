using System.Diagnostics;
using System.Globalization;
using Strata.Disks.Qcow2;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Crash;

/// <summary>
/// A process writes to an image and is killed, again and again on the same image. Whatever it was doing, QEMU finds no error in what is left, every
/// sector holds what was last flushed or something written later, and opening the image leaves no leak.
/// </summary>
public sealed class CrashTests : IDisposable
{
    private const int OrdinaryKills = 6;
    private const int LongKills = 250;
    private const int EarlyRound = 5; // every so many rounds the writer may not even get to writing

    private readonly TemporaryFolder _folder = new(inMemory: true); // fast flushes: more to interrupt

    private readonly CrashJudge _judge = new();

    public static TheoryData<int, int, int, bool> Shapes => new()
    {
        // version, cluster size, refcount bits, lazy reference counts
        { 3, 4096, 16, false },
        { 3, 512, 64, false },
        { 3, 65536, 16, true },
        { 2, 1024, 16, false },
    };

    /// <summary>Set STRATA_LONG_TESTS=1 for 250 kills of each shape.</summary>
    [QemuTheory]
    [MemberData(nameof(Shapes))]
    public void Writer_KilledAtAnyMoment_LosesNothingThatWasFlushed(int version, int clusterSize, int refcountBits, bool lazy)
    {
        string path = _folder.PathOf("disk.qcow2");
        using (DiskImage disk = Qcow2Image.Create(path, new DiskCreateOptions
        {
            Size = CrashOperation.DiskSectors * 512,
            Version = version,
            ClusterSize = clusterSize,
            RefcountBits = refcountBits,
            LazyRefcounts = lazy,
        }))
        {
            disk.Flush();
        }

        int kills = Environment.GetEnvironmentVariable("STRATA_LONG_TESTS") == "1" ? LongKills : OrdinaryKills;
        Random random = new(version + clusterSize);
        int flushes = 0;
        for (int round = 1; round <= kills; round++)
        {
            int flushed = RunAndKill(path, round, random);
            flushes += flushed > 0 ? 1 : 0;
            if (!lazy)
            {
                QemuTools.AssertNotCorrupt(path);
            }

            using Qcow2Image left = Qcow2Image.Open(path, new DiskOpenOptions { ReadOnly = true });
            _judge.Judge(left, round, flushed);
        }

        using (Qcow2Image disk = Qcow2Image.Open(path, new DiskOpenOptions()))
        {
// Version 2 cannot mark a crash: what leaked waits for a repair that is asked for.
            Assert.True(disk.Check(repair: version == 2).IsClean);
        }

        QemuTools.AssertSound(path);
        Assert.True(flushes > kills / 2, $"Only {flushes} of {kills} writers had flushed something when they were killed.");
    }

    public void Dispose() => _folder.Dispose();

    /// <returns>Operations that the writer knew to be on stable storage.</returns>
    private static int RunAndKill(string path, int round, Random random)
    {
        ProcessStartInfo start = new("dotnet", [typeof(CrashTests).Assembly.Location, path, round.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("The writer did not start.");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using ManualResetEventSlim working = new();
        int flushed = 0;
        process.OutputDataReceived += (_, line) =>
        {
            if (int.TryParse(line.Data, CultureInfo.InvariantCulture, out int number))
            {
                flushed = number;
                working.Set();
            }
        };
        process.BeginOutputReadLine();
        if (round % EarlyRound == 0)
        {
            process.WaitForExit(random.Next(40, 120)); // perhaps while it opens, and repairs, the image
        }
        else
        {
            working.Wait(TimeSpan.FromSeconds(20));
            process.WaitForExit(random.Next(150));
        }

        bool died = process.HasExited;
        process.Kill();
        process.WaitForExit();
        Assert.False(died, $"The writer of round {round} failed: {errors.GetAwaiter().GetResult()}");
        return flushed;
    }
}
