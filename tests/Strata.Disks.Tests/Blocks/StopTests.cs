namespace Strata.Disks.Tests.Blocks;

/// <summary>Stops at any moment, of the process and of the host, replayed from a record of what reached the file.</summary>
public sealed class StopTests : IDisposable
{
    private const int Sectors = (12 << 11) + 3;

    private readonly ImageFolder _folder = new();

    public static TheoryData<string> Kinds => ImageKind.NamesOfOneFile;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Image_WhenTheProcessOrTheHostStops_HoldsWhatWasFlushed(string name)
    {
        ImageKind kind = ImageKind.Named(name);
        Random random = new(5);
        string path = _folder.PathOf("disk.image");
        string pristine = _folder.PathOf("pristine.image");
        kind.Create(path, Sectors * SectorHistory.SectorSize);
        File.Copy(path, pristine);

        using RecordingFile file = new(path);
        SectorHistory history = new(Sectors);
        using (DiskImage image = kind.OpenFile(file))
        {
            Work(image, file, history, random, steps: 80);
        }

        for (int stop = 0; stop < TestEffort.Stops; stop++)
        {
            // Most is at stake just before a barrier.
            bool hostStops = stop % 4 != 0;
            int events = hostStops ? file.EventBeforeBarrier(random) : random.Next(file.EventCount + 1);
            string when = $"after {events} of {file.EventCount} events, {(hostStops ? "host" : "process")}";
            string stopped = _folder.PathOf("stopped.image");
            file.Rebuild(pristine, stopped, events, hostStops ? random : null);
            ExpectUsable(kind, stopped, history, events, when);
        }
    }

    public void Dispose() => _folder.Dispose();

    private static void Work(DiskImage image, RecordingFile file, SectorHistory history, Random random, int steps)
    {
        for (int step = 0; step < steps; step++)
        {
            int sector = random.Next(Sectors);
            int count = Math.Min(1 + random.Next(100), Sectors - sector);
            switch (random.Next(8))
            {
                case 0:
                    history.WriteZeros(image, file.EventCount, sector, count);
                    break;
                case 1 or 2:
                    history.Flush(image, () => file.EventCount);
                    break;
                default:
                    history.Write(image, file.EventCount, sector, count);
                    break;
            }
        }
    }

    /// <summary>Reads it as it is, then writes to it, which takes space again that the stop had left unused.</summary>
    private static void ExpectUsable(ImageKind kind, string path, SectorHistory history, int events, string when)
    {
        using (DiskImage image = kind.Open(path, true))
        {
            Assert.Empty(image.Check(repair: false).Errors);
            history.ExpectPossible(image, events, when);
        }

        byte[] before = new byte[Sectors * SectorHistory.SectorSize];
        byte[] after = new byte[before.Length];
        byte[] mark = [.. Enumerable.Repeat((byte)0xEE, SectorHistory.SectorSize)];
        using (DiskImage image = kind.OpenFile(new QuietFile(path, readOnly: false)))
        {
            image.Read(0, before);
            for (int sector = 0; sector < Sectors; sector += 700)
            {
                image.Write(sector * SectorHistory.SectorSize, mark);
                mark.CopyTo(before, sector * SectorHistory.SectorSize);
            }
        }

        using (DiskImage image = kind.Open(path, true))
        {
            image.Read(0, after);
            Assert.True(before.AsSpan().SequenceEqual(after), when);
            Assert.Empty(image.Check(repair: false).Errors);
        }
    }
}
