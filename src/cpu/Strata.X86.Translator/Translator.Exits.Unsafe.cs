using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator;

/// <summary>The service of exits: what translated code leaves for, by the kind of the <see cref="Site"/> it left at.</summary>
public sealed unsafe partial class Translator
{
    private const int MaxRetries = 4;

    private ulong _retriedRip;
    private int _retries;

    /// <summary>Deals with one exit.</summary>
    /// <returns>Where to enter translated code again, or null to go through the main loop.</returns>
    private byte* ServeExit()
    {
        Site* site = _cache.SiteAt(_bridge->Site);
        Counters.Count(site->Kind);
        _bridge->Left += (uint)(site->Block->Count - site->Completed); // the head took the whole block's from the budget
        _x87.NoteExit();
        switch (site->Kind)
        {
            case SiteKind.Link:
                return Link(site);
            case SiteKind.Dispatch:
                return Dispatch(site);
            case SiteKind.Access:
                return MakeAccessible(site);
            case SiteKind.X87 when _x87.TryMoveToImage():
                return site->Block->LinkEntry;
            case SiteKind.Apart:
                return LinkApart(site);
            case SiteKind.Cross:
                return LinkAcross(site);
            case SiteKind.Attention:
                return Stop(RipOf(site));
            case SiteKind.Budget:
                return _bridge->Left == 0
                    ? Stop(RipOf(site))
                    : Enter(RipOf(site), _cache.TranslatePart(
                        site->Block->HostPage, _blocks.ToLinear(RipOf(site)), _blocks.Mode, site->Block->Segment, _blocks.OmitsLocks,
                        _context->State.Gprs, (int)_bridge->Left));
            default:
                return Execute(site);
        }
    }

    private byte* Stop(ulong rip)
    {
        TakeFlags();
        _context->State.Rip = rip;
        return null;
    }

    /// <summary>The instruction of a site that is not translated: some frequent ones at once, the others by the interpreter.</summary>
    private byte* Execute(Site* site)
    {
        if (_counting && _bridge->Left == 0)
        {
            return Stop(RipOf(site));
        }

        if (TryServePort(site, out byte* target))
        {
            return target;
        }

        ref X86CpuState s = ref _context->State;
        if ((Code)site->Code is Code.Rdtsc or Code.Rdtscp && (_context->Cpl == 0 || (s.Cr4 & Cr4.TSD) == 0))
        {
            return ReadTsc(site);
        }

        TakeFlags();
        _context->InstructionRip = RipOf(site);
        _bridge->Left--;
        s.Rip = (RipOf(site) + site->Length) & _blocks.RipMask;
        bool done;
        switch ((Code)site->Code)
        {
            case Code.Syscall:
                done = Cpu.TrySyscall();
                break;
            case Code.Sysretq:
                done = Cpu.TrySysret(to64Bit: true);
                break;
            default:
                ulong next = s.Rip;
                (bool loadsSegment, SegmentIndex segment) = (site->LoadsSegment, (SegmentIndex)site->First);
                s.Rip = RipOf(site);
                _bridge->Left++;
                NoteDevice(_bridge->Site, site, isMemory: false, 0);
                Interpret();
                if (loadsSegment)
                {
                    NoteSegment(segment, next);
                }

                done = true;
                break;
        }

        if (!done)
        {
            Cpu.DeliverPendingException();
            return null;
        }

        return Continue();
    }

    /// <summary>RDTSC and RDTSCP change nothing but two or three registers: everything else stays in the bridge as it is.</summary>
    private byte* ReadTsc(Site* site)
    {
        ref X86CpuState s = ref _context->State;
        ulong tsc = Cpu.ReadTsc();
        s.Gprs[Gpr.Rax] = (uint)tsc;
        s.Gprs[Gpr.Rdx] = tsc >> 32;
        if ((Code)site->Code == Code.Rdtscp)
        {
            s.Gprs[Gpr.Rcx] = s.TscAux;
        }

        _bridge->Left -= (uint)(site->Block->Count - site->Completed);
        ResumeLoaded();
        return site->Resume;
    }

    /// <summary>After an instruction executed here: back into translated code if nothing else is due.</summary>
    private byte* Continue()
    {
        ref X86CpuState s = ref _context->State;
        if (Volatile.Read(ref _context->Attention) != 0 || s.Activity != ActivityState.Running || s.Shadow != InterruptShadow.None
            || _blocks.Mode == CodeMode.None || Cpu.NeedsSlowStep || Cpu.IsEventDue || Cpu.IsUserCodeHeld
            || (_userCode is not null && _context->Cpl == 3)) // who executes user code is asked in the main loop
        {
            return null;
        }

        byte* target = _blocks.FindEntry(s.Rip);
        if (target == null)
        {
            return null;
        }

        PrepareEntry();
        _bridge->Value = _blocks.ToLinear(s.Rip) ^ _bridge->Salt;
        return target;
    }

    private byte* Link(Site* site)
    {
        ulong rip = RipOf(site); // finding a block may reuse the site
        byte* place = site->Resume;
        bool forward = site->IsForward;
        if (Volatile.Read(ref _context->Attention) == 0)
        {
            long generation = _cache.Generation;
            TranslatedBlock* block = _blocks.Find(rip);
            if (block != null)
            {
                if (generation == _cache.Generation)
                {
                    Counters.Links++;
                    Emit.HostAssembler.Patch(
                        place, block->TableEntry != null ? block->TableEntry : forward ? block->ForwardEntry : block->LinkEntry);
                }

                return Enter(rip, block->Entry);
            }
        }

        return Stop(rip);
    }

    /// <summary>Accesses that share a check lie in two pages: on with the translation that has one for each.</summary>
    private byte* LinkApart(Site* site)
    {
        ulong rip = RipOf(site); // as in Link
        byte* place = site->Resume;
        long generation = _cache.Generation;
        TranslatedBlock* block = _blocks.Find(rip, apart: true);
        if (block == null)
        {
            return Stop(rip);
        }

        if (generation == _cache.Generation && !_counting) // the rest of the block would be counted twice
        {
            Counters.Links++;
            Emit.HostAssembler.Patch(place, block->ForwardEntry);
        }

        return Enter(rip, block->Entry);
    }

    /// <summary>A branch to another page: on at its target, and straight there from now on, while the jump table leads there.</summary>
    private byte* LinkAcross(Site* site)
    {
        ulong rip = RipOf(site); // as in Link
        if (Volatile.Read(ref _context->Attention) != 0)
        {
            site->StackUndo = TranslationCache.DetoursBeforeLink;
            return Stop(rip);
        }

        long generation = _cache.Generation;
        ulong salt = _blocks.Salt;
        byte* entry = _blocks.FindEntry(rip);
        TranslatedBlock* block = entry == null ? null : _blocks.Find(rip);
        if (generation == _cache.Generation)
        {
            bool isSame = block != null && block->Entry == entry && _blocks.Salt == salt; // what the table leads to is of now
            site->StackUndo = isSame && block->IsRelative ? int.MaxValue : TranslationCache.DetoursBeforeLink;
            if (isSame && !block->IsRelative)
            {
                Counters.Links++;
                _cache.LinkAcross(site, block, (uint)(salt >> 32));
            }
        }

        return entry == null ? Stop(rip) : Enter(rip, entry);
    }

    private byte* Dispatch(Site* site)
    {
        ulong target = _blocks.ToRip(_bridge->Value ^ _bridge->Salt);
        if (!Cpu.IsCanonical(target))
        {
            _bridge->Left++; // the branch itself, which faults, is executed again
            TakeFlags();
            _context->State.Gprs[Gpr.Rsp] += (ulong)(long)site->StackUndo;
            _context->State.Rip = RipOf(site);
            Interpret();
            return null;
        }

        if (site == _cache.SiteAt(TranslationCache.DroppedSite))
        {
            _blocks.ForgetEntry(target);
        }

        if (Volatile.Read(ref _context->Attention) == 0)
        {
            byte* entry = _blocks.FindEntry(target);
            if (entry != null)
            {
                return Enter(target, entry);
            }
        }

        return Stop(target);
    }

    /// <summary>A TLB miss: fills the TLB and retries, or delivers the fault, or lets the interpreter do the access.</summary>
    private byte* MakeAccessible(Site* site)
    {
        ulong va = _bridge->Value;
        if (site->IsAligned && (va & (site->Size - 1UL)) != 0)
        {
            return Execute(site); // the general protection comes before what the page may have
        }

        long generation = _cache.Generation;
        long invalidations = _invalidations;
        _context->InstructionRip = RipOf(site);
        ulong first = (va + site->First) & MaskOf(site);
        if (TryServeDevice(site, first, out byte* target))
        {
            return target;
        }

        bool possible = site->IsWrite
            ? Cpu.ProbeWrite(first, site->FirstSize, site->IsStack)
            : Cpu.ProbeRead(first, site->FirstSize, site->IsStack);
        if (possible)
        {
            TlbEntry* entry = (TlbEntry*)((byte*)_context->Tlb + ((va >> 7) & Tlb.OffsetMask));
            ulong tag = site->IsWrite ? entry->Write : entry->Read;
            bool isValid = generation == _cache.Generation && invalidations == _invalidations; // the code may be about to change itself
            if (tag == (va & ~0xFFFUL) && va - tag <= 4096UL - site->Size && isValid && !IsStuck(RipOf(site)))
            {
                _bridge->Left -= (uint)(site->Block->Count - site->Completed);
                return Resume(site->Resume);
            }

            if (isValid)
            {
                NoteDevice(_bridge->Site, site, isMemory: true, first);
            }

            TakeFlags();
            _context->State.Rip = RipOf(site);
            Interpret();
            return Continue();
        }

        TakeFlags();
        _context->State.Rip = RipOf(site);
        Counters.Faults++;
        _bridge->Left--;
        Cpu.DeliverPendingException();
        return null;
    }

    /// <summary>
    /// An instruction with two accesses whose pages share a TLB entry would miss for ever: it is retried a few times only.
    /// </summary>
    private bool IsStuck(ulong rip)
    {
        _retries = rip == _retriedRip ? _retries + 1 : 0;
        _retriedRip = rip;
        if (_retries < MaxRetries)
        {
            return false;
        }

        _retries = 0;
        return true;
    }

    /// <summary>The flags are in the bridge after translated code has run: makes them the context's.</summary>
    private void TakeFlags()
    {
        ulong word = _bridge->Flags;
        (_context->LazyResult, _context->LazyAux) = LazyFlags.FromRflags(((word >> 8) & 0xD5) | ((word & 1) << 11));
    }

    private ulong RipOf(Site* site) => !site->Block->IsRelative ? site->Rip
        : site->Block->Mode == CodeMode.Code32 ? (uint)(site->Rip + _bridge->CodeBase) : site->Rip + _bridge->CodeBase;

    /// <summary>Enters a block at its start.</summary>
    private byte* Enter(ulong rip, byte* entry)
    {
        Resume(entry);
        _bridge->Value = _blocks.ToLinear(rip) ^ _bridge->Salt;
        return entry;
    }

    /// <summary>Enters again in the middle of things: what was loaded is loaded.</summary>
    private byte* Resume(byte* target)
    {
        UseSalt();
        ResumeLoaded();
        return target;
    }

    /// <summary>The vector and x87 registers that were loaded shall be so again.</summary>
    private void ResumeLoaded()
    {
        _bridge->ResumeVectors = _bridge->VectorsSaved;
        _bridge->ResumeX87 = _bridge->X87Saved;
        _bridge->X87Allowed |= _bridge->X87Saved;
    }
}
