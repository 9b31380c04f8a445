using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>IRET in all its forms. Intel SDM Vol. 2A, "IRET/IRETD/IRETQ".</summary>
public sealed unsafe partial class X86Cpu
{
    private const ulong ReturnFlags = RFlags.Arithmetic | RFlags.TF | RFlags.DF | RFlags.NT | RFlags.RF | RFlags.AC | RFlags.ID;

    /// <param name="size">Operand size in bytes: 2, 4 or 8.</param>
    public bool TryInterruptReturn(int size)
    {
        ref X86CpuState s = ref Context->State;
        ulong rsp = s.Gprs[Gpr.Rsp];
        s.NmiBlocked = 0; // even if the instruction faults
        bool done = (Context->Mode & ModeBits.Protected) == 0 ? TryReturnReal(size)
            : (Context->Mode & ModeBits.Virtual8086) != 0 ? TryReturnVirtual(size)
            : TryReturnProtected(size);
        if (done)
        {
            Context->EndBlock = 1;
        }
        else
        {
            s.Gprs[Gpr.Rsp] = rsp;
        }

        return done;
    }

    /// <summary>Replaces the flags in <paramref name="mask"/>.</summary>
    public void WriteFlags(ulong value, ulong mask)
    {
        Rflags = (Rflags & ~mask) | (value & mask);
        SelectTlb();
    }

    private bool TryReturnReal(int size)
    {
        if (!TryPop(size, out ulong rip) || !TryPop(size, out ulong cs) || !TryPop(size, out ulong flags))
        {
            return false;
        }

        if (!JumpReal((ushort)cs, rip))
        {
            return false;
        }

        ulong mask = ReturnFlags | RFlags.IF | RFlags.IOPL;
        WriteFlags(flags, size == 2 ? mask & 0xFFFF : mask);
        return true;
    }

    private bool TryReturnVirtual(int size)
    {
        if (((Context->State.Rflags >> 12) & 3) != 3)
        {
            return RaiseGeneralProtection();
        }

        if (!TryPop(size, out ulong rip) || !TryPop(size, out ulong cs) || !TryPop(size, out ulong flags) || !JumpReal((ushort)cs, rip))
        {
            return false;
        }

        ulong mask = ReturnFlags | RFlags.IF;
        WriteFlags(flags, size == 2 ? mask & 0xFFFF : mask);
        return true;
    }

    private bool TryReturnProtected(int size)
    {
        ref X86CpuState s = ref Context->State;
        if ((s.Rflags & RFlags.NT) != 0)
        {
            return IsLongMode ? RaiseGeneralProtection() : TryReturnTask();
        }

        if (!TryPop(size, out ulong rip) || !TryPop(size, out ulong cs) || !TryPop(size, out ulong flags))
        {
            return false;
        }

        if (size == 4 && (flags & RFlags.VM) != 0 && Cpl == 0 && !IsLongMode)
        {
            return TryEnterVirtual8086(rip, (ushort)cs, flags);
        }

        ushort selector = (ushort)cs;
        int rpl = selector & 3;
        bool popsStack = Is64Bit || rpl != Cpl;
        ulong outerRsp = 0;
        ulong outerSs = 0;
        if (!TryCheckReturnCode(selector, out Descriptor code) || !CheckCodeOffset(code.ToSegment(selector), rip))
        {
            return false;
        }

        SegmentState stack = s.Ss;
        if (popsStack && (!TryPop(size, out outerRsp) || !TryPop(size, out outerSs)
            || !TryPrepareReturnStack((ushort)outerSs, rpl, code, out stack)))
        {
            return false;
        }

        int cplBefore = Cpl;
        ulong mask = FlagsThatReturnMayWrite(cplBefore, size);
        if (rpl != cplBefore)
        {
            ReturnOuter(code.ToSegment(selector), rip, stack, rpl);
        }
        else
        {
            s.Ss = stack;
            EnterCode(code.ToSegment(selector), rip);
        }

        if (popsStack)
        {
            SetStackPointer(outerRsp);
        }

        WriteFlags(flags, mask);
        return true;
    }

    private ulong FlagsThatReturnMayWrite(int cpl, int size)
    {
        ulong mask = ReturnFlags;
        if (cpl <= (int)((Context->State.Rflags >> 12) & 3))
        {
            mask |= RFlags.IF;
        }

        if (cpl == 0)
        {
            mask |= RFlags.IOPL | RFlags.VIF | RFlags.VIP;
        }

        return size == 2 ? mask & 0xFFFF : mask;
    }

    private bool TryEnterVirtual8086(ulong rip, ushort cs, ulong flags)
    {
        ref X86CpuState s = ref Context->State;
        ulong* words = stackalloc ulong[6]; // ESP, SS, ES, DS, FS, GS
        for (int i = 0; i < 6; i++)
        {
            if (!TryPop(4, out words[i]))
            {
                return false;
            }
        }

        Rflags = flags & RFlags.Defined;
        Context->Cpl = 3;
        UpdateMode();
        LoadRealSegment(ref s.Cs, cs);
        LoadRealSegment(ref s.Ss, (ushort)words[1]);
        LoadRealSegment(ref s.Es, (ushort)words[2]);
        LoadRealSegment(ref s.Ds, (ushort)words[3]);
        LoadRealSegment(ref s.Fs, (ushort)words[4]);
        LoadRealSegment(ref s.Gs, (ushort)words[5]);
        s.Gprs[Gpr.Rsp] = (uint)words[0];
        s.Rip = rip & 0xFFFF;
        UpdateMode();
        return true;
    }
}
