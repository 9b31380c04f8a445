namespace Strata.Core.Memory;

/// <summary>
/// A write to guest RAM by somebody who is no vCPU. It begins with <c>AddressSpace.TryBeginWrite</c>, where pages that are guarded are
/// saved; it ends with <see cref="Dispose"/>, when the bytes have landed: then the pages are noted as dirty, and what engines decoded from
/// them is dropped, what they decoded meanwhile included. It must end exactly once, also where nothing was written.
/// </summary>
public readonly unsafe ref struct DmaWrite : IDisposable
{
    private readonly GuestMemory? _memory;
    private readonly ulong _offset;

    internal DmaWrite(GuestMemory memory, ulong offset, int length)
    {
        _memory = memory;
        _offset = offset;

        // SAFETY: whoever begins a write has checked that the range lies inside the mapping, which outlives the machine's devices.
        Span = new Span<byte>(memory.Base + offset, length);
    }

    /// <summary>Where the bytes go; empty if there is no write.</summary>
    public Span<byte> Span { get; }

    public bool IsEmpty => Span.IsEmpty;

    public void Dispose() => _memory?.EndWrite(_offset, Span.Length);
}
