using K4os.Compression.LZ4;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.Snapshots.Memory;

namespace Strata.Snapshots.Code;

/// <summary>
/// Writes a snapshot's code: first what engines have, which need not wait for memory, then what binds it to the bytes that the snapshot
/// has. One thread at a time. A file that was not completed is removed with this.
/// </summary>
public sealed class KeptCodeWriter : IDisposable
{
    private readonly string _path;
    private readonly ReadOnlyMemory<byte> _identity;
    private readonly byte[] _salt;
    private readonly CodeSeal _seal;
    private readonly FileStream _file;
    private readonly List<KeptCodeEntry> _entries = [];
    private bool _isComplete;
    private bool _isDisposed;

    /// <param name="path">Of the file, which must not exist yet.</param>
    /// <param name="identity">The engine's: <see cref="ICodeKeeper.CodeIdentity"/>.</param>
    /// <param name="key">The user's own.</param>
    internal KeptCodeWriter(string path, ReadOnlyMemory<byte> identity, byte[] key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(identity.Length, KeptCodeFile.IdentityBytes, nameof(identity));
        (_path, _identity, _salt) = (path, identity, CodeSeal.NewSalt());
        _seal = new CodeSeal(key, _salt);
        _file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            BufferSize = 1 << 16,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
    }

    /// <summary>Bytes written so far.</summary>
    public long Length => _file.Length;

    /// <summary>Writes the records; of a page that several processors have code of, the one with most.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Collect(IReadOnlyList<ICodeCapture> captures, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(captures);
        SortedDictionary<ulong, (ICodeCapture Capture, int Index, int Amount)> best = [];
        foreach (ICodeCapture capture in captures)
        {
            for (int i = 0; i < capture.Pages.Count; i++)
            {
                (ulong page, int amount) = capture.Pages[i];
                if (!best.TryGetValue(page, out var other) || other.Amount < amount)
                {
                    best[page] = (capture, i, amount);
                }
            }
        }

        using MemoryStream record = new();
        byte[] stored = [];
        foreach ((ulong page, (ICodeCapture capture, int index, _)) in best.Take(KeptCodeFile.MostEntries))
        {
            cancellationToken.ThrowIfCancellationRequested();
            record.SetLength(0);
            if (!capture.TryWrite(index, record) || record.Length is 0 or > KeptCodeFile.LongestRecord)
            {
                continue;
            }

            int length = (int)record.Length;
            int most = LZ4Codec.MaximumOutputSize(length);
            stored = stored.Length < most ? new byte[most * 2] : stored;
            int count = LZ4Codec.Encode(record.GetBuffer().AsSpan(0, length), stored);
            _entries.Add(new KeptCodeEntry(page, _file.Position, length, count, default));
            _file.Write(stored, 0, count);
        }

        if (!captures.All(capture => capture.IsWhole))
        {
            _entries.Clear();
        }
    }

    /// <summary>Binds the records to the bytes of their pages. After this the file is complete, unless nothing was collected.</summary>
    /// <param name="memory">The snapshot's.</param>
    /// <exception cref="IOException">The file cannot be written, or the memory not be read.</exception>
    public void Complete(MemoryImage memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        if (_entries.Count == 0)
        {
            return;
        }

        long indexOffset = _file.Position;
        _file.Flush();
        byte[] index = new byte[(_entries.Count * KeptCodeFile.EntryBytes) + KeptCodeFile.TrailerBytes];
        byte[] chunk = new byte[ChunkMap.ChunkSize];
        byte[] buffer = new byte[(int)GuestMemory.PageSize + _entries.Max(entry => entry.Stored)];
        byte[] tag = new byte[CodeSeal.TagBytes];
        int chunkRead = -1;
        for (int i = 0; i < _entries.Count; i++)
        {
            KeptCodeEntry entry = _entries[i];
            ulong place = entry.Page << GuestMemory.PageShift;
            int wanted = (int)(place / ChunkMap.ChunkSize);
            if (wanted != chunkRead)
            {
                memory.ReadChunk(wanted, chunk);
                chunkRead = wanted;
            }

            chunk.AsSpan((int)(place % ChunkMap.ChunkSize), (int)GuestMemory.PageSize).CopyTo(buffer);
            Span<byte> record = buffer.AsSpan((int)GuestMemory.PageSize, entry.Stored);
            _file.Position = entry.Offset;
            _file.ReadExactly(record);
            _seal.Tag(entry.Page, buffer.AsSpan(0, (int)GuestMemory.PageSize + entry.Stored), tag);
            KeptCodeFile.WriteEntry(index.AsSpan(i * KeptCodeFile.EntryBytes), entry with { Tag = tag });
        }

        int entries = _entries.Count * KeptCodeFile.EntryBytes;
        KeptCodeFile.WriteTrailer(index.AsSpan(entries), indexOffset, _entries.Count, _identity.Span, _salt);
        int signed = entries + KeptCodeFile.SignedTrailerBytes;
        _seal.SealIndex(index.AsSpan(0, signed), index.AsSpan(signed));
        _file.Position = indexOffset;
        _file.Write(index);
        _file.SetLength(_file.Position);
        _file.Flush();
        _isComplete = true;
    }

    public void Dispose()
    {
        if (_isDisposed)
        {
            return; // the file may have moved on
        }

        _isDisposed = true;
        _file.Dispose();
        _seal.Dispose();
        if (!_isComplete)
        {
            File.Delete(_path);
        }
    }
}
