using System.Runtime.InteropServices;
using Strata.X86.Paging;
using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// A page that misses the TLB because it shares an entry with another one that is used in turn: they change places between the TLB and
/// its victims, and the instruction tries again. Whether its rights suffice is seen then; a second miss finds the other page among the
/// victims and leaves. So does an instruction that accesses both, which would take them from each other for ever.
/// <para>In: the address in Scratch1, the site in Scratch2. The host's flags are free, as at every check.</para>
/// </summary>
internal static unsafe class MissStub
{
    private const int CompareMemory = 0x3B;
    private const int Add = 0x03;

    private static readonly int[] KeptRegisters = [Rax, Rcx, Rdx];

    /// <param name="exit">Leaves translated code through the site in Scratch2.</param>
    public static void Emit(ref HostAssembler a, VictimEntry* victims, Site* sites, byte* exit)
    {
        int held = (int)Marshal.OffsetOf<VictimEntry>(nameof(VictimEntry.Entry));
        for (int i = 0; i < KeptRegisters.Length; i++)
        {
            a.StoreFrame(Frame.Kept + (8 * i), KeptRegisters[i]);
        }

        a.Move(Rdx, Scratch1); // RDX: the page
        a.Immediate32(4, Rdx, ~0xFFF, wide: true);
        a.ShiftedCopy(Rcx, Scratch1, 12 - VictimEntry.SizeBits); // RCX: its victim, by VictimEntry.IndexOf
        a.And32(Rcx, (VictimEntry.Count - 1) << VictimEntry.SizeBits);
        a.LoadConstant(Rax, (ulong)victims);
        a.Op64(0x01, Rax, Rcx);
        a.Op64(CompareMemory, Rdx, Rcx, (int)Marshal.OffsetOf<VictimEntry>(nameof(VictimEntry.Page)));
        byte* otherPage = a.JumpIf(HostCondition.NotEqual);
        a.Op64(CompareMemory, HostRegister.Tlb, Rcx, (int)Marshal.OffsetOf<VictimEntry>(nameof(VictimEntry.Set)));
        byte* otherSet = a.JumpIf(HostCondition.NotEqual);

        a.StoreFrame(Frame.Value, Scratch2);
        a.Multiply(Scratch2, sizeof(Site));
        a.LoadConstant(Rdx, (ulong)sites + (ulong)Marshal.OffsetOf<Site>(nameof(Site.Resume)));
        a.Op64(Add, Scratch2, Rdx);
        a.Load(Scratch2, Scratch2, 0);
        a.Op64(CompareMemory, Scratch2, Rsp, Frame.Retry);
        byte* stuck = a.JumpIf(HostCondition.Equal);
        a.StoreFrame(Frame.Retry, Scratch2);
        a.ShiftedCopy(Rax, Scratch1, 7); // RAX: the entry
        a.And32(Rax, (int)Paging.Tlb.OffsetMask);
        a.Op64(0x01, HostRegister.Tlb, Rax);
        for (int field = 0; field < sizeof(TlbEntry); field += 8)
        {
            a.Load(Rdx, Rax, field);
            a.Load(Scratch2, Rcx, held + field);
            a.Store(Rax, field, Scratch2);
            a.Store(Rcx, held + field, Rdx);
        }

        EmitNoteVictim(ref a, held);
        RestoreKept(ref a);
        a.JumpMemory(Rsp, Frame.Retry);

        HostAssembler.Patch(stuck, a.At);
        a.StoreFrame(Frame.Retry, HostRegister.Tlb); // no code: once is enough
        a.LoadFrame(Scratch2, Frame.Value);
        HostAssembler.Patch(otherPage, a.At);
        HostAssembler.Patch(otherSet, a.At);
        RestoreKept(ref a);
        a.Jump(exit);
    }

    /// <summary>The page of the victim at RCX: what any of its tags says. <see cref="VictimEntry.PageOf"/> in host code.</summary>
    private static void EmitNoteVictim(ref HostAssembler a, int held)
    {
        a.Load(Rdx, Rcx, held + (int)Marshal.OffsetOf<TlbEntry>(nameof(TlbEntry.Read)));
        a.TestDword(Rdx, 0xFFF);
        byte* isRead = a.JumpIf(HostCondition.Equal);
        a.Load(Rdx, Rcx, held + (int)Marshal.OffsetOf<TlbEntry>(nameof(TlbEntry.Write)));
        a.TestDword(Rdx, 0xFFF);
        byte* isWrite = a.JumpIf(HostCondition.Equal);
        a.Load(Rdx, Rcx, held + (int)Marshal.OffsetOf<TlbEntry>(nameof(TlbEntry.Execute)));
        HostAssembler.Patch(isRead, a.At);
        HostAssembler.Patch(isWrite, a.At);
        a.Store(Rcx, (int)Marshal.OffsetOf<VictimEntry>(nameof(VictimEntry.Page)), Rdx);
    }

    private static void RestoreKept(ref HostAssembler a)
    {
        for (int i = 0; i < KeptRegisters.Length; i++)
        {
            a.LoadFrame(KeptRegisters[i], Frame.Kept + (8 * i));
        }
    }
}
