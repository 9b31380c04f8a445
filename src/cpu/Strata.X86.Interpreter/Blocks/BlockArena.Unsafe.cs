using Strata.Core.Posix;

namespace Strata.X86.Interpreter.Blocks;

/// <summary>Bump allocator for blocks and ops: nothing is freed singly, everything at once by <see cref="Reset"/>.</summary>
internal sealed unsafe class BlockArena : IDisposable
{
    /// <summary>Bytes that are not backed by huge pages: beside the translator the interpreter uses few.</summary>
    private const ulong SmallPages = 2 << 20;

    private readonly nuint _size;
    private byte* _base;
    private nuint _used;

    /// <param name="size">Bytes; backed by the host only as far as used.</param>
    public BlockArena(nuint size)
    {
        _size = size;
        _base = (byte*)HostMapping.ReserveSparse(size, SmallPages);
    }

    public bool HasRoom(nuint bytes) => _used + bytes <= _size;

    /// <summary>Zero-filled room; the caller has asked <see cref="HasRoom"/>.</summary>
    public void* Allocate(nuint bytes)
    {
        void* at = _base + _used;
        _used += (bytes + 63) & ~(nuint)63;

        // SAFETY: inside the mapping by HasRoom, rounded to the cache line that the size is a multiple of.
        new Span<byte>(at, (int)bytes).Clear();
        return at;
    }

    public void Reset() => _used = 0;

    public void Dispose()
    {
        if (_base != null)
        {
            HostMapping.Release((nint)_base, _size);
            _base = null;
        }
    }
}
