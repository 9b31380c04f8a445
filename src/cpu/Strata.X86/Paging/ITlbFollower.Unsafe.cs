namespace Strata.X86.Paging;

/// <summary>
/// Keeps translations of user code that were found through a <see cref="Tlb"/>, and must give them up with it. On the vCPU's thread, while
/// it executes no user code.
/// </summary>
public unsafe interface ITlbFollower
{
    /// <summary>Everything of an address space.</summary>
    /// <param name="slot">Its <see cref="Tlb.CurrentSlot"/> while it was the current one.</param>
    void DropAll(int slot);

    /// <summary>A range of linear addresses, in every address space.</summary>
    /// <param name="address">Of a page.</param>
    /// <param name="length">Bytes, in whole pages.</param>
    void Drop(ulong address, ulong length);

    /// <summary>The rights to write to a page.</summary>
    /// <returns>True if there was one.</returns>
    bool RevokeWrite(byte* hostPage);

    /// <summary>All rights to write.</summary>
    void RevokeAllWrites();
}
