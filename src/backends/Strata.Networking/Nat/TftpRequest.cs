using System.Globalization;
using System.Text;

namespace Strata.Networking.Nat;

/// <summary>
/// A request to read a file. RFC 1350, section 5; RFC 2347 for the options behind it.
/// <code>
/// 0 opcode (16) = 1   2 name, 0   mode, 0   { option, 0   value, 0 }
/// </code>
/// </summary>
/// <param name="Name">The file's, as the client writes it.</param>
/// <param name="BlockSize">Bytes of a block that the client wishes; null if it says nothing that can be.</param>
/// <param name="AsksForSize">The client wants to know how long the file is.</param>
internal sealed record TftpRequest(byte[] Name, int? BlockSize, bool AsksForSize)
{
    private const int MostOptions = 16;

    /// <param name="bytes">Behind the opcode.</param>
    /// <returns>Null if it is none, or wants the bytes changed on their way.</returns>
    public static TftpRequest? TryParse(ReadOnlySpan<byte> bytes)
    {
        if (!TryTake(ref bytes, out byte[] name) || !TryTake(ref bytes, out byte[] mode) || !Ascii.EqualsIgnoreCase(mode, "octet"u8))
        {
            return null;
        }

        TftpRequest request = new(name, null, AsksForSize: false);
        for (int i = 0; i < MostOptions && TryTake(ref bytes, out byte[] option); i++)
        {
            if (!TryTake(ref bytes, out byte[] value))
            {
                return null;
            }

            if (Ascii.EqualsIgnoreCase(option, "blksize"u8)
                && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int size)
                && size is >= TftpTransfer.SmallestBlock and <= TftpTransfer.LargestBlock)
            {
                request = request with { BlockSize = size };
            }
            else if (Ascii.EqualsIgnoreCase(option, "tsize"u8))
            {
                request = request with { AsksForSize = true };
            }
        }

        return request;
    }

    private static bool TryTake(ref ReadOnlySpan<byte> bytes, out byte[] text)
    {
        int length = bytes.IndexOf((byte)0);
        text = length < 0 ? [] : bytes[..length].ToArray();
        bytes = length < 0 ? bytes : bytes[(length + 1)..];
        return length >= 0;
    }
}
