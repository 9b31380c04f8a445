using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.Core.Execution;
using Strata.Core.Posix;

namespace Strata.Core.Memory;

/// <summary>
/// Guest RAM: one host mapping (<see cref="MemoryForm"/>), with two bytes of notes for each 4 KiB page.
/// <para>Dirty: set by every writer, and taken away by <see cref="HarvestDirty"/>. Watched: why a writer may not just write. Some engine
/// holds instructions of the page (<see cref="MarkCode"/>), or its bytes are still to be saved (<see cref="Guard"/>).</para>
/// <para>Who writes guest RAM, and how each keeps the notes:</para>
/// <list type="bullet">
/// <item>Guest code on the interpreter and the translator, through TLB entries. An entry gets its right to write in
/// <c>X86Cpu.TryWalkAndFill</c>, which sets the dirty flag and looks at the watch flags, or in the translator's <c>PageWalkStub</c>, which
/// sets the one and leaves if any of the others is set. The right lasts until the engine is asked to give it up.</item>
/// <item>The page walker, for accessed and dirty bits: <see cref="PrepareWrite"/>, then <see cref="NoteWrite"/>.</item>
/// <item>Everybody behind <c>AddressSpace.TryBeginWrite</c>: virtio devices, fw_cfg, loaders, ACPI tables, the records of the
/// paravirtual interface (clock, steal time, the flag of the end of interrupt), and <c>AddressSpace.Write</c> for instructions that reach
/// RAM through the bus. See <see cref="DmaWrite"/>.</item>
/// <item><see cref="TryDiscard"/>, for the balloon and free page reporting.</item>
/// <item>KVM's guests, whose stores nobody here sees: KVM's log sets the dirty flags in <see cref="CollectingDirty"/>, and a guard saves
/// everything at once while there are <see cref="BlindWriters"/>.</item>
/// <item><see cref="Slice"/> in tests, probes and comparisons, whose machines stand still. They note the write themselves.</item>
/// </list>
/// <para>Notes come after the bytes: code that was decoded between is dropped as well, and a page that is copied between two harvests is
/// found by the second.</para>
/// All members are safe on any thread; the bytes themselves are as racy as real RAM.
/// </summary>
public sealed unsafe partial class GuestMemory : IDisposable
{
    public const int PageShift = 12;
    public const ulong PageSize = 1UL << PageShift;
    public const ulong PageMask = PageSize - 1;

    /// <summary>Bytes: what an x86 processor of 42 physical address bits reaches.</summary>
    public const ulong LargestSize = 1UL << 42;

    private const byte CodeFlag = 1;
    private const byte GuardedFlag = 2;
    private const byte TakingFlag = 4;

    private readonly byte[] _dirty;
    private readonly byte[] _watch;
    private byte* _base;
    private int _writesInFlight;
    private int _blindWriters;

    /// <summary>Zeros of this process alone, in huge pages where the host has them.</summary>
    /// <param name="size">Bytes; a multiple of 4 KiB, at most <see cref="LargestSize"/>.</param>
    /// <exception cref="InsufficientMemoryException">The host cannot map that much.</exception>
    public GuestMemory(ulong size)
        : this(size, MemoryForm.Anonymous) => _base = (byte*)HostMapping.Reserve(size);

    private GuestMemory(ulong size, MemoryForm form)
    {
        if (size is 0 or > LargestSize || (size & PageMask) != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(size), $"Guest memory must be a positive multiple of 4 KiB, at most {LargestSize >> 40} TiB, not {size} bytes.");
        }

        Size = size;
        Form = form;
        int rounded = ((int)(size >> PageShift) + 7) & ~7; // in whole words of eight flags
        _dirty = GC.AllocateArray<byte>(rounded, pinned: true);
        _watch = GC.AllocateArray<byte>(rounded, pinned: true);
    }

    /// <summary>
    /// Raised with a page index when a page that holds decoded code has been written, or is about to be by a vCPU that gets the right to
    /// write it. On the writer's thread; handlers must be quick. The page is no longer marked then.
    /// </summary>
    public event Action<GuestMemory, ulong>? CodeWritten;

    /// <summary>Raised when a page becomes a source of decoded code: writers must give up their direct access to it.</summary>
    public event Action<GuestMemory, ulong>? CodeMarked;

    /// <summary>
    /// Raised when every writer must give up its direct access to every page. Whoever cannot do so at once joins the round.
    /// </summary>
    public event Action<GuestMemory, AttentionRound>? WritesRevoked;

    /// <summary>
    /// Raised before dirty flags are harvested: who knows of writes that are not noted yet calls <see cref="MarkDirty"/>.
    /// </summary>
    public event Action<GuestMemory>? CollectingDirty;

    /// <summary>Bytes.</summary>
    public ulong Size { get; }

    /// <summary>Number of 4 KiB pages.</summary>
    public ulong Pages => Size >> PageShift;

    /// <summary>Host address of the first byte; valid until <see cref="Dispose"/>.</summary>
    public byte* Base => _base;

    /// <summary>One byte a page, for code that is emitted: not zero where the page is dirty. Valid as long as this object is.</summary>
    public byte* DirtyFlags => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_dirty));

    /// <summary>The same for pages that must not be written without a look: not zero where one is watched.</summary>
    public byte* WatchFlags => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_watch));

    /// <summary>Writers that set no dirty flag and look at no watch flag before they write: vCPUs on KVM.</summary>
    public int BlindWriters => Volatile.Read(ref _blindWriters);

    /// <summary>Changes the number of <see cref="BlindWriters"/>.</summary>
    public void AddBlindWriters(int change) => Interlocked.Add(ref _blindWriters, change);

    /// <summary>Marks a page as a source of decoded instructions. Call it before reading the bytes.</summary>
    public void MarkCode(ulong pageIndex)
    {
        if ((Set(pageIndex, CodeFlag) & CodeFlag) == 0)
        {
            CodeMarked?.Invoke(this, pageIndex);
            Interlocked.MemoryBarrier(); // requests are seen before the bytes are read
        }
    }

    /// <summary>Makes every engine forget what it decoded from a page.</summary>
    public void InvalidateCode(ulong pageIndex)
    {
        Clear(pageIndex, CodeFlag);
        CodeWritten?.Invoke(this, pageIndex);
    }

    public bool HoldsCode(ulong pageIndex) => (Volatile.Read(ref _watch[pageIndex]) & CodeFlag) != 0;

    public bool IsDirty(ulong pageIndex) => Volatile.Read(ref _dirty[pageIndex]) != 0;

    public void MarkDirty(ulong pageIndex) => Volatile.Write(ref _dirty[pageIndex], 1);

    /// <summary>
    /// Says that bytes are about to be written: guarded pages are saved first. <see cref="NoteWrite"/> follows the write.
    /// </summary>
    /// <param name="offset">Bytes; with <paramref name="length"/> inside the memory.</param>
    public void PrepareWrite(ulong offset, ulong length)
    {
        if (length == 0 || _guard is null)
        {
            return;
        }

        for (ulong page = offset >> PageShift; page <= (offset + length - 1) >> PageShift; page++)
        {
            Take(page);
        }
    }

    /// <summary>Says that <paramref name="length"/> bytes at <paramref name="offset"/> have been written.</summary>
    public void NoteWrite(ulong offset, ulong length)
    {
        if (length == 0)
        {
            return;
        }

        for (ulong page = offset >> PageShift; page <= (offset + length - 1) >> PageShift; page++)
        {
            MarkDirty(page);
            Interlocked.MemoryBarrier(); // the bytes are seen before the flag is looked at: who marks the page reads them
            if (HoldsCode(page))
            {
                InvalidateCode(page);
            }
        }
    }

    /// <summary>Begins a write by somebody who is no vCPU; see <see cref="DmaWrite"/>.</summary>
    /// <param name="offset">Bytes; with <paramref name="length"/> inside the memory.</param>
    public DmaWrite BeginWrite(ulong offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)length, Size - offset);
        Interlocked.Increment(ref _writesInFlight);
        PrepareWrite(offset, (ulong)length);
        return new DmaWrite(this, offset, length);
    }

    internal void EndWrite(ulong offset, int length)
    {
        NoteWrite(offset, (ulong)length);
        Interlocked.Decrement(ref _writesInFlight);
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

        Interlocked.Increment(ref _writesInFlight);
        PrepareWrite(offset, length);
        bool done = length == 0 || DiscardHost(offset, length);
        NoteWrite(offset, length);
        Interlocked.Decrement(ref _writesInFlight);
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
            ForgetAllCode();
            HostMapping.Release((nint)_base, Size);
            _base = null;
        }

        File?.Dispose();
    }

    /// <summary>Another memory may be mapped at the same host address.</summary>
    private void ForgetAllCode()
    {
        for (ulong page = 0; page < Pages; page++)
        {
            if (HoldsCode(page))
            {
                InvalidateCode(page);
            }
        }
    }

    /// <returns>The flags before.</returns>
    private byte Set(ulong page, byte flags)
    {
        ref byte place = ref _watch[page];
        byte seen = Volatile.Read(ref place);
        for (byte found; (found = Interlocked.CompareExchange(ref place, (byte)(seen | flags), seen)) != seen; seen = found)
        {
        }

        return seen;
    }

    private void Clear(ulong page, int flags)
    {
        ref byte place = ref _watch[page];
        byte seen = Volatile.Read(ref place);
        for (byte found; (found = Interlocked.CompareExchange(ref place, (byte)(seen & ~flags), seen)) != seen; seen = found)
        {
        }
    }
}
