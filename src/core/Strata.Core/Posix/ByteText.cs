using System.Buffers;
using System.Text;

namespace Strata.Core.Posix;

/// <summary>
/// Names, arguments and link targets of Linux are bytes, those of .NET are UTF-16. What is UTF-8 is text; each byte that is not becomes
/// the lone surrogate U+DC00 + byte, which no text holds, and turns back into that byte: nothing is lost on the way through a string.
/// The same as Python's "surrogateescape" (PEP 383).
/// </summary>
public static class ByteText
{
    private const char FirstByte = '\uDC80';
    private const char LastByte = '\uDCFF';
    private const int Base = 0xDC00;

    /// <summary>Whether a character stands for a byte of no text, where it follows no high surrogate.</summary>
    public static bool IsByte(char character) => character is >= FirstByte and <= LastByte;

    public static string GetString(ReadOnlySpan<byte> bytes)
    {
        StringBuilder text = new(bytes.Length);
        Span<char> characters = stackalloc char[2];
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out Rune rune, out int length) == OperationStatus.Done)
            {
                text.Append(characters[..rune.EncodeToUtf16(characters)]);
                bytes = bytes[length..];
            }
            else
            {
                text.Append((char)(Base + bytes[0]));
                bytes = bytes[1..];
            }
        }

        return text.ToString();
    }

    public static byte[] GetBytes(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!text.AsSpan().ContainsAnyInRange(FirstByte, LastByte))
        {
            return Encoding.UTF8.GetBytes(text);
        }

        byte[] bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        int count = 0;
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf16(rest, out Rune rune, out int length);
            if (status != OperationStatus.Done && IsByte(rest[0]))
            {
                bytes[count++] = (byte)(rest[0] - Base);
            }
            else
            {
                count += rune.EncodeToUtf8(bytes.AsSpan(count)); // U+FFFD for any other half of a pair
            }

            rest = rest[length..];
        }

        return bytes[..count];
    }
}
