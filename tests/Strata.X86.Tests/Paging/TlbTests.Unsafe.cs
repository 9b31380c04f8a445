using Strata.X86.Paging;

namespace Strata.X86.Tests.Paging;

/// <summary>The software TLB: translated code reads its entries by itself and must find no right that is not there.</summary>
public sealed unsafe class TlbTests : IDisposable
{
    private readonly Tlb _tlb = new();

    public void Dispose() => _tlb.Dispose();

    /// <summary>The first page is where null pointers lead.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(0x10)]
    [InlineData(0xFF8)]
    [InlineData(0x1000)]
    [InlineData(0x1001)]
    [InlineData(0x100_0000)]
    [InlineData(0x7FFF_FFFF_F000)]
    [InlineData(-0x8000_0000_0000)]
    [InlineData(-0x1000)]
    [InlineData(-1)]
    public void Set_AfterAFlush_HoldsNoRight(long va)
    {
        TlbEntry* entry = EntryOf((ulong)va);
        entry->Read = entry->Write = entry->Execute = (ulong)va & ~0xFFFUL;
        _tlb.Prepare(TlbPrivilege.Supervisor, (ulong)va, pageBits: 12);

        _tlb.FlushAll();

        AssertNoRight((ulong)va);
    }

    [Theory]
    [InlineData(0x10)]
    [InlineData(0x100_0020)]
    public void FlushPage_PageThatIsThere_LeavesNoRight(long va)
    {
        TlbEntry* entry = EntryOf((ulong)va);
        entry->Read = entry->Write = entry->Execute = (ulong)va & ~0xFFFUL;
        _tlb.Prepare(TlbPrivilege.Supervisor, (ulong)va, pageBits: 12);

        _tlb.FlushPage((ulong)va);

        AssertNoRight((ulong)va);
    }

    [Fact]
    public void RevokeAllWrites_FirstPage_LeavesNoWriteNearIt()
    {
        EntryOf(0)->Write = 0;

        _tlb.RevokeAllWrites();

        Assert.False(IsHit(0x20, EntryOf(0)->Write));
    }

    private void AssertNoRight(ulong va)
    {
        TlbEntry* entry = EntryOf(va);
        Assert.False(IsHit(va, entry->Read));
        Assert.False(IsHit(va, entry->Write));
        Assert.False(IsHit(va, entry->Execute));
    }

    /// <summary>The question that translated code asks, for an access of one byte.</summary>
    private static bool IsHit(ulong va, ulong tag) => va - tag <= 4095;

    // SAFETY: the mask keeps the offset inside the set.
    private TlbEntry* EntryOf(ulong va) => (TlbEntry*)((byte*)_tlb.Set(TlbPrivilege.Supervisor) + ((va >> 7) & Tlb.OffsetMask));
}
