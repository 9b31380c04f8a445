using System.IO.Compression;

namespace Strata.Machines.Boot;

/// <summary>A kernel file in gzip's format (RFC 1952), which boot loaders unpack on the way.</summary>
internal static class CompressedKernel
{
    public static bool Matches(ReadOnlySpan<byte> file) => file.Length >= 18 && file[..3].SequenceEqual<byte>([0x1F, 0x8B, 8]);

    /// <param name="file">What begins as such a file does.</param>
    /// <param name="limit">Most bytes of the result: a file of a few can stand for many.</param>
    /// <exception cref="BootImageException">The file is damaged, or the kernel larger than the limit.</exception>
    public static byte[] Unpack(byte[] file, ulong limit)
    {
        using GZipStream source = new(new MemoryStream(file), CompressionMode.Decompress);
        using MemoryStream result = new();
        byte[] buffer = new byte[1 << 16];
        try
        {
            int count;
            while ((count = source.Read(buffer)) > 0)
            {
                if ((ulong)(result.Length + count) > Math.Min(limit, (ulong)Array.MaxLength))
                {
                    throw new BootImageException(
                        $"The kernel file unpacks to more than the {limit >> 20} MiB of memory it is for; give the machine more.");
                }

                result.Write(buffer, 0, count);
            }
        }
        catch (InvalidDataException error)
        {
            throw new BootImageException("The compressed kernel file is damaged; fetch it again.", error);
        }

        return result.ToArray();
    }
}
