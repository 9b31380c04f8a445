using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.Core.Posix;

namespace Strata.Core.Memory;

/// <summary>
/// Guest RAM: one host mapping, with one dirty flag and one code flag a 4 KiB page.
/// <para>Dirty: set by every writer (vCPUs when a TLB entry becomes writable, DMA at each transfer); read by snapshots and
/// migration. Code: set while some engine holds decoded or translated instructions of the page; a write to such a page raises
/// <see cref="CodeWritten"/> so that the engines drop them.</para>
/// All members are safe on any thread; the bytes themselves are as racy as real RAM.
/// </summary>
public sealed unsafe class GuestMemory : IDisposable
{
    public const int PageShift = 12;
    public const ulong PageSize = 1UL << PageShift;
    public const ulong PageMask = PageSize - 1;

    private readonly byte[] _dirty;
    private readonly byte[] _code;
    private byte* _base;

    /// <param name="size">Bytes; a multiple of 4 KiB.</param>
    /// <exception cref="InsufficientMemoryException">The host cannot map that much.</exception>
    public GuestMemory(ulong size)
    {
        if (size == 0 || (size & PageMask) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(size), $"Guest memory must be a positive multiple of 4 KiB, not {size} bytes.");
        }

        Size = size;
        _dirty = GC.AllocateArray<byte>(checked((int)(size >> PageShift)), pinned: true);
        _code = GC.AllocateArray<byte>(checked((int)(size >> PageShift)), pinned: true);
        _base = (byte*)HostMapping.Reserve(size);
    }

    /// <summary>
    /// Raised with a page index when a page that holds decoded code is about to be written. On the writer's thread; handlers
    /// must be quick. The page is no longer marked then.
    /// </summary>
    public event Action<GuestMemory, ulong>? CodeWritten;

    /// <summary>Raised when a page becomes a source of decoded code: writers must give up their direct access to it.</summary>
    public event Action<GuestMemory, ulong>? CodeMarked;

    /// <summary>Bytes.</summary>
    public ulong Size { get; }

    /// <summary>Host address of the first byte; valid until <see cref="Dispose"/>.</summary>
    public byte* Base => _base;

    /// <summary>One byte a page, for code that is emitted: not zero where the page is dirty. Valid as long as this object is.</summary>
    public byte* DirtyFlags => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_dirty));

    /// <summary>The same for pages that hold decoded code.</summary>
    public byte* CodeFlags => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_code));

    /// <summary>Marks a page as a source of decoded instructions. Call it before reading the bytes.</summary>
    public void MarkCode(ulong pageIndex)
    {
        if (Interlocked.Exchange(ref _code[pageIndex], 1) == 0)
        {
            CodeMarked?.Invoke(this, pageIndex);
        }
    }

    /// <summary>Makes every engine forget what it decoded from a page.</summary>
    public void InvalidateCode(ulong pageIndex)
    {
        Volatile.Write(ref _code[pageIndex], 0);
        CodeWritten?.Invoke(this, pageIndex);
    }

    public bool HoldsCode(ulong pageIndex) => Volatile.Read(ref _code[pageIndex]) != 0;

    public bool IsDirty(ulong pageIndex) => Volatile.Read(ref _dirty[pageIndex]) != 0;

    public void MarkDirty(ulong pageIndex) => Volatile.Write(ref _dirty[pageIndex], 1);

    /// <summary>Says that <paramref name="length"/> bytes at <paramref name="offset"/> are about to be written.</summary>
    public void NoteWrite(ulong offset, ulong length)
    {
        if (length == 0)
        {
            return;
        }

        for (ulong page = offset >> PageShift; page <= (offset + length - 1) >> PageShift; page++)
        {
            MarkDirty(page);
            if (HoldsCode(page))
            {
                InvalidateCode(page);
            }
        }
    }

    /// <summary>
    /// Gives pages back to the host: the guest says that their content does not matter, and they read as zeros when it uses them
    /// again. Host addresses of the pages stay valid, so engines keep their TLB entries; decoded code goes as with any write.
    /// </summary>
    /// <param name="offset">Bytes; a multiple of 4 KiB, as <paramref name="length"/>; both inside the memory.</param>
    /// <returns>False if the host refused; nothing has changed then.</returns>
    public bool TryDiscard(ulong offset, ulong length)
    {
        if (((offset | length) & PageMask) != 0 || offset > Size || length > Size - offset)
        {
            throw new ArgumentException($"The range 0x{offset:x}+0x{length:x} is not page aligned or lies outside the memory.");
        }

        NoteWrite(offset, length);
        bool done = length == 0 || HostMapping.Discard((nint)_base + (nint)offset, length);
        NoteWrite(offset, length); // what was decoded between the two is gone as well
        return done;
    }

    public Span<byte> Slice(ulong offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)length, Size - offset);

        // SAFETY: the bounds were checked against the mapping.
        return new Span<byte>(_base + offset, length);
    }

    public void Dispose()
    {
        if (_base != null)
        {
            HostMapping.Release((nint)_base, Size);
            _base = null;
        }
    }
}
