using Strata.Core.Posix;

namespace Strata;

/// <summary>Names and words of the host, which are bytes, as text that gives the same bytes back to every member of the library.</summary>
public static class HostText
{
    /// <summary>UTF-8, and bytes that are none in a form that is kept.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes) => ByteText.GetString(bytes);
}
