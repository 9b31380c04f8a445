using System.Globalization;
using Strata.Core.Memory;

namespace Strata.Verification;

/// <summary>Compares two machines' RAM.</summary>
internal static class MemoryComparison
{
    private const int MostDifferences = 16;
    private const int Chunk = 1 << 24;

    /// <summary>Differing bytes, a sentence each; the first ones only.</summary>
    public static List<string> Compare(GuestMemory expected, GuestMemory actual)
    {
        List<string> differences = [];
        for (ulong start = 0; start < expected.Size; start += Chunk)
        {
            int length = (int)Math.Min(Chunk, expected.Size - start);
            ReadOnlySpan<byte> left = expected.Slice(start, length);
            ReadOnlySpan<byte> right = actual.Slice(start, length);
            int at = left.CommonPrefixLength(right);
            while (at < length)
            {
                differences.Add(string.Create(
                    CultureInfo.InvariantCulture, $"Memory at 0x{start + (ulong)at:x} is {right[at]:X2}, not {left[at]:X2}."));
                if (differences.Count == MostDifferences)
                {
                    return differences;
                }

                at++;
                at += left[at..].CommonPrefixLength(right[at..]);
            }
        }

        return differences;
    }
}
