using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>
/// Far JMP, CALL and RET. Intel SDM Vol. 3A, "Privilege Levels" and "Transferring Program Control Between Code Segments".
/// </summary>
public sealed unsafe partial class X86Cpu
{
    /// <summary>Far JMP to selector:offset, through gates and TSSs too.</summary>
    /// <param name="size">Operand size in bytes: the offset was truncated to it.</param>
    public bool TryFarJump(ushort selector, ulong offset, int size)
    {
        if (!IsProtected)
        {
            return JumpReal(selector, offset);
        }

        if (!TryFetchTarget(selector, out Descriptor target))
        {
            return false;
        }

        if (target.IsCode)
        {
            return TryCheckDirectCode(selector, target, out SegmentState code) && TryEnterCode(code, offset);
        }

        switch (target.Type)
        {
            case Descriptor.TypeCallGate16 or Descriptor.TypeCallGate:
                return TryReadCallGate(selector, target, out Descriptor code, out ushort codeSelector, out ulong entry)
                    && (code.IsConforming ? code.Dpl <= Cpl || RaiseSelector(codeSelector) : code.Dpl == Cpl || RaiseSelector(codeSelector))
                    && TryEnterCode(code.ToSegment((ushort)((codeSelector & SelectorIndexMask) | Cpl)), entry);
            case Descriptor.TypeTaskGate when !IsLongMode:
                return TryCheckGateAccess(selector, target) && TrySwitchTask(target.GateSelector, TaskSwitchSource.Jump, 0);
            case Descriptor.TypeTssAvailable or Descriptor.TypeTss16Available when !IsLongMode:
                return TryCheckGateAccess(selector, target) && TrySwitchTask(selector, TaskSwitchSource.Jump, 0);
            default:
                return RaiseSelector(selector);
        }
    }

    /// <summary>Far CALL to selector:offset.</summary>
    public bool TryFarCall(ushort selector, ulong offset, int size)
    {
        ref X86CpuState s = ref Context->State;
        if (!IsProtected)
        {
            ulong rsp = s.Gprs[Gpr.Rsp];
            if (!TryPush(s.Cs.Selector, size) || !TryPush(s.Rip, size))
            {
                s.Gprs[Gpr.Rsp] = rsp;
                return false;
            }

            return JumpReal(selector, offset);
        }

        if (!TryFetchTarget(selector, out Descriptor target))
        {
            return false;
        }

        if (target.IsCode)
        {
            return TryCheckDirectCode(selector, target, out SegmentState code) && TryCallSame(code, offset, size);
        }

        switch (target.Type)
        {
            case Descriptor.TypeCallGate16 or Descriptor.TypeCallGate:
                return TryCallGate(selector, target);
            case Descriptor.TypeTaskGate when !IsLongMode:
                return TryCheckGateAccess(selector, target) && TrySwitchTask(target.GateSelector, TaskSwitchSource.Call, 0);
            case Descriptor.TypeTssAvailable or Descriptor.TypeTss16Available when !IsLongMode:
                return TryCheckGateAccess(selector, target) && TrySwitchTask(selector, TaskSwitchSource.Call, 0);
            default:
                return RaiseSelector(selector);
        }
    }

    /// <summary>Far RET, then drops <paramref name="extra"/> bytes of parameters.</summary>
    public bool TryFarReturn(int size, uint extra)
    {
        ref X86CpuState s = ref Context->State;
        ulong rsp = s.Gprs[Gpr.Rsp];
        if (!TryPop(size, out ulong rip) || !TryPop(size, out ulong cs))
        {
            s.Gprs[Gpr.Rsp] = rsp;
            return false;
        }

        if (!IsProtected)
        {
            SetStackPointer(s.Gprs[Gpr.Rsp] + extra);
            return JumpReal((ushort)cs, rip);
        }

        bool done = TryReturnTo((ushort)cs, rip, size, extra);
        if (!done)
        {
            s.Gprs[Gpr.Rsp] = rsp;
        }

        return done;
    }

    private bool TryReturnTo(ushort selector, ulong rip, int size, uint extra)
    {
        ref X86CpuState s = ref Context->State;
        if (!TryCheckReturnCode(selector, out Descriptor code))
        {
            return false;
        }

        int rpl = selector & 3;
        if (!CheckCodeOffset(code.ToSegment(selector), rip))
        {
            return false;
        }

        SetStackPointer(s.Gprs[Gpr.Rsp] + extra);
        if (rpl == Cpl)
        {
            EnterCode(code.ToSegment(selector), rip);
            return true;
        }

        if (!TryPop(size, out ulong outerRsp) || !TryPop(size, out ulong outerSs)
            || !TryPrepareReturnStack((ushort)outerSs, rpl, code, out SegmentState stack))
        {
            return false;
        }

        ReturnOuter(code.ToSegment(selector), rip, stack, rpl);
        SetStackPointer(outerRsp);
        SetStackPointer(s.Gprs[Gpr.Rsp] + extra);
        return true;
    }

    /// <summary>CS popped by RETF or IRET: code, of the RPL's privilege or conforming, not inner.</summary>
    private bool TryCheckReturnCode(ushort selector, out Descriptor code)
    {
        code = default;
        if ((selector & SelectorIndexMask) == 0)
        {
            return RaiseGeneralProtection();
        }

        if (!TryFetchDescriptor(selector, ExceptionVector.GeneralProtection, 0, out code))
        {
            return false;
        }

        int rpl = selector & 3;
        if (!code.IsCode
            || rpl < Cpl
            || (code.IsConforming ? code.Dpl > rpl : code.Dpl != rpl)
            || (IsLongMode && code.IsLong && code.IsBig))
        {
            return RaiseSelector(selector);
        }

        if (!code.IsPresent)
        {
            return Raise(ExceptionVector.SegmentNotPresent, (uint)(selector & SelectorIndexMask));
        }

        return TrySetAccessed(selector, ref code);
    }

    private bool TryPrepareReturnStack(ushort selector, int rpl, Descriptor code, out SegmentState stack)
    {
        bool toLong = IsLongMode && code.IsLong;
        if ((selector & SelectorIndexMask) == 0 && toLong && rpl != 3 && (selector & 3) == rpl)
        {
            stack = new SegmentState { Selector = selector, Attributes = SegmentState.Unusable | ((uint)rpl << SegmentState.DplShift) };
            return true;
        }

        if ((selector & SelectorIndexMask) == 0)
        {
            stack = default;
            return RaiseGeneralProtection();
        }

        return TryPrepareStack(selector, rpl, ExceptionVector.GeneralProtection, 0, out stack);
    }

    /// <summary>A return to an outer privilege: data segments that the outer level may not use become null.</summary>
    private void ReturnOuter(SegmentState code, ulong rip, SegmentState stack, int cpl)
    {
        ref X86CpuState s = ref Context->State;
        s.Cs = code;
        s.Rip = rip;
        s.Ss = stack;
        Context->Cpl = (byte)cpl;
        DropInnerSegment(ref s.Es, cpl);
        DropInnerSegment(ref s.Ds, cpl);
        DropInnerSegment(ref s.Fs, cpl);
        DropInnerSegment(ref s.Gs, cpl);
        UpdateMode();
    }

    private static void DropInnerSegment(ref SegmentState segment, int cpl)
    {
        bool conforming = segment.IsCode && (segment.Attributes & SegmentState.ConformingOrExpandDown) != 0;
        if (segment.IsUsable && !conforming && segment.Dpl < cpl && (segment.Attributes & SegmentState.NonSystem) != 0)
        {
            ulong oldBase = segment.Base;
            segment = new SegmentState { Attributes = SegmentState.Unusable, Base = oldBase };
        }
    }

    private bool RaiseSelector(ushort selector) => RaiseGeneralProtection((uint)(selector & SelectorIndexMask));

    private bool JumpReal(ushort selector, ulong offset)
    {
        ref X86CpuState s = ref Context->State;
        if (offset > s.Cs.Limit)
        {
            return RaiseGeneralProtection();
        }

        LoadRealSegment(ref s.Cs, selector);
        s.Cs.Attributes |= SegmentState.Code;
        s.Rip = offset;
        UpdateMode();
        return true;
    }

    private bool TryFetchTarget(ushort selector, out Descriptor target)
    {
        target = default;
        return (selector & SelectorIndexMask) == 0
            ? RaiseGeneralProtection()
            : TryFetchDescriptor(selector, ExceptionVector.GeneralProtection, 0, out target);
    }

    private bool TryCheckDirectCode(ushort selector, Descriptor target, out SegmentState code)
    {
        code = default;
        bool privileged = target.IsConforming ? target.Dpl <= Cpl : (selector & 3) <= Cpl && target.Dpl == Cpl;
        if (!privileged || (IsLongMode && target.IsLong && target.IsBig))
        {
            return RaiseSelector(selector);
        }

        if (!target.IsPresent)
        {
            return Raise(ExceptionVector.SegmentNotPresent, (uint)(selector & SelectorIndexMask));
        }

        if (!TrySetAccessed(selector, ref target))
        {
            return false;
        }

        code = target.ToSegment((ushort)((selector & SelectorIndexMask) | Cpl));
        return true;
    }

    private bool CheckCodeOffset(in SegmentState code, ulong rip)
    {
        bool toLong = IsLongMode && (code.Attributes & SegmentState.Long) != 0;
        return (toLong ? IsCanonical(rip) : (uint)rip <= code.Limit && rip <= uint.MaxValue) || RaiseGeneralProtection();
    }

    private bool TryEnterCode(SegmentState code, ulong rip)
    {
        if (!CheckCodeOffset(code, rip))
        {
            return false;
        }

        EnterCode(code, rip);
        return true;
    }

    private void EnterCode(SegmentState code, ulong rip)
    {
        Context->State.Cs = code;
        Context->State.Rip = rip;
        UpdateMode();
    }

    private bool TryCallSame(SegmentState code, ulong rip, int size)
    {
        ref X86CpuState s = ref Context->State;
        ulong rsp = s.Gprs[Gpr.Rsp];
        if (!TryPush(s.Cs.Selector, size) || !TryPush(s.Rip, size) || !TryEnterCode(code, rip))
        {
            s.Gprs[Gpr.Rsp] = rsp;
            return false;
        }

        return true;
    }

    private bool TryCheckGateAccess(ushort selector, Descriptor gate)
    {
        if (gate.Dpl < Cpl || gate.Dpl < (selector & 3))
        {
            return RaiseSelector(selector);
        }

        return gate.IsPresent || Raise(ExceptionVector.SegmentNotPresent, (uint)(selector & SelectorIndexMask));
    }

    private bool TryReadCallGate(ushort selector, Descriptor gate, out Descriptor code, out ushort codeSelector, out ulong entry)
    {
        code = default;
        codeSelector = gate.GateSelector;
        entry = gate.Type == Descriptor.TypeCallGate ? gate.GateOffset : (ushort)gate.GateOffset;
        if (IsLongMode && gate.Type != Descriptor.TypeCallGate)
        {
            return RaiseSelector(selector);
        }

        if (!TryCheckGateAccess(selector, gate))
        {
            return false;
        }

        if (IsLongMode)
        {
            if (!TryLocateDescriptor(selector, 16, out ulong address))
            {
                return RaiseSelector(selector);
            }

            if (!TryReadSystem(address + 8, 8, out ulong high))
            {
                return false;
            }

            if (((high >> 40) & 0x1F) != 0)
            {
                return RaiseSelector(selector);
            }

            entry |= high << 32;
        }

        if ((codeSelector & SelectorIndexMask) == 0)
        {
            return RaiseGeneralProtection();
        }

        if (!TryFetchDescriptor(codeSelector, ExceptionVector.GeneralProtection, 0, out code))
        {
            return false;
        }

        if (!code.IsCode || code.Dpl > Cpl || (IsLongMode && (!code.IsLong || code.IsBig)))
        {
            return RaiseSelector(codeSelector);
        }

        return code.IsPresent || Raise(ExceptionVector.SegmentNotPresent, (uint)(codeSelector & SelectorIndexMask));
    }

    private bool TryCallGate(ushort selector, Descriptor gate)
    {
        if (!TryReadCallGate(selector, gate, out Descriptor code, out ushort codeSelector, out ulong entry))
        {
            return false;
        }

        int size = IsLongMode ? 8 : gate.Type == Descriptor.TypeCallGate ? 4 : 2;
        if (code.IsConforming || code.Dpl == Cpl)
        {
            return TryCallSame(code.ToSegment((ushort)((codeSelector & SelectorIndexMask) | Cpl)), entry, size);
        }

        return TryCallInner(gate, code, codeSelector, entry, size);
    }

    private bool TryCallInner(Descriptor gate, Descriptor code, ushort codeSelector, ulong entry, int size)
    {
        ref X86CpuState s = ref Context->State;
        X86CpuState before = s;
        byte cpl = Context->Cpl;
        int newCpl = code.Dpl;
        SegmentState stack = new()
        {
            Selector = (ushort)newCpl,
            Attributes = SegmentState.Unusable | ((uint)newCpl << SegmentState.DplShift),
        };
        ulong rsp;
        if (IsLongMode)
        {
            if (!TryGetLongStack(0, newCpl, 0, out rsp))
            {
                return false;
            }
        }
        else
        {
            if (!TryReadInnerStack(newCpl, 0, out ushort ss, out uint esp)
                || !TryPrepareStack(ss, newCpl, ExceptionVector.InvalidTss, 0, out stack))
            {
                return false;
            }

            rsp = esp;
        }

        int parameters = IsLongMode ? 0 : gate.GateParameters;
        ulong* values = stackalloc ulong[32];
        for (int i = 0; i < parameters; i++)
        {
            ulong at = (before.Gprs[Gpr.Rsp] + ((ulong)(parameters - 1 - i) * (ulong)size)) & StackMask;
            if (!TryReadSegment(SegmentIndex.Ss, at, size, out values[i]))
            {
                return false;
            }
        }

        SegmentState target = code.ToSegment((ushort)((codeSelector & SelectorIndexMask) | newCpl));
        if (!CheckCodeOffset(target, entry))
        {
            return false;
        }

        s.Ss = stack;
        s.Cs = target;
        s.Gprs[Gpr.Rsp] = rsp;
        Context->Cpl = (byte)newCpl;
        UpdateMode();
        bool ok = TryPush(before.Ss.Selector, size) && TryPush(before.Gprs[Gpr.Rsp], size);
        for (int i = 0; ok && i < parameters; i++)
        {
            ok = TryPush(values[i], size);
        }

        ok = ok && TryPush(before.Cs.Selector, size) && TryPush(before.Rip, size);
        if (!ok)
        {
            ulong cr2 = s.Cr2;
            s = before;
            s.Cr2 = cr2;
            Context->Cpl = cpl;
            UpdateMode();
            return RefineStackFault((uint)(stack.Selector & SelectorIndexMask));
        }

        s.Rip = entry;
        return true;
    }
}
