using System.Runtime.InteropServices;
using Strata.Core.Memory;
using Strata.X86.Paging;
using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// An access that has missed the TLB. A page that shares its entry with another one used in turn changes places with it, between the TLB
/// and its victims; any other one is looked for in the guest's page tables. Then the instruction tries again. What cannot be mended here
/// leaves: faults, tables that do not have their accessed and dirty bits yet, devices, accesses that cross a page.
/// <para>In: the address in Scratch1, the site in Scratch2. The host's flags are free, as at every check.</para>
/// </summary>
internal readonly unsafe ref struct MissStub(TlbLayout tlb, Site* sites, RamWindows? ram, bool isOnlyProcessor, byte* exit)
{
    private const int Add = 0x03;

    /// <summary>
    /// An instruction with two accesses whose pages share an entry misses for ever, for one and the other in turn: it leaves after as many
    /// misses of pages that have just been mended.
    /// </summary>
    private const int Retries = 3;

    private static readonly int[] KeptRegisters = [Rax, Rcx, Rdx, Rsi, Rdi];

    public void Emit(ref HostAssembler a)
    {
        for (int i = 0; i < KeptRegisters.Length; i++)
        {
            a.StoreFrame(Frame.Kept + (8 * i), KeptRegisters[i]);
        }

        a.StoreFrame(Frame.Value, Scratch2);
        a.Multiply(Scratch2, sizeof(Site));
        a.LoadConstant(Rax, (ulong)sites);
        a.Op64(Add, Scratch2, Rax);
        a.StoreFrame(Frame.MissSite, Scratch2);
        PageWalkStub.EmitEntry(ref a, Rdi);
        PageWalkStub.EmitPage(ref a);
        LoadByte(ref a, Rdx, Scratch2, Site.WriteOffset);
        CompareTag(ref a);
        byte* accessible = a.JumpIf(HostCondition.Equal); // it does not lie within the page, then
        EmitCount(ref a, out byte* stuck);

        byte* walk = EmitVictim(ref a);
        EmitRetry(ref a, nameof(Bridge.VictimsReturned));

        HostAssembler.Patch(stuck, a.At);
        a.StoreFrame(Frame.Retry, HostRegister.Tlb); // no code
        HostAssembler.Patch(accessible, a.At);
        byte* leave = a.At;
        RestoreKept(ref a);
        a.LoadFrame(Scratch2, Frame.Value);
        a.Jump(exit);

        HostAssembler.Patch(walk, ram == null ? leave : a.At);
        if (ram is { } known)
        {
            new PageWalkStub(tlb, known, isOnlyProcessor, leave).Emit(ref a);
            EmitRetry(ref a, nameof(Bridge.Walks));
        }
    }

    /// <summary>Compares RCX with the tag of the entry at RDI for reads or, with 1 in RDX, for writes.</summary>
    private static void CompareTag(ref HostAssembler a)
    {
        a.Byte(0x48);
        a.Byte(0x3B);
        a.Memory(Rcx, Rdi, Rdx, 3, 0);
    }

    /// <summary>MOVZX r32, byte [base + displacement]; the base is R8 or above.</summary>
    private static void LoadByte(ref HostAssembler a, int to, int @base, int displacement)
    {
        a.Byte(0x41);
        a.Byte(0x0F);
        a.Byte(0xB6);
        a.Memory(to, @base, displacement);
    }

    /// <summary>Notes where to go on, from the site in Scratch2, and the page in RCX.</summary>
    /// <param name="stuck">Taken when the same pages have missed there a few times in turn.</param>
    private static void EmitCount(ref HostAssembler a, out byte* stuck)
    {
        const int compare = 0x3B;
        const int decrement = 1;
        a.Load(Rax, Scratch2, (int)Marshal.OffsetOf<Site>(nameof(Site.Resume)));
        a.Op64(compare, Rax, Rsp, Frame.Retry);
        a.StoreFrame(Frame.Retry, Rax);
        byte* elsewhere = a.JumpIf(HostCondition.NotEqual);
        a.Op64(compare, Rcx, Rsp, Frame.MissBefore);
        byte* otherPage = a.JumpIf(HostCondition.NotEqual);
        a.Op64(0xFF, decrement, Rsp, Frame.RetriesLeft);
        stuck = a.JumpIf(HostCondition.Equal);
        byte* again = a.Jump();
        HostAssembler.Patch(elsewhere, a.At);
        HostAssembler.Patch(otherPage, a.At);
        a.LoadConstant(Rax, Retries);
        a.StoreFrame(Frame.RetriesLeft, Rax);
        HostAssembler.Patch(again, a.At);
        a.LoadFrame(Rax, Frame.LastMiss);
        a.StoreFrame(Frame.MissBefore, Rax);
        a.StoreFrame(Frame.LastMiss, Rcx);
    }

    /// <summary>Exchanges the entry at RDI with the victim that holds the page in RCX.</summary>
    /// <returns>The displacement of the jump that is taken if there is none.</returns>
    private byte* EmitVictim(ref HostAssembler a)
    {
        const int compare = 0x3B;
        int held = (int)Marshal.OffsetOf<VictimEntry>(nameof(VictimEntry.Entry));
        a.ShiftedCopy(Rdx, Scratch1, 12 - VictimEntry.SizeBits); // RDX: its victim, by VictimEntry.IndexOf
        a.And32(Rdx, (VictimEntry.Count - 1) << VictimEntry.SizeBits);
        a.LoadConstant(Rax, (ulong)tlb.Victims);
        a.Op64(Add, Rdx, Rax);
        a.Op64(compare, Rcx, Rdx, (int)Marshal.OffsetOf<VictimEntry>(nameof(VictimEntry.Page)));
        byte* otherPage = a.JumpIf(HostCondition.NotEqual);
        a.Op64(compare, HostRegister.Tlb, Rdx, (int)Marshal.OffsetOf<VictimEntry>(nameof(VictimEntry.Set)));
        byte* sameSet = a.JumpIf(HostCondition.Equal);
        HostAssembler.Patch(otherPage, a.At);
        byte* none = a.Jump();
        HostAssembler.Patch(sameSet, a.At);

        for (int field = 0; field < sizeof(TlbEntry); field += 8)
        {
            a.Load(Rax, Rdi, field);
            a.Load(Rcx, Rdx, held + field);
            a.Store(Rdi, field, Rcx);
            a.Store(Rdx, held + field, Rax);
        }

        PageWalkStub.EmitPageOf(ref a, Rax, Rdx, held);
        a.Store(Rdx, (int)Marshal.OffsetOf<VictimEntry>(nameof(VictimEntry.Page)), Rax);
        return none;
    }

    private static void EmitRetry(ref HostAssembler a, string counter)
    {
        a.LoadFrame(Rax, Frame.Bridge);
        a.Increment(Rax, Bridge.OffsetOf(counter));
        RestoreKept(ref a);
        a.JumpMemory(Rsp, Frame.Retry);
    }

    private static void RestoreKept(ref HostAssembler a)
    {
        for (int i = 0; i < KeptRegisters.Length; i++)
        {
            a.LoadFrame(KeptRegisters[i], Frame.Kept + (8 * i));
        }
    }
}
