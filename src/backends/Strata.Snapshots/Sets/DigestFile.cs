using System.Security.Cryptography;
using System.Text;

namespace Strata.Snapshots.Sets;

/// <summary>The file <c>SHA256SUMS</c>, which <c>sha256sum --check</c> understands as well: it finds damage, not malice.</summary>
internal static class DigestFile
{
    public const string Name = "SHA256SUMS";

    public static byte[] Write(IEnumerable<(string Name, byte[] Bytes)> files) =>
        Encoding.ASCII.GetBytes(string.Concat(files.Select(file => $"{Digest(file.Bytes)}  {file.Name}\n")));

    /// <exception cref="SnapshotException">A file is not as it was written, or there is no digest of it.</exception>
    public static void Check(string digests, string name, byte[] bytes, string snapshot)
    {
        if (!digests.Split('\n').Contains($"{Digest(bytes)}  {name}"))
        {
            throw new SnapshotException(
                $"The snapshot {snapshot} is damaged: {name} is not what was written. Restore another one, or import it again.");
        }
    }

    private static string Digest(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
