using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Images;

/// <summary>Devices call a disk from several threads, each on its own sectors.</summary>
public sealed class ConcurrencyTests : IDisposable
{
    private const int Threads = 4;
    private const int Part = 1 << 20;
    private readonly TemporaryFolder _folder = new(inMemory: true);

    [Theory]
    [InlineData("raw")]
    [InlineData("qcow2")]
    public async Task Operations_OfSeveralThreads_DoNotDisturbEachOther(string format)
    {
        string path = _folder.PathOf("disk");
        using DiskImage disk = DiskImages.Create(path, format, new DiskCreateOptions { Size = Threads * Part });

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(() => Work(disk, thread))));

        Assert.True(disk.Check(repair: false).IsClean);
    }

    public void Dispose() => _folder.Dispose();

    private static void Work(DiskImage disk, int thread)
    {
        Random random = new(thread);
        byte[] model = new byte[Part];
        byte[] read = new byte[Part];
        for (int i = 0; i < 100; i++)
        {
            int start = random.Next(Part / 512) * 512;
            int length = Math.Min(random.Next(1, 300) * 512, Part - start);
            switch (random.Next(4))
            {
                case 0:
                    disk.WriteZeros((thread * Part) + start, length);
                    model.AsSpan(start, length).Clear();
                    break;
                case 1:
                    disk.Flush();
                    break;
                default:
                    random.NextBytes(model.AsSpan(start, length));
                    disk.Write((thread * Part) + start, model.AsSpan(start, length));
                    break;
            }
        }

        disk.Read(thread * Part, read);
        Assert.Equal(model, read);
    }
}
