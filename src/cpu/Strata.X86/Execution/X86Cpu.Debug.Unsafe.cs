using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Single step, breakpoints and the debug registers. Intel SDM Vol. 3B, "Debug Registers" and "Debug Exceptions".</summary>
public sealed unsafe partial class X86Cpu
{
    private const ulong Dr6Access = 1 << 13;
    private const ulong Dr6SingleStep = 1 << 14;
    private const ulong Dr6Task = 1 << 15;
    private const ulong Dr6AlwaysSet = 0xFFFF0FF0;
    private const ulong Dr6Writable = 0xE00F;
    private const ulong Dr7AlwaysSet = 0x400;
    private const ulong Dr7Writable = 0xFFFF2BFF;
    private const ulong Dr7GeneralDetect = 1 << 13;

    /// <summary>True while instructions must be executed one at a time: TF, or an enabled instruction breakpoint.</summary>
    public bool NeedsSlowStep => (Context->State.Rflags & (RFlags.TF | RFlags.RF)) != 0 || (Context->State.Dr7 & 0xFF) != 0;

    /// <summary>Raises #DB if an enabled instruction breakpoint is at the current instruction and RF does not hold it off.</summary>
    /// <returns>True if the exception is pending.</returns>
    public bool CheckInstructionBreakpoints()
    {
        ref X86CpuState s = ref Context->State;
        Context->InstructionRip = s.Rip;
        bool resume = (s.Rflags & RFlags.RF) != 0;
        s.Rflags &= ~RFlags.RF;
        if (resume || (s.Dr7 & 0xFF) == 0 || s.Shadow == InterruptShadow.MovSs)
        {
            return false;
        }

        ulong linear = (s.Rip + Context->CodeBase) & AddressMask;
        ulong hits = 0;
        bool enabled = false;
        for (int i = 0; i < 4; i++)
        {
            if (((s.Dr7 >> (16 + (i * 4))) & 3) == 0 && s.DebugAddresses[i] == linear)
            {
                hits |= 1UL << i;
                enabled |= ((s.Dr7 >> (i * 2)) & 3) != 0;
            }
        }

        if (!enabled)
        {
            return false;
        }

        s.Dr6 = (s.Dr6 & ~0xFUL) | hits;
        Raise(ExceptionVector.Debug);
        return true;
    }

    /// <summary>An event that the instruction itself delivered cleared TF before the trap could be taken.</summary>
    private bool _singleStepDropped;

    /// <summary>After an instruction without fault: reports single step and data breakpoints.</summary>
    /// <param name="singleStep">TF was set before the instruction.</param>
    public void DeliverTraps(bool singleStep)
    {
        ref X86CpuState s = ref Context->State;
        singleStep &= !_singleStepDropped;
        _singleStepDropped = false;
        if (PendingDebugHits == 0 && !singleStep)
        {
            return;
        }

        if (s.Shadow == InterruptShadow.MovSs)
        {
            return; // held off until the instruction after MOV SS has completed
        }

        s.Dr6 = (s.Dr6 & ~0xFUL) | PendingDebugHits | (singleStep ? Dr6SingleStep : 0);
        PendingDebugHits = 0;
        Context->InstructionRip = s.Rip;
        DeliverTrap(ExceptionVector.Debug);
    }

    /// <summary>INT1 (ICEBP): #DB without a hit bit.</summary>
    public void DeliverIcebp()
    {
        PendingDebugHits = 0; // what MOV SS held off is lost
        _singleStepDropped = (Context->State.Rflags & RFlags.TF) != 0;
        DeliverTrap(ExceptionVector.Debug);
    }

    /// <summary>
    /// Ends a batch of a repeated string instruction that is not done. RF, which an event in between then pushes, keeps the
    /// instruction from hitting its own breakpoint again.
    /// </summary>
    public void ContinueRepeated()
    {
        Context->State.Rip = Context->InstructionRip;
        Context->State.Rflags |= RFlags.RF;
        Context->EndBlock = 1;
    }

    /// <summary>I/O breakpoints that an access to ports hits are reported as a trap after the instruction; they need CR4.DE.</summary>
    /// <param name="size">Bytes: 1, 2 or 4.</param>
    public void NotePortBreakpoints(ushort port, int size)
    {
        ref X86CpuState s = ref Context->State;
        if ((s.Dr7 & 0xFF) == 0 || (s.Cr4 & Cr4.DE) == 0)
        {
            return;
        }

        for (int i = 0; i < 4; i++)
        {
            if (((s.Dr7 >> (i * 2)) & 3) != 0 && ((s.Dr7 >> (16 + (i * 4))) & 3) == 2 && IsWatched(i, port, size))
            {
                PendingDebugHits |= 1u << i;
                Context->EndBlock = 1;
            }
        }
    }

    /// <summary>Whether an access overlaps the naturally aligned range of a breakpoint.</summary>
    private bool IsWatched(int number, ulong address, int size)
    {
        ref X86CpuState s = ref Context->State;
        ulong length = ((s.Dr7 >> (18 + (number * 4))) & 3) switch { 0 => 1UL, 1 => 2UL, 2 => 8UL, _ => 4UL };
        ulong start = s.DebugAddresses[number] & ~(length - 1);
        return address < start + length && start < address + (ulong)size;
    }

    public bool TryReadDebug(int number, out ulong value)
    {
        value = 0;
        if (!TryMapDebugNumber(ref number))
        {
            return false;
        }

        ref X86CpuState s = ref Context->State;
        value = number switch { < 4 => s.DebugAddresses[number], 6 => s.Dr6, _ => s.Dr7 };
        return true;
    }

    public bool TryWriteDebug(int number, ulong value)
    {
        if (!TryMapDebugNumber(ref number))
        {
            return false;
        }

        ref X86CpuState s = ref Context->State;
        if (number >= 6 && value > uint.MaxValue)
        {
            return RaiseGeneralProtection();
        }

        switch (number)
        {
            case < 4:
                s.DebugAddresses[number] = value;
                break;
            case 6:
                s.Dr6 = (value & Dr6Writable) | Dr6AlwaysSet;
                break;
            default:
                s.Dr7 = (value & Dr7Writable) | Dr7AlwaysSet;
                SelectTlb();
                break;
        }

        Context->EndBlock = 1;
        return true;
    }

    /// <summary>DR4 and DR5 alias DR6 and DR7 unless CR4.DE forbids it; general detect catches every access.</summary>
    private bool TryMapDebugNumber(ref int number)
    {
        ref X86CpuState s = ref Context->State;
        if (Cpl != 0 && IsProtectedOrVirtual)
        {
            return RaiseGeneralProtection();
        }

        if (number is 4 or 5)
        {
            if ((s.Cr4 & Cr4.DE) != 0)
            {
                return Raise(ExceptionVector.InvalidOpcode);
            }

            number += 2;
        }

        if ((s.Dr7 & Dr7GeneralDetect) != 0)
        {
            s.Dr6 |= Dr6Access;
            s.Dr7 &= ~Dr7GeneralDetect;
            return Raise(ExceptionVector.Debug);
        }

        return number <= 7 || Raise(ExceptionVector.InvalidOpcode);
    }

    private bool IsProtectedOrVirtual => (Context->Mode & ModeBits.Protected) != 0;
}
