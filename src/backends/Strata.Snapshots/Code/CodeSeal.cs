using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Strata.Snapshots.Code;

/// <summary>
/// Seals a file of kept code, which is machine code of the host, with the user's own key: what somebody else has made, or changed, is not
/// executed. A record's tag is AES-GCM's of no text, with the page's bytes and the record as associated data and the page's number as
/// nonce, so a record holds for that page with those bytes only. Each file has keys of its own, by HKDF from the user's key and a salt. One
/// thread at a time.
/// <para>NIST SP 800-38D, "GMAC"; RFC 5869.</para>
/// </summary>
internal sealed class CodeSeal : IDisposable
{
    public const int TagBytes = 16;
    public const int SaltBytes = 32;
    public const int IndexSealBytes = HMACSHA256.HashSizeInBytes;

    /// <summary>Bytes of a user's key.</summary>
    public const int KeyBytes = 32;

    private const int NonceBytes = 12;

    private readonly AesGcm _records;
    private readonly byte[] _indexKey;

    /// <param name="key">The user's own.</param>
    /// <param name="salt">The file's.</param>
    public CodeSeal(byte[] key, ReadOnlySpan<byte> salt)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeyBytes, nameof(key));
        Span<byte> recordKey = stackalloc byte[KeyBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, recordKey, salt, "strata code records"u8);
        _records = new AesGcm(recordKey, TagBytes);
        _indexKey = new byte[KeyBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, _indexKey, salt, "strata code index"u8);
    }

    /// <summary>A new file's salt.</summary>
    public static byte[] NewSalt() => RandomNumberGenerator.GetBytes(SaltBytes);

    /// <summary>The tag of a record, once a page and file.</summary>
    /// <param name="pageAndRecord">The page's bytes, and the record behind them.</param>
    public void Tag(ulong page, ReadOnlySpan<byte> pageAndRecord, Span<byte> tag)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        WriteNonce(page, nonce);
        _records.Encrypt(nonce, [], [], tag, pageAndRecord);
    }

    public bool IsTagOf(ulong page, ReadOnlySpan<byte> pageAndRecord, ReadOnlySpan<byte> tag)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        WriteNonce(page, nonce);
        Span<byte> own = stackalloc byte[TagBytes];
        _records.Encrypt(nonce, [], [], own, pageAndRecord); // in place of Decrypt, which throws where a guest has changed its code
        return CryptographicOperations.FixedTimeEquals(own, tag);
    }

    public void SealIndex(ReadOnlySpan<byte> index, Span<byte> seal) => HMACSHA256.HashData(_indexKey, index, seal);

    public bool IsSealOf(ReadOnlySpan<byte> index, ReadOnlySpan<byte> seal)
    {
        Span<byte> own = stackalloc byte[IndexSealBytes];
        SealIndex(index, own);
        return CryptographicOperations.FixedTimeEquals(own, seal);
    }

    public void Dispose() => _records.Dispose();

    private static void WriteNonce(ulong page, Span<byte> nonce)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, page);
    }
}
