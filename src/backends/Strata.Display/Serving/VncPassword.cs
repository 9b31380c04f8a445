using System.Security.Cryptography;

namespace Strata.Display.Serving;

/// <summary>
/// A password of VNC's own authentication: RFC 6143, section 7.2.2. Short as it is, it keeps strangers out, not attackers.
/// </summary>
public sealed class VncPassword
{
    /// <summary>The protocol has a key of 8 bytes: clients leave out what is behind them.</summary>
    public const int MaxLength = 8;

    internal const int ChallengeSize = 16;

    private readonly byte[] _key;

    /// <param name="text">One to eight printable ASCII characters.</param>
    /// <exception cref="FormatException">It is another text.</exception>
    public VncPassword(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length is 0 or > MaxLength || text.Any(c => c is <= ' ' or > '~'))
        {
            throw new FormatException(
                $"A VNC password has 1 to {MaxLength} characters of printable ASCII without blanks: clients send no others. For more, " +
                $"use TLS with client certificates.");
        }

        _key = new byte[MaxLength];
        for (int i = 0; i < text.Length; i++)
        {
            _key[i] = Reverse((byte)text[i]);
        }
    }

    /// <summary>Whether an answer to a challenge was made with this password.</summary>
    internal bool IsAnswer(ReadOnlySpan<byte> challenge, ReadOnlySpan<byte> answer) =>
        CryptographicOperations.FixedTimeEquals(Answer(challenge), answer);

    /// <summary>What a client that knows the password answers.</summary>
    internal byte[] Answer(ReadOnlySpan<byte> challenge)
    {
#pragma warning disable CA5351 // The protocol has no other cipher.
        using DES des = DES.Create();
#pragma warning restore CA5351
        des.Key = _key;
        return des.EncryptEcb(challenge, PaddingMode.None);
    }

    public override string ToString() => "(a password)";

    /// <summary>VNC has the bits of a key's bytes the other way round than DES.</summary>
    private static byte Reverse(byte value)
    {
        int reversed = 0;
        for (int bit = 0; bit < 8; bit++)
        {
            reversed |= ((value >> bit) & 1) << (7 - bit);
        }

        return (byte)reversed;
    }
}
