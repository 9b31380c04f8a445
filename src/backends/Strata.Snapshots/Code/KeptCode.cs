using K4os.Compression.LZ4;
using Microsoft.Win32.SafeHandles;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots.Code;

/// <summary>
/// A snapshot's code, opened: its index is this user's own and unchanged, records are read and checked one by one when they are asked for,
/// into memory of this process. The file may be deleted meanwhile. Safe on any thread.
/// </summary>
public sealed class KeptCode : IKeptCode
{
    private readonly SafeFileHandle _file;
    private readonly Dictionary<ulong, KeptCodeEntry> _entries;
    private readonly CodeSeal _seal; // under _sealGate; nothing else is locked under that
    private readonly Lock _sealGate = new();
    private bool _isDisposed;

    private KeptCode(SafeFileHandle file, CodeSeal seal, Dictionary<ulong, KeptCodeEntry> entries)
    {
        _file = file;
        _seal = seal;
        _entries = entries;
    }

    /// <summary>Pages that there is code of.</summary>
    public int Pages => _entries.Count;

    /// <summary>Opens a file that is not trusted.</summary>
    /// <param name="identity">Of the engine that would take it over.</param>
    /// <param name="key">The user's own.</param>
    /// <param name="problem">Why it is of no use, as the end of a sentence; null for none.</param>
    /// <returns>Null if it is of no use.</returns>
    internal static KeptCode? Open(string path, ReadOnlySpan<byte> identity, byte[] key, out string? problem)
    {
        SafeFileHandle? file = null;
        CodeSeal? seal = null;
        try
        {
            file = SnapshotFolder.OpenFile(path);
            problem = TryReadIndex(file, identity, key, ref seal, out Dictionary<ulong, KeptCodeEntry> entries);
            if (problem is null)
            {
                KeptCode code = new(file, seal!, entries);
                (file, seal) = (null, null);
                return code;
            }
        }
        catch (Exception error) when (error is SnapshotException or IOException)
        {
            problem = error.Message;
        }
        finally
        {
            file?.Dispose();
            seal?.Dispose();
        }

        return null;
    }

    public bool TryRead(ulong page, ReadOnlySpan<byte> bytes, ref byte[] buffer, out ReadOnlySpan<byte> record)
    {
        record = default;
        if (!_entries.TryGetValue(page, out KeptCodeEntry entry) || bytes.Length != (int)GuestMemory.PageSize)
        {
            return false;
        }

        int sealedBytes = bytes.Length + entry.Stored;
        int length = sealedBytes + entry.Length;
        if (buffer.Length < length)
        {
            buffer = new byte[length * 2];
        }

        bytes.CopyTo(buffer);
        Span<byte> stored = buffer.AsSpan(bytes.Length, entry.Stored);
        try
        {
            if (!TryReadAll(_file, stored, entry.Offset))
            {
                return false;
            }
        }
        catch (IOException)
        {
            return false; // the engine makes its own instead
        }

        lock (_sealGate)
        {
            if (_isDisposed || !_seal.IsTagOf(page, buffer.AsSpan(0, sealedBytes), entry.Tag.Span))
            {
                return false;
            }
        }

        Span<byte> target = buffer.AsSpan(sealedBytes, entry.Length);
        record = target;
        return LZ4Codec.Decode(stored, target) == target.Length;
    }

    public void Dispose()
    {
        lock (_sealGate)
        {
            _isDisposed = true;
            _seal.Dispose();
            _file.Dispose();
        }
    }

    /// <returns>What is wrong with the file, or null.</returns>
    private static string? TryReadIndex(
        SafeFileHandle file, ReadOnlySpan<byte> identity, byte[] key, ref CodeSeal? seal, out Dictionary<ulong, KeptCodeEntry> entries)
    {
        entries = [];
        byte[] trailer = new byte[KeptCodeFile.TrailerBytes];
        long end = RandomAccess.GetLength(file) - trailer.Length;
        if (end < 0 || !TryReadAll(file, trailer, end) || !KeptCodeFile.HasMark(trailer))
        {
            return "it has been cut off, or is of another version";
        }

        (long indexOffset, int count) = KeptCodeFile.ReadTrailer(trailer);
        long indexBytes = (long)count * KeptCodeFile.EntryBytes;
        if (count is < 0 or > KeptCodeFile.MostEntries || indexOffset < 0 || indexOffset != end - indexBytes)
        {
            return "its index does not fit into it: it is damaged";
        }

        byte[] index = new byte[indexBytes + KeptCodeFile.SignedTrailerBytes];
        if (!TryReadAll(file, index, indexOffset))
        {
            return "it became shorter while it was read";
        }

        seal = new CodeSeal(key, KeptCodeFile.SaltOf(trailer));
        if (!seal.IsSealOf(index, trailer.AsSpan(KeptCodeFile.SignedTrailerBytes)))
        {
            return "it is damaged, or was made by another user or on another host";
        }

        // From here on it is what this user's Strata has written.
        if (!KeptCodeFile.IdentityOf(index.AsSpan((int)indexBytes)).SequenceEqual(identity))
        {
            return "it is of another build of the engine, of other options, or of another processor of the host";
        }

        entries.EnsureCapacity(count);
        for (int i = 0; i < count; i++)
        {
            KeptCodeEntry entry = KeptCodeFile.ReadEntry(index.AsMemory(i * KeptCodeFile.EntryBytes, KeptCodeFile.EntryBytes));
            if (entry.Length is <= 0 or > KeptCodeFile.LongestRecord || entry.Stored is <= 0 or > 2 * KeptCodeFile.LongestRecord
                || entry.Offset < 0 || entry.Offset > indexOffset - entry.Stored || !entries.TryAdd(entry.Page, entry))
            {
                return "its index is none: it is damaged";
            }
        }

        return null;
    }

    private static bool TryReadAll(SafeFileHandle file, Span<byte> target, long offset)
    {
        while (!target.IsEmpty)
        {
            int count = RandomAccess.Read(file, target, offset);
            if (count == 0)
            {
                return false;
            }

            target = target[count..];
            offset += count;
        }

        return true;
    }
}
