using Strata.Core.Posix;

namespace Strata.Core.Memory;

/// <content>Memory that begins with parts of several files: of a machine whose snapshots store what changed.</content>
public sealed unsafe partial class GuestMemory
{
    /// <summary>
    /// Makes memory of zeros with parts of files over it, which are read when they are touched and never written. No page is dirty: what is
    /// not dirty later is as it began.
    /// </summary>
    /// <param name="size">As for the constructor.</param>
    /// <param name="pieces">Where they overlap, the later one counts. Their files may be closed afterwards; see
    /// <see cref="MapPrivately"/>.</param>
    /// <exception cref="InvalidDataException">A file is too short.</exception>
    /// <exception cref="InsufficientMemoryException">The host cannot map it.</exception>
    public static GuestMemory MapPieces(ulong size, IReadOnlyList<MemoryPiece> pieces)
    {
        ArgumentNullException.ThrowIfNull(pieces);
        GuestMemory memory = new(size, MemoryForm.Private);
        memory._base = (byte*)HostMapping.Reserve(size);
        try
        {
            foreach (MemoryPiece piece in pieces)
            {
                memory.Place(piece);
            }

            return memory;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>Writes bytes, and notes them, from outside of the machine: of one that stands still.</summary>
    /// <param name="offset">Bytes; with the length inside the memory.</param>
    public void Write(ulong offset, ReadOnlySpan<byte> bytes)
    {
        Span<byte> target = Slice(offset, bytes.Length);
        using DmaWrite write = BeginWrite(offset, bytes.Length);
        bytes.CopyTo(target);
    }

    private void Place(MemoryPiece piece)
    {
        if (((piece.Offset | piece.Length | piece.FileOffset) & PageMask) != 0 || piece.Offset > Size || piece.Length > Size - piece.Offset)
        {
            throw new ArgumentException($"The piece 0x{piece.Offset:x}+0x{piece.Length:x} is not page aligned or lies outside the memory.");
        }

        ulong length = (ulong)RandomAccess.GetLength(piece.File);
        if (piece.FileOffset > length || piece.Length > length - piece.FileOffset)
        {
            throw new InvalidDataException($"A file of {length:N0} bytes is too short for guest memory: it is damaged or incomplete.");
        }

        // SAFETY: the range was checked against the mapping; the descriptor is open as long as the piece is used here.
        HostMapping.MapFile(
            (int)piece.File.DangerousGetHandle(), piece.FileOffset, piece.Length, isShared: false, place: (nint)_base + (nint)piece.Offset);
        GC.KeepAlive(piece.File);
    }
}
