using Strata.Core.Memory;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>From a linear address to RAM or a guest-physical address: the TLB, and what fills it.</summary>
public sealed unsafe partial class X86Cpu
{
    /// <summary>SMAP set that applies to the current privilege and RFLAGS.AC.</summary>
    private TlbPrivilege CurrentPrivilege =>
        Context->Cpl == 3 ? TlbPrivilege.User
        : (Context->State.Rflags & RFlags.AC) != 0 ? TlbPrivilege.SupervisorUserAccess
        : TlbPrivilege.Supervisor;

    /// <summary>Translates for a fetch and fills the execute tag.</summary>
    /// <param name="va">Linear address of code.</param>
    /// <param name="host">Start of the host page, or null when code lies outside RAM.</param>
    /// <param name="gpa">Guest-physical address of <paramref name="va"/>.</param>
    public bool TryTranslateFetch(ulong va, out byte* host, out ulong gpa)
    {
        if (!IsCanonical(va))
        {
            host = null;
            gpa = 0;
            return RaiseGeneralProtection();
        }

        return TryTranslate(va, AccessKind.Execute, out host, out gpa);
    }

    /// <summary>The host page of code whose translation is in the TLB or can be put there without a fault.</summary>
    /// <returns>False if the fetch needs a closer look: it faults, or lies outside RAM. Nothing is recorded.</returns>
    public bool TryGetFetchPage(ulong va, out byte* page)
    {
        TlbEntry* entry = (TlbEntry*)((byte*)Tlb.Set(CurrentPrivilege) + ((va >> 7) & Tlb.OffsetMask));
        if (entry->Execute == (va & PageBase))
        {
            page = (byte*)(entry->Execute + (ulong)entry->Addend);
            return true;
        }

        uint pending = Context->PendingException;
        ulong cr2 = Context->State.Cr2;
        bool found = TryTranslateFetch(va, out page, out _) && page != null;
        Context->PendingException = pending;
        Context->State.Cr2 = cr2;
        return found;
    }

    /// <summary>One page: page walk, TLB fill, host pointer of the byte or null for MMIO and ROM writes.</summary>
    private bool TryTranslate(ulong va, AccessKind kind, out byte* host, out ulong gpa)
    {
        TlbPrivilege privilege = _systemAccess ? TlbPrivilege.Supervisor : CurrentPrivilege;
        TlbEntry* entry = (TlbEntry*)((byte*)Tlb.Set(privilege) + ((va >> 7) & Tlb.OffsetMask));
        ulong page = va & PageBase;
        ulong tag = kind switch { AccessKind.Read => entry->Read, AccessKind.Write => entry->Write, _ => entry->Execute };
        if (tag == page)
        {
            host = (byte*)(va + (ulong)entry->Addend);
            gpa = 0;
            if (kind != AccessKind.Execute)
            {
                return true;
            }
        }

        return TryWalkAndFill(va, kind, privilege, out host, out gpa);
    }

    private bool TryWalkAndFill(ulong va, AccessKind kind, TlbPrivilege privilege, out byte* host, out ulong gpa)
    {
        host = null;
        bool user = privilege == TlbPrivilege.User;
        bool overrideSmap = privilege == TlbPrivilege.SupervisorUserAccess;
        if (!PageWalker.TryWalk(in Context->State, Memory, va, kind, user, overrideSmap, out Translation found, out PageFaultError error))
        {
            gpa = 0;
            RaisePageFault(va, error);
            return false;
        }

        gpa = found.Gpa;
        if (!Memory.TryGetRamPage(gpa & PageBase, out RamPage ram))
        {
            return true; // MMIO: never cached
        }

        byte* hostPage = ram.Memory.Base + (ram.Index << GuestMemory.PageShift);
        TlbEntry* entry = Tlb.Prepare(privilege, va, found.PageBits);
        ulong page = va & PageBase;
        long addend = (long)hostPage - (long)page;
        if (entry->Addend != addend || (entry->Read != page && entry->Write != page && entry->Execute != page))
        {
            Tlb.Deny(entry);
            entry->Addend = addend;
        }

        if (kind == AccessKind.Execute)
        {
            entry->Execute = page;
            if (!user && !found.Global)
            {
                Tlb.NoteLocalSupervisorCode();
            }

            host = hostPage;
            return true;
        }

        if (kind == AccessKind.Read)
        {
            entry->Read = page;
            host = hostPage + (va & PageOffset);
            return true;
        }

        if (ram.ReadOnly)
        {
            return true; // the bus knows what becomes of writes to ROM
        }

        ram.Memory.PrepareWrite(ram.Index << GuestMemory.PageShift, GuestMemory.PageSize);
        ram.Memory.MarkDirty(ram.Index);
        if (ram.Memory.HoldsCode(ram.Index))
        {
            ram.Memory.InvalidateCode(ram.Index);
        }

        // The right stands before the bytes land: whoever decodes them before asks this vCPU to give it up, and is told of the write then.
        entry->Read = entry->Write = page;
        Tlb.NoteWriter(entry, hostPage);
        host = hostPage + (va & PageOffset);
        return true;
    }

    private void RaisePageFault(ulong va, PageFaultError error)
    {
        if (Context->PendingException == 0)
        {
            Context->State.Cr2 = va;
            Raise(ExceptionVector.PageFault, (uint)error);
        }
    }
}
