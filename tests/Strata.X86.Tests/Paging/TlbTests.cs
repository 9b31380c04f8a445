using Strata.X86.Paging;

namespace Strata.X86.Tests.Paging;

/// <summary>An entry without rights must refuse every address that looks into it, in the form in which translated code asks.</summary>
public sealed unsafe class TlbTests
{
    /// <summary>What a set covers; bytes.</summary>
    private const ulong Span = (ulong)Tlb.Entries << 12;

    /// <summary>Where addresses begin at which a tag could wrap around or be taken for another page's; multiples of the span.</summary>
    private static readonly ulong[] Bases = [
        0, Span, 0x8000_0000_0000 - Span, 0x8000_0000_0000_0000, 0xFFFF_8000_0000_0000, unchecked(0UL - Span)];

    [Fact]
    public void Set_Flushed_RefusesEveryAddress()
    {
        using Tlb tlb = new();

        tlb.FlushAll();

        Assert.Empty(Granted(tlb, entry => entry.Read));
        Assert.Empty(Granted(tlb, entry => entry.Write));
        Assert.Empty(Granted(tlb, entry => entry.Execute));
    }

    [Fact]
    public void Deny_FilledEntries_RefusesEveryAddress()
    {
        using Tlb tlb = new();
        TlbEntry* set = Fill(tlb);

        for (int i = 0; i < Tlb.Entries; i++)
        {
            tlb.Deny(set + i);
        }

        Assert.Empty(Granted(tlb, entry => entry.Read));
        Assert.Empty(Granted(tlb, entry => entry.Write));
        Assert.Empty(Granted(tlb, entry => entry.Execute));
    }

    [Fact]
    public void RevokeAllWrites_FilledEntries_RefusesWritesOnly()
    {
        using Tlb tlb = new();
        Fill(tlb);

        tlb.RevokeAllWrites();

        Assert.Empty(Granted(tlb, entry => entry.Write));
        Assert.Equal(Tlb.Entries * 4096, Granted(tlb, entry => entry.Read).Count);
    }

    [Fact]
    public void FlushPage_FilledEntry_RefusesItsPage()
    {
        using Tlb tlb = new();
        Fill(tlb);

        tlb.FlushPage(0);
        tlb.FlushPage((Tlb.Entries - 1) << 12);

        Assert.DoesNotContain(Granted(tlb, entry => entry.Read), va => va < 0x1000 || va >= (Tlb.Entries - 1) << 12);
    }

    [Fact]
    public void RevokeWrite_PageAtManyAddressesInManySpaces_LeavesNoEntryThatWrites()
    {
        using Tlb tlb = new();
        byte* hostPage = (byte*)0x7F00_0000_0000;
        for (int pcid = 0; pcid < 6; pcid++)
        {
            tlb.SwitchTo(pcid, flush: false);
            for (ulong va = 0x40_0000; va < 0x40_4000; va += 0x1000)
            {
                GrantWrite(tlb, va, hostPage);
            }
        }

        bool found = tlb.RevokeWrite(hostPage);

        Assert.True(found);
        for (int pcid = 0; pcid < 6; pcid++)
        {
            tlb.SwitchTo(pcid, flush: false);
            Assert.Empty(Granted(tlb, entry => entry.Write));
        }
    }

    /// <summary>The notes of many pages meet: what is forgotten must be revoked.</summary>
    [Fact]
    public void NoteWriter_MorePagesThanNotes_EveryPageThatStillWritesIsFound()
    {
        using Tlb tlb = new();
        const ulong host = 0x7F00_0000_0000;
        const ulong pages = 200_000;
        for (ulong i = 0; i < pages; i++)
        {
            GrantWrite(tlb, i << 12, (byte*)(host + (i << 12)));
        }

        for (ulong i = 0; i < pages; i++)
        {
            tlb.RevokeWrite((byte*)(host + (i << 12)));
        }

        Assert.Empty(Granted(tlb, entry => entry.Write));
    }

    /// <summary>One page that is flushed over and over and taken for code makes every jump of the guest slow.</summary>
    [Fact]
    public void FlushPage_DataAmongManyCodePages_HardlyEverRenewsCode()
    {
        using Tlb tlb = new();
        const ulong text = 0xFFFF_FFFF_8100_0000;
        int renewed = 0;
        for (ulong i = 0; i < 1000; i++)
        {
            for (ulong page = 0; page < 1000; page++)
            {
                tlb.NoteCodePage(text + (page << 12));
            }

            ulong before = tlb.SupervisorCodeEpoch;
            tlb.FlushPage(0x7FFF_FFFF_E000 - (i << 12));
            renewed += before == tlb.SupervisorCodeEpoch ? 0 : 1;
        }

        Assert.InRange(renewed, 0, 10);
    }

    [Fact]
    public void FlushPage_CodePage_RenewsCode()
    {
        using Tlb tlb = new();
        tlb.NoteCodePage(0x40_0000);
        (ulong user, ulong supervisor) = (tlb.UserCodeEpoch, tlb.SupervisorCodeEpoch);

        tlb.FlushPage(0x40_0FFF);

        Assert.NotEqual(user, tlb.UserCodeEpoch);
        Assert.NotEqual(supervisor, tlb.SupervisorCodeEpoch);
    }

    /// <summary>It takes memory once, however many address spaces there are.</summary>
    [Fact]
    public void Set_Checked_IsTheSameWithoutRightsInEveryAddressSpace()
    {
        using Tlb tlb = new();
        TlbEntry* first = tlb.Set(TlbPrivilege.Checked);
        HashSet<nint> others = [];

        for (int pcid = 1; pcid < 20; pcid++)
        {
            tlb.SwitchTo(pcid, flush: false);
            Fill(tlb);
            others.Add((nint)tlb.Set(TlbPrivilege.User));
            Assert.True(tlb.Set(TlbPrivilege.Checked) == first);
        }

        Assert.Equal(8, others.Count);
        Assert.DoesNotContain((nint)first, others);
        for (int i = 0; i < Tlb.Entries; i++)
        {
            ulong page = (ulong)i << 12;
            Assert.False(page - first[i].Read < 4096 || page - first[i].Write < 4096 || page - first[i].Execute < 4096);
        }
    }

    private static void GrantWrite(Tlb tlb, ulong va, byte* hostPage)
    {
        TlbEntry* entry = tlb.Prepare(TlbPrivilege.Supervisor, va, pageBits: 12);
        entry->Read = entry->Write = va;
        entry->Addend = (long)hostPage - (long)va;
        tlb.NoteWriter(entry, hostPage);
    }

    /// <summary>Rights to the first pages of the address space, one in each entry.</summary>
    private static TlbEntry* Fill(Tlb tlb)
    {
        TlbEntry* set = tlb.Set(TlbPrivilege.Supervisor);
        for (int i = 0; i < Tlb.Entries; i++)
        {
            ulong page = (ulong)i << 12;
            TlbEntry* entry = tlb.Prepare(TlbPrivilege.Supervisor, page, pageBits: 12);
            entry->Read = entry->Write = entry->Execute = page;
        }

        return set;
    }

    /// <summary>Addresses of single bytes that pass the check of translated code.</summary>
    private static List<ulong> Granted(Tlb tlb, Func<TlbEntry, ulong> tag)
    {
        List<ulong> granted = [];
        TlbEntry* set = tlb.Set(TlbPrivilege.Supervisor);
        foreach (ulong start in Bases)
        {
            for (int i = 0; i < Tlb.Entries; i++)
            {
                ulong expected = tag(set[i]);
                ulong page = start + ((ulong)i << 12);
                for (ulong va = page; va < page + 0x1000 && page - expected + 0xFFF < 0x1FFF; va++)
                {
                    if (va - expected <= 4096 - 1)
                    {
                        granted.Add(va);
                    }
                }
            }
        }

        return granted;
    }
}
