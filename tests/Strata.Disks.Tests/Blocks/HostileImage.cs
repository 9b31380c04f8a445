using System.Buffers.Binary;
using Strata.Disks.Tests.Harness;

namespace Strata.Disks.Tests.Blocks;

/// <summary>Changes the metadata of an image at random and expects nothing but results or a <see cref="DiskImageException"/>.</summary>
/// <param name="path">A sound image whose disk holds little, so that most bytes that are not zero are metadata.</param>
/// <param name="open">Opens an image through a file.</param>
/// <param name="reseal">Corrects checksums after a change, so that the change is looked at; null for formats without them.</param>
internal sealed class HostileImage(string path, Func<ImageFile, DiskImage> open, Action<byte[]>? reseal = null)
{
    private const int PageSize = 4096;
    private const long AllocationLimit = 64 << 20;
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(5); // of a processor
    private static readonly long[] Interesting = [
        0, 1, -1, 0x7F, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, long.MaxValue, long.MinValue, 512, 4096, 1 << 20];

    private readonly byte[] _pristine = File.ReadAllBytes(path);
    private readonly byte[] _changed = File.ReadAllBytes(path);

    /// <returns>How many of the changed images could still be opened, and how many were refused.</returns>
    public (int Opened, int Refused) Run(int changes, int seed)
    {
        Random random = new(seed);
        int[] targets = [.. Enumerable.Range(0, _pristine.Length).Where(at => _pristine[at] != 0)];
        int[] pages = [.. targets.Select(at => at / PageSize).Distinct()];
        int refused = 0;
        for (int index = 0; index < changes; index++)
        {
            HashSet<int> touched = [.. pages];
            Change(random, targets, touched);
            int length = random.Next(50) == 0 ? random.Next(_pristine.Length) : _pristine.Length;
            WriteFile(touched, length);
            if (!TryUse(readOnly: index % 8 != 0, random, index))
            {
                refused++;
            }

            Revert(touched);
        }

        return (changes - refused, refused);
    }

    private void Change(Random random, int[] targets, HashSet<int> touched)
    {
        for (int count = 1 + random.Next(3); count > 0; count--)
        {
            int at = random.Next(20) == 0 ? random.Next(_changed.Length) : targets[random.Next(targets.Length)] & ~random.Next(8);
            ChangeAt(random, _changed.AsSpan(at, Math.Min(8, _changed.Length - at)));
            touched.Add(at / PageSize);
            touched.Add(Math.Min(at + 7, _changed.Length - 1) / PageSize);
        }

        if (random.Next(8) != 0)
        {
            reseal?.Invoke(_changed);
        }
    }

    private static void ChangeAt(Random random, Span<byte> target)
    {
        switch (random.Next(4))
        {
            case 0:
                target[0] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                target[0] = (byte)random.Next(256);
                break;
            default:
                long value = Interesting[random.Next(Interesting.Length)];
                byte[] word = BitConverter.GetBytes(random.Next(2) == 0 ? value : BinaryPrimitives.ReverseEndianness(value));
                int count = Math.Min(random.Next(2) == 0 ? 4 : 8, target.Length);
                word.AsSpan(random.Next(2) * (word.Length - count), count).CopyTo(target);
                break;
        }
    }

    private void WriteFile(HashSet<int> pages, int length)
    {
        // Some hosts wait for their disk when a file that was cut is closed; a new file does not.
        File.Delete(path);
        using FileStream stream = new(path, FileMode.CreateNew, FileAccess.Write);
        stream.SetLength(length);
        foreach (int at in pages.Select(page => page * PageSize).Where(at => at < length))
        {
            stream.Position = at;
            stream.Write(_changed, at, Math.Min(PageSize, length - at));
        }
    }

    private void Revert(HashSet<int> pages)
    {
        foreach (int at in pages.Select(page => page * PageSize))
        {
            _pristine.AsSpan(at, Math.Min(PageSize, _pristine.Length - at)).CopyTo(_changed.AsSpan(at));
        }
    }

    private bool TryUse(bool readOnly, Random random, int index)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        TimeSpan started = ThreadTime.Used;
        try
        {
            using DiskImage image = open(new QuietFile(path, readOnly));
            Use(image, random);
            return true;
        }
        catch (DiskImageException error)
        {
            Assert.Contains(Path.GetDirectoryName(path)!, error.Message, StringComparison.Ordinal);
            return false;
        }
        catch (Exception error) when (error is not Xunit.Sdk.XunitException)
        {
            throw new InvalidOperationException($"Change {index} was answered with {error.GetType().Name}.", error);
        }
        finally
        {
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, AllocationLimit);
            TimeSpan used = ThreadTime.Used - started;
            Assert.True(used < TimeLimit, $"Change {index} took {used} of a processor.");
        }
    }

    private static void Use(DiskImage image, Random random)
    {
        byte[] buffer = new byte[64 << 10];
        long size = image.Sectors * 512;
        int length = (int)Math.Min(size, buffer.Length);
        image.Describe();
        foreach (long offset in new[] { 0, random.NextInt64(image.Sectors) * 512, size })
        {
            long start = Math.Min(offset, size - length);
            image.Read(start, buffer.AsSpan(0, length));
            image.Map(start, Math.Min(size - start, 1L << 30));
        }

        image.Check(repair: false);
        if (image.IsReadOnly)
        {
            return;
        }

        image.Write(0, buffer.AsSpan(0, 512));
        buffer.AsSpan().Fill(0x5A);
        image.Write(size - 512, buffer.AsSpan(0, 512));
        image.WriteZeros(0, length);
        image.Flush();
        image.Check(repair: true);
    }
}
