namespace Strata;

/// <summary>Tells discs from disks, where only a file is given.</summary>
internal static class DiskKindProbe
{
    private const int DescriptorPlace = 16 * 2048; // ECMA-119, "Volume Descriptors"
    private static ReadOnlySpan<byte> StandardIdentifier => "CD001"u8;

    /// <summary>Whether a file is an ISO 9660 image.</summary>
    /// <exception cref="StrataException">The file cannot be read.</exception>
    public static bool IsDisc(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            Span<byte> descriptor = stackalloc byte[6];
            file.Seek(DescriptorPlace, SeekOrigin.Begin);
            return file.ReadAtLeast(descriptor, descriptor.Length, throwOnEndOfStream: false) == descriptor.Length
                && descriptor[1..].SequenceEqual(StandardIdentifier);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(StrataError.BadInput, $"The disk {path} cannot be read: {error.Message} Check the path.", error);
        }
    }
}
