using System.Runtime.InteropServices;
using Strata.Core.Memory;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// The walk of page tables and the TLB's fill in host code: what <see cref="PageWalker"/> and <c>X86Cpu.TryWalkAndFill</c> do where
/// nothing but the TLB changes. Intel SDM Vol. 3A, "32-Bit Paging", "PAE Paging", "4-Level Paging".
/// <para>
/// In: the address in Scratch1, the site's address in <see cref="Frame.MissSite"/>; RAX, RCX, RDX, RSI, RDI and Scratch2 are free. It
/// leaves before the first change, or with an entry that grants less than it could.
/// </para>
/// </summary>
internal unsafe ref partial struct PageWalkStub(TlbLayout tlb, RamWindows ram, bool isOnlyProcessor, byte* leave)
{
    private const int Present = 0x01;
    private const int Writable = 0x02;
    private const int User = 0x04;
    private const int Accessed = 0x20;
    private const int Dirty = 0x40;
    private const int Large = 0x80;

    private const int Add = 0x03;
    private const int And = 0x23;
    private const int Or = 0x0B;
    private const int Subtract = 0x2B;
    private const int Compare = 0x3B;
    private const int CompareImmediate = 7;
    private const int AndImmediate = 4;
    private const int TopShift = 39;
    private const int DirectoryShift = 21;
    private const int LegacyDirectoryShift = 22;
    private const int TestRegister = 0x85;

    /// <summary>Bytes of all entries of a set, as a power of two.</summary>
    private const int SetBits = Paging.Tlb.EntryBits + 5;

    private byte* _gigabytePage;
    private byte* _largePage;

    /// <summary>The entry of the address in Scratch1.</summary>
    public static void EmitEntry(ref HostAssembler a, int to)
    {
        a.ShiftedCopy(to, Scratch1, 7);
        a.And32(to, (int)Paging.Tlb.OffsetMask);
        a.Op64(Add, to, HostRegister.Tlb);
    }

    /// <summary>The page of the address in Scratch1, into RCX.</summary>
    public static void EmitPage(ref HostAssembler a)
    {
        a.Move(Rcx, Scratch1);
        a.Immediate32(AndImmediate, Rcx, ~0xFFF, wide: true);
    }

    /// <summary>The page that an entry holds: what any of its tags says. <see cref="VictimEntry.PageOf"/> in host code.</summary>
    /// <param name="entry">Its address, without <paramref name="displacement"/>.</param>
    public static void EmitPageOf(ref HostAssembler a, int to, int entry, int displacement)
    {
        a.Load(to, entry, displacement + TagOffset(nameof(TlbEntry.Read)));
        a.TestDword(to, 0xFFF);
        byte* isRead = a.JumpIf(HostCondition.Equal);
        a.Load(to, entry, displacement + TagOffset(nameof(TlbEntry.Write)));
        a.TestDword(to, 0xFFF);
        byte* isWrite = a.JumpIf(HostCondition.Equal);
        a.Load(to, entry, displacement + TagOffset(nameof(TlbEntry.Execute)));
        HostAssembler.Patch(isRead, a.At);
        HostAssembler.Patch(isWrite, a.At);
    }

    /// <summary>Falls through when the entry has the right that was missed.</summary>
    public void Emit(ref HostAssembler a)
    {
        EmitWalk(ref a);
        EmitRights(ref a);
        EmitFill(ref a);
    }

    private static int TagOffset(string field) => (int)Marshal.OffsetOf<TlbEntry>(field);

    private static int WriterOffset(string field) => (int)Marshal.OffsetOf<PageWriter>(field);

    private static int WindowOffset(string field) => (int)Marshal.OffsetOf<RamWindow>(field);

    private static int VictimOffset(string field) => (int)Marshal.OffsetOf<VictimEntry>(field);

    private readonly void LeaveIf(ref HostAssembler a, int condition) => a.JumpIf(condition, leave);

    /// <summary>RDX: guest-physical address of the page; RSI: rights of the whole path; RDI: the last entry.</summary>
    private void EmitWalk(ref HostAssembler a)
    {
        a.Move(Rax, Scratch1);
        a.Shift64(HostAssembler.ShiftLeft, Rax, 16);
        a.Shift64(HostAssembler.ShiftRightSigned, Rax, 16);
        a.Op64(Compare, Rax, Scratch1);
        LeaveIf(ref a, HostCondition.NotEqual);
        a.LoadFrame(Rcx, Frame.Bridge);
        a.CompareDword(Rcx, Bridge.OffsetOf(nameof(Bridge.WalkRights)), 0);
        LeaveIf(ref a, HostCondition.Equal);
        a.CompareDword(Rcx, Bridge.OffsetOf(nameof(Bridge.WalkForm)), (int)WalkForm.FourLevel);
        byte* narrow = a.JumpIf(HostCondition.NotEqual);
        a.Load(Rcx, Rcx, Bridge.OffsetOf(nameof(Bridge.Context)));
        a.Load(Rdx, Rcx, (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Cr3)));
        byte* directory = null;
        for (int shift = TopShift; shift >= 12; shift -= 9)
        {
            directory = shift == DirectoryShift ? a.At : directory;
            KeepAddress(ref a, 12);
            EmitLevel(ref a, shift);
        }

        a.Move(Rdi, Rdx);
        KeepAddress(ref a, 12);
        byte* found = a.Jump();
        EmitLarge(ref a, _gigabytePage, 30, tlb.GigabytePages);
        byte* foundGigabyte = a.Jump();
        EmitLarge(ref a, _largePage, DirectoryShift, tlb.LargePages);
        byte* foundLarge = a.Jump();
        HostAssembler.Patch(narrow, a.At);
        byte* foundLegacy = EmitNarrow(ref a, directory);
        HostAssembler.Patch(found, a.At);
        HostAssembler.Patch(foundGigabyte, a.At);
        HostAssembler.Patch(foundLarge, a.At);
        HostAssembler.Patch(foundLegacy, a.At);
    }

    /// <summary>From the table at RDX to the entry in RDX.</summary>
    private void EmitLevel(ref HostAssembler a, int shift)
    {
        EmitOffset(ref a);
        a.Move(Rax, Scratch1);
        a.Shift64(HostAssembler.ShiftRight, Rax, shift - 3);
        a.And32(Rax, 0x1FF << 3);
        a.Op64(Add, Rdx, Rax);
        a.LoadConstant(Rcx, (ulong)ram.Memory.Base);
        a.Op64Indexed(0x8B, Rdx, Rcx, Rdx, 0);
        a.Move(Rax, Rdx);
        a.And32(Rax, Present | Accessed);
        a.Immediate32(CompareImmediate, Rax, Present | Accessed, wide: false);
        LeaveIf(ref a, HostCondition.NotEqual);
        a.LoadFrame(Rcx, Frame.Bridge);
        a.Op64(TestRegister, Rdx, Rcx, Bridge.OffsetOf(nameof(Bridge.WalkReserved)));
        LeaveIf(ref a, HostCondition.NotEqual);
        if (shift == TopShift)
        {
            a.Move(Rsi, Rdx);
            a.TestDword(Rdx, Large); // reserved
            LeaveIf(ref a, HostCondition.NotEqual);
            return;
        }

        a.Op64(And, Rsi, Rdx);
        if (shift > 12)
        {
            a.TestDword(Rdx, Large);
            byte* large = a.JumpIf(HostCondition.NotEqual);
            if (shift == 21)
            {
                _largePage = large;
            }
            else
            {
                _gigabytePage = large;
            }
        }
    }

    /// <summary>A leaf in RDX that maps more than a page: the page in it, and a note for the flushes of single pages.</summary>
    private readonly void EmitLarge(ref HostAssembler a, byte* place, int shift, ulong* filter)
    {
        HostAssembler.Patch(place, a.At);
        int offset = (1 << shift) - 1;
        a.Move(Rdi, Rdx);
        a.TestDword(Rdx, offset & ~0x1FFF); // reserved; bit 12 is the PAT's
        LeaveIf(ref a, HostCondition.NotEqual);
        KeepAddress(ref a, shift);
        a.Move(Rax, Scratch1);
        a.And32(Rax, offset & ~0xFFF);
        a.Op64(Or, Rdx, Rax);

        a.Move(Rax, Scratch1);
        a.Shift64(HostAssembler.ShiftRight, Rax, shift == 30 ? 30 : 22);
        a.LoadConstant(Rcx, RegionFilter.Multiplier);
        a.Multiply64(Rax, Rcx);
        a.Move(Rcx, Rax);
        a.Shift64(HostAssembler.ShiftRight, Rcx, 64 - RegionFilter.IndexBits);
        a.Shift64(HostAssembler.ShiftRight, Rax, 64 - (2 * RegionFilter.IndexBits));
        a.And32(Rax, (1 << RegionFilter.IndexBits) - 1);
        a.LoadConstant(Scratch2, (ulong)filter);
        a.SetBit(Scratch2, Rcx);
        a.SetBit(Scratch2, Rax);
    }

    /// <summary>The address in the entry in RDX, of something with <paramref name="bits"/> bits of offset.</summary>
    private static void KeepAddress(ref HostAssembler a, int bits)
    {
        a.Shift64(HostAssembler.ShiftLeft, Rdx, 64 - PageWalker.PhysicalAddressBits);
        a.Shift64(HostAssembler.ShiftRight, Rdx, 64 - PageWalker.PhysicalAddressBits);
        a.Immediate32(AndImmediate, Rdx, -(1 << bits), wide: true);
    }

    /// <summary>RDX: from a guest-physical address to an offset in the RAM. Uses RCX.</summary>
    private readonly void EmitOffset(ref HostAssembler a)
    {
        byte** places = stackalloc byte*[RamWindows.Count];
        a.LoadConstant(Rcx, (ulong)ram.First);
        for (int i = 0; i < RamWindows.Count; i++)
        {
            // An address below the window is far above its length.
            a.Op64(Subtract, Rdx, Rcx, WindowOffset(nameof(RamWindow.Start)));
            a.Op64(Compare, Rdx, Rcx, WindowOffset(nameof(RamWindow.Length)));
            byte* found = a.JumpIf(HostCondition.Below);
            if (i == RamWindows.Count - 1)
            {
                a.Jump(leave);
            }
            else
            {
                a.Op64(Add, Rdx, Rcx, WindowOffset(nameof(RamWindow.Start)));
                a.Lea(Rcx, Rcx, sizeof(RamWindow));
            }

            places[i] = found;
        }

        for (int i = 0; i < RamWindows.Count; i++)
        {
            HostAssembler.Patch(places[i], a.At);
        }

        a.Op64(Add, Rdx, Rcx, WindowOffset(nameof(RamWindow.Offset)));
    }

    /// <summary>Leaves unless the path's rights suffice for the access and the page is plain RAM. RDX becomes its host address.</summary>
    private readonly void EmitRights(ref HostAssembler a)
    {
        a.LoadConstant(Rcx, (ulong)tlb.Entries);
        a.Move(Rax, HostRegister.Tlb);
        a.Op64(Subtract, Rax, Rcx);
        a.Shift64(HostAssembler.ShiftRight, Rax, SetBits);
        a.And32(Rax, 3);
        a.Op64(Add, Rax, Rax);
        a.Move(Rcx, Rsi);
        a.And32(Rcx, User);
        a.Shift64(HostAssembler.ShiftRight, Rcx, 2);
        a.Op64(Or, Rax, Rcx); // the privilege, times two, and the user bit
        a.LoadFrame(Rcx, Frame.Bridge);
        a.Op32(0x8B, Rcx, Rcx, Bridge.OffsetOf(nameof(Bridge.WalkRights)));
        a.TestBit(Rcx, Rax);
        LeaveIf(ref a, HostCondition.NoCarry);
        EmitOffset(ref a);
        byte* isRead = EmitUnlessWrite(ref a);

        a.TestDword(Rdi, Dirty);
        LeaveIf(ref a, HostCondition.Equal);
        a.TestDword(Rsi, Writable);
        LeaveIf(ref a, HostCondition.Equal);
        a.Move(Rcx, Rdx);
        a.Shift64(HostAssembler.ShiftRight, Rcx, GuestMemory.PageShift);
        a.LoadConstant(Rax, (ulong)ram.Memory.WatchFlags);
        a.CompareByteIndexed(Rax, Rcx, 0);
        LeaveIf(ref a, HostCondition.NotEqual);
        a.LoadConstant(Rax, (ulong)ram.Memory.DirtyFlags);
        a.StoreByteIndexed(Rax, Rcx, 1);
        HostAssembler.Patch(isRead, a.At);
        a.LoadConstant(Rax, (ulong)ram.Memory.Base);
        a.Op64(Add, Rdx, Rax);
    }

    /// <returns>The displacement of the jump that is taken if the access is no write. Uses Scratch2.</returns>
    private static byte* EmitUnlessWrite(ref HostAssembler a)
    {
        a.LoadFrame(Scratch2, Frame.MissSite);
        a.CompareByte(Scratch2, Site.WriteOffset, 0);
        return a.JumpIf(HostCondition.Equal);
    }

    /// <summary>The entry of the address leads to the host page in RDX.</summary>
    private readonly void EmitFill(ref HostAssembler a)
    {
        EmitEntry(ref a, Rdi);
        a.ShiftedCopy(Rcx, Scratch1, 12);
        a.Lea(Rcx, Rcx, 1);
        a.And32(Rcx, Paging.Tlb.Entries - 1);
        a.Immediate32(CompareImmediate, Rcx, 2, wide: false);
        LeaveIf(ref a, HostCondition.Below); // the edges of a set have a value of their own for "no tag"
        EmitPage(ref a);
        a.Move(Rsi, Rdx);
        a.Op64(Subtract, Rsi, Rcx); // RSI: the addend

        EmitPageOf(ref a, Rax, Rdi, 0);
        a.TestDword(Rax, 0xFFF);
        byte* holdsNone = a.JumpIf(HostCondition.NotEqual);
        a.Op64(Compare, Rax, Rcx);
        byte* holdsOther = a.JumpIf(HostCondition.NotEqual);
        a.Op64(Compare, Rsi, Rdi, TagOffset(nameof(TlbEntry.Addend)));
        byte* holdsSame = a.JumpIf(HostCondition.Equal);
        byte* deny = a.Jump();
        HostAssembler.Patch(holdsOther, a.At);
        EmitDisplace(ref a);
        HostAssembler.Patch(holdsNone, a.At);
        HostAssembler.Patch(deny, a.At);
        a.LoadConstant(Rax, ulong.MaxValue);
        a.Store(Rdi, TagOffset(nameof(TlbEntry.Write)), Rax);
        a.Store(Rdi, TagOffset(nameof(TlbEntry.Execute)), Rax);
        a.Store(Rdi, TagOffset(nameof(TlbEntry.Addend)), Rsi);
        HostAssembler.Patch(holdsSame, a.At);
        a.Store(Rdi, TagOffset(nameof(TlbEntry.Read)), Rcx);
        EmitNoteFilled(ref a);

        byte* isRead = EmitUnlessWrite(ref a);
        EmitNoteWriter(ref a);
        EmitPage(ref a);
        a.Store(Rdi, TagOffset(nameof(TlbEntry.Write)), Rcx);
        HostAssembler.Patch(isRead, a.At);
    }

    /// <summary>The entry at RDI, which holds the page in RAX, becomes a victim. Uses RAX, RDX, Scratch2.</summary>
    private readonly void EmitDisplace(ref HostAssembler a)
    {
        a.ShiftedCopy(Rdx, Rax, 12 - VictimEntry.SizeBits);
        a.And32(Rdx, (VictimEntry.Count - 1) << VictimEntry.SizeBits);
        a.LoadConstant(Scratch2, (ulong)tlb.Victims);
        a.Op64(Add, Rdx, Scratch2);
        a.Store(Rdx, VictimOffset(nameof(VictimEntry.Page)), Rax);
        a.Store(Rdx, VictimOffset(nameof(VictimEntry.Set)), HostRegister.Tlb);
        for (int field = 0; field < sizeof(TlbEntry); field += 8)
        {
            a.Load(Rax, Rdi, field);
            a.Store(Rdx, VictimOffset(nameof(VictimEntry.Entry)) + field, Rax);
        }
    }

    /// <summary>What <see cref="Paging.Tlb.Prepare"/> notes for flushes. Uses RAX and RDX.</summary>
    private readonly void EmitNoteFilled(ref HostAssembler a)
    {
        const int groupShift = 5 + TlbLayout.GroupBits;
        a.Move(Rax, Rdi);
        a.LoadConstant(Rdx, (ulong)tlb.Entries);
        a.Op64(Subtract, Rax, Rdx);
        a.Shift64(HostAssembler.ShiftRight, Rax, groupShift);
        a.LoadConstant(Rdx, (ulong)tlb.Filled);
        a.SetBit(Rdx, Rax);
        a.Shift64(HostAssembler.ShiftRight, Rax, SetBits - groupShift);
        a.LoadConstant(Rdx, (ulong)tlb.Used);
        a.StoreByteIndexed(Rdx, Rax, 1);
    }

    /// <summary>
    /// <see cref="Paging.Tlb.NoteWriter"/>: the entry at RDI is about to write to the page in RCX with the addend in RSI. Leaves where
    /// another entry writes to the page as well, or more than one to the page that the note was about. Uses all registers but RDI.
    /// </summary>
    private readonly void EmitNoteWriter(ref HostAssembler a)
    {
        a.Lea(Rax, Rsi, Rcx, 0, 0, wide: true); // RAX: the host page
        a.LoadConstant(Scratch2, PageWriter.Multiplier);
        a.Multiply64(Scratch2, Rax);
        a.Shift64(HostAssembler.ShiftRight, Scratch2, 64 - PageWriter.IndexBits);
        a.Multiply(Scratch2, sizeof(PageWriter));
        a.LoadConstant(Rdx, (ulong)tlb.Writers);
        a.Op64(Add, Scratch2, Rdx); // Scratch2: the note
        a.Op64(Compare, Rax, Scratch2, WriterOffset(nameof(PageWriter.Page)));
        byte* otherPage = a.JumpIf(HostCondition.NotEqual);
        a.Op64(Compare, Rdi, Scratch2, WriterOffset(nameof(PageWriter.First)));
        byte* isFirst = a.JumpIf(HostCondition.Equal);
        a.Op64(Compare, Rdi, Scratch2, WriterOffset(nameof(PageWriter.Second)));
        LeaveIf(ref a, HostCondition.NotEqual);
        byte* isSecond = a.Jump();
        HostAssembler.Patch(otherPage, a.At);

        a.CompareByte(Scratch2, WriterOffset(nameof(PageWriter.IsMany)), 0);
        LeaveIf(ref a, HostCondition.NotEqual);
        a.CompareQword(Scratch2, WriterOffset(nameof(PageWriter.Second)), 0);
        LeaveIf(ref a, HostCondition.NotEqual);
        a.Load(Rdx, Scratch2, WriterOffset(nameof(PageWriter.First)));
        a.CompareQword(Scratch2, WriterOffset(nameof(PageWriter.First)), 0);
        byte* free = a.JumpIf(HostCondition.Equal);
        if (!isOnlyProcessor)
        {
            EmitUnlessAsked(ref a);
        }

        EmitRevoke(ref a);
        HostAssembler.Patch(free, a.At);
        a.Store(Scratch2, WriterOffset(nameof(PageWriter.Page)), Rax);
        a.Store(Scratch2, WriterOffset(nameof(PageWriter.First)), Rdi);
        HostAssembler.Patch(isFirst, a.At);
        HostAssembler.Patch(isSecond, a.At);
    }

    /// <summary>
    /// A page's note is about to go: leaves if another thread has asked for something, as it may be about this page. Who asks later reads
    /// the page later, and finds what was written. Uses RCX.
    /// </summary>
    private readonly void EmitUnlessAsked(ref HostAssembler a)
    {
        a.Byte(0x0F); // mfence
        a.Byte(0xAE);
        a.Byte(0xF0);
        a.LoadFrame(Rcx, Frame.Attention);
        a.CompareDword(Rcx, 0, 0);
        LeaveIf(ref a, HostCondition.NotEqual);
    }

    /// <summary>
    /// The entry at RDX, and what was displaced from it, may no longer write to the page of the note in Scratch2: the note is about to name
    /// another entry. Uses RCX, RDX and RSI.
    /// </summary>
    private readonly void EmitRevoke(ref HostAssembler a)
    {
        const int setMask = (Paging.Tlb.Entries - 1) << 5;
        EmitLeads(ref a, Rdx, 0);
        byte* leadsElsewhere = a.JumpIf(HostCondition.NotEqual);
        a.Move(Rcx, Rdx);
        a.LoadConstant(Rsi, (ulong)tlb.Entries);
        a.Op64(Subtract, Rcx, Rsi);
        a.And32(Rcx, setMask);
        LeaveIf(ref a, HostCondition.Equal); // the edges again
        a.Immediate32(CompareImmediate, Rcx, setMask, wide: false);
        LeaveIf(ref a, HostCondition.Equal);
        a.StoreImmediate(new HostOperand(Rdx, HostRegister.None, TagOffset(nameof(TlbEntry.Write))), -1);
        HostAssembler.Patch(leadsElsewhere, a.At);

        a.LoadConstant(Rsi, (ulong)tlb.Entries);
        a.Op64(Subtract, Rdx, Rsi);
        a.And32(Rdx, (VictimEntry.Count - 1) << 5);
        a.Shift64(HostAssembler.ShiftLeft, Rdx, VictimEntry.SizeBits - 5);
        a.LoadConstant(Rsi, (ulong)tlb.Victims);
        a.Op64(Add, Rdx, Rsi);
        EmitLeads(ref a, Rdx, VictimOffset(nameof(VictimEntry.Entry)));
        byte* otherVictim = a.JumpIf(HostCondition.NotEqual);
        a.StoreImmediate(new HostOperand(Rdx, HostRegister.None, VictimOffset(nameof(VictimEntry.Page))), -1);
        a.StoreImmediate(
            new HostOperand(Rdx, HostRegister.None, VictimOffset(nameof(VictimEntry.Entry)) + TagOffset(nameof(TlbEntry.Write))), -1);
        HostAssembler.Patch(otherVictim, a.At);
    }

    /// <summary>Compares where an entry's writes go with the page of the note in Scratch2. Uses RCX.</summary>
    private static void EmitLeads(ref HostAssembler a, int entry, int displacement)
    {
        a.Load(Rcx, entry, displacement + TagOffset(nameof(TlbEntry.Write)));
        a.Op64(Add, Rcx, entry, displacement + TagOffset(nameof(TlbEntry.Addend)));
        a.Op64(Compare, Rcx, Scratch2, WriterOffset(nameof(PageWriter.Page)));
    }
}
