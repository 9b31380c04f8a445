namespace Strata.Disks.Images;

/// <summary>The bytes of a file by which formats are told apart.</summary>
/// <param name="Start">The first bytes, <see cref="StartSize"/> or as many as there are.</param>
/// <param name="End">The last bytes, <see cref="EndSize"/> or as many as there are: a fixed VHD has only a footer.</param>
/// <param name="Length">Bytes of the whole file.</param>
public sealed record DiskProbe(ReadOnlyMemory<byte> Start, ReadOnlyMemory<byte> End, long Length)
{
    public const int StartSize = 4096;
    public const int EndSize = 512;

    /// <summary>Looks at a file.</summary>
    public static DiskProbe Read(ImageFile file)
    {
        byte[] start = new byte[Math.Min(StartSize, file.Length)];
        byte[] end = new byte[Math.Min(EndSize, file.Length)];
        file.Read(0, start);
        file.Read(file.Length - end.Length, end);
        return new DiskProbe(start, end, file.Length);
    }

    /// <summary>What the file would look like after a write inside it.</summary>
    public DiskProbe With(long offset, ReadOnlySpan<byte> buffer) => this with
    {
        Start = Overlay(Start, 0, offset, buffer),
        End = Overlay(End, Length - End.Length, offset, buffer),
    };

    private static byte[] Overlay(ReadOnlyMemory<byte> old, long oldOffset, long offset, ReadOnlySpan<byte> buffer)
    {
        byte[] result = old.ToArray();
        long from = Math.Max(offset, oldOffset);
        long to = Math.Min(offset + buffer.Length, oldOffset + old.Length);
        if (from < to)
        {
            buffer[(int)(from - offset)..(int)(to - offset)].CopyTo(result.AsSpan((int)(from - oldOffset)));
        }

        return result;
    }
}
