using Strata.Core.Memory;
using Strata.X86.Direct.Spaces;
using Strata.X86.Direct.Stub;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Direct;

/// <summary>The service of events: what they are to the guest.</summary>
internal sealed unsafe partial class DirectUserCode
{
    // Signals of the host.
    private const int Trapped = 5; // SIGTRAP
    private const int SystemCalled = 31; // SIGSYS

    private const uint PageFaultVector = (uint)ExceptionVector.PageFault;
    private const ulong VsyscallPage = 0xFFFF_FFFF_FF60_0000;

    /// <returns>True if user code goes on where the state says.</returns>
    private bool Serve(in StubFrame frame, UserSpace space)
    {
        switch (frame.Signal)
        {
            case StubCode.KickSignal:
                Counters.Count(DirectEvent.Interrupt);
                return false;
            case SystemCalled:
                return ServeCall(in frame);
            case Trapped:
                Counters.Count(DirectEvent.Exception);
                return ServeTrap(in frame);
            default:
                // In the vsyscall page the host looks at arguments first; to the guest there may be nothing to execute there.
                bool isVsyscall = (frame.Rip & ~0xFFFUL) == VsyscallPage;
                if (frame.Trap == PageFaultVector && frame.Cs == UserCode64 && !isVsyscall)
                {
                    return ServePageFault(in frame, space);
                }

                Counters.Count(DirectEvent.Exception);
                return Execute();
        }
    }

    /// <summary>The interpreter executes the instruction, or finds the same fault.</summary>
    private bool Execute()
    {
        _translator.ExecuteOne();
        return _context->Cpl == 3;
    }

    private bool ServeCall(in StubFrame frame)
    {
        ref X86CpuState s = ref _context->State;
        Counters.Count(DirectEvent.SystemCall);
        if ((frame.CallAddress & ~0xFFFUL) == VsyscallPage)
        {
            s.Rip = frame.CallAddress; // the host's kernel has executed the RET
            s.Gprs[Gpr.Rsp] -= 8;
            return Execute();
        }

        if (frame.Cs == UserCode64 && frame.Architecture == StubFilter.ArchitectureX64)
        {
            _context->InstructionRip = s.Rip - 2;
            if (!_cpu.TrySyscall())
            {
                _cpu.DeliverPendingException();
            }

            return false;
        }

        // INT 80H, of 64- or 32-bit code; SYSENTER and 32-bit SYSCALL have left no address to go back to.
        if (!IsCodeBefore(0xCD, 0x80))
        {
            return Punish();
        }

        s.Rip -= 2;
        return Execute();
    }

    private bool ServeTrap(in StubFrame frame)
    {
        ref X86CpuState s = ref _context->State;
        if (frame.Trap == (uint)ExceptionVector.Breakpoint)
        {
            s.Rip -= IsCodeBefore(0xCD, 0x03) ? 2u : 1;
            return Execute();
        }

        if ((frame.Rflags & RFlags.TF) != 0)
        {
            _cpu.DeliverTraps(singleStep: true);
            return false;
        }

        s.Rip -= 1; // INT1
        return Execute();
    }

    /// <summary>Whether two bytes stand before State.Rip.</summary>
    private bool IsCodeBefore(byte first, byte second)
    {
        byte* at = _cpu.FindHost(_context->State.Rip - 2, AccessKind.Read);
        byte* next = _cpu.FindHost(_context->State.Rip - 1, AccessKind.Read);
        return at != null && next != null && *at == first && *next == second;
    }

    private bool ServePageFault(in StubFrame frame, UserSpace space)
    {
        ref X86CpuState s = ref _context->State;
        Counters.Count(DirectEvent.PageFault);
        AccessKind kind = (frame.ErrorCode & (uint)PageFaultError.Fetch) != 0 ? AccessKind.Execute
            : (frame.ErrorCode & (uint)PageFaultError.Write) != 0 ? AccessKind.Write : AccessKind.Read;
        _context->InstructionRip = s.Rip;
        ulong cr2 = s.Cr2;
        if (!TryReach(frame.Cr2, kind, out byte* host))
        {
            (uint exception, ulong address) = (_context->PendingException, s.Cr2);
            (_context->PendingException, s.Cr2) = (0, cr2);
            if (IsAreaOfTheHost())
            {
                return Execute();
            }

            (_context->PendingException, s.Cr2) = (exception, address);
            space.Await(frame.Cr2 >> GuestMemory.PageShift);
            _cpu.DeliverPendingException();
            return false;
        }

        ulong page = frame.Cr2 >> GuestMemory.PageShift;
        bool isMappable = frame.Cr2 is >= StubLayout.UserStart and < StubLayout.UserEnd;
        if (host == null || !isMappable || !TryFindRam(host, out ulong ramPage))
        {
            return Execute(); // a device's page, ROM, or one that the host does not map
        }

        if (kind == AccessKind.Execute)
        {
            _tables.Read(page >> MappedRegion.Shift);
            if (_tables.Identifies((int)(page & (MappedRegion.Pages - 1)), ramPage))
            {
                Counters.Identifications++;
                _leftTable = Table; // translated code goes on from here, until the processor is wanted for something else
                return false;
            }
        }

        PageRights rights = PageRights.Read | (kind == AccessKind.Write ? PageRights.Write : 0);
        space.Map(_tables, page, ramPage, kind == AccessKind.Execute ? rights | PageRights.Execute : rights);

        return true;
    }

    /// <summary>
    /// Whether the instruction saves or restores components of the state: the host may have more of them than the guest, and look at a
    /// larger area. XSAVE, XSAVEOPT, XSAVEC and XRSTOR, which have two bytes behind a REX prefix at most.
    /// </summary>
    private bool IsAreaOfTheHost()
    {
        ulong rip = _context->State.Rip;
        byte* code = stackalloc byte[4];
        for (ulong i = 0; i < 4; i++)
        {
            byte* at = _cpu.FindHost(rip + i, AccessKind.Read);
            if (at == null)
            {
                return false;
            }

            code[i] = *at;
        }

        byte* opcode = code + ((code[0] & 0xF0) == 0x40 ? 1 : 0);
        int form = (opcode[2] >> 3) & 7;
        return opcode[0] == 0x0F && opcode[2] < 0xC0 && (opcode[1] == 0xAE ? form is 4 or 5 or 6 : opcode[1] == 0xC7 && form == 4);
    }

    /// <summary>The guest's own tables, with their accessed and dirty bits, and the notes about writes.</summary>
    /// <param name="host">Null for what is no RAM.</param>
    private bool TryReach(ulong va, AccessKind kind, out byte* host)
    {
        host = null;
        bool isReached = kind switch
        {
            AccessKind.Execute => _cpu.TryTranslateFetch(va, out host, out _),
            AccessKind.Write => _cpu.ProbeWrite(va, 1),
            _ => _cpu.ProbeRead(va, 1),
        };
        if (isReached && kind != AccessKind.Execute)
        {
            host = _cpu.FindHost(va, kind);
        }

        return isReached;
    }
}
