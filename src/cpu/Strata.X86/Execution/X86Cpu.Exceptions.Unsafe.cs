using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Delivery of exceptions and interrupts. Intel SDM Vol. 3A, "Interrupt and Exception Handling".</summary>
public sealed unsafe partial class X86Cpu
{
    /// <summary>Where an event comes from: it decides privilege checks and the EXT bit of nested error codes.</summary>
    private enum EventSource
    {
        /// <summary>A fault or trap that the processor found.</summary>
        Exception,

        /// <summary>INT n, INT3, INTO.</summary>
        Software,

        /// <summary>INTR or NMI.</summary>
        External,
    }

    /// <summary>One event on its way through the IDT.</summary>
    private readonly record struct Event(byte Vector, EventSource Source, bool HasErrorCode, uint ErrorCode)
    {
        public uint External => Source == EventSource.Software ? 0u : 1u;
    }

    /// <summary>The last exception that was delivered, or tried.</summary>
    public ExceptionRecord LastException { get; private set; }

    /// <summary>Exceptions delivered so far.</summary>
    public long Exceptions { get; private set; }

    /// <summary>Delivers the exception that an instruction recorded: RIP goes back to the instruction.</summary>
    public void DeliverPendingException()
    {
        uint pending = Context->PendingException;
        Context->State.Rip = Context->InstructionRip;
        Deliver(new Event((byte)pending, EventSource.Exception, (pending & 0x200) != 0, Context->PendingErrorCode));
    }

    /// <summary>Delivers an external interrupt.</summary>
    public void DeliverInterrupt(byte vector) => Deliver(new Event(vector, EventSource.External, false, 0));

    /// <summary>Delivers an NMI; further ones wait for IRET.</summary>
    public void DeliverNmi()
    {
        Context->State.NmiBlocked = 1;
        Deliver(new Event((byte)ExceptionVector.Nmi, EventSource.External, false, 0));
    }

    /// <summary>Delivers a trap that is not a fault of the instruction: RIP stays where it is.</summary>
    private void DeliverTrap(ExceptionVector vector) => Deliver(new Event((byte)vector, EventSource.Exception, false, 0));

    /// <summary>INT n, INT3 and INTO, from inside the instruction: State.Rip is the return address, and a fault becomes pending.</summary>
    /// <param name="sensitive">Virtual-8086 mode needs IOPL 3: so for INT n, not for the one-byte INT3 and INTO.</param>
    public bool TrySoftwareInterrupt(byte vector, bool sensitive)
    {
        if (sensitive && (Context->Mode & ModeBits.Virtual8086) != 0 && ((Context->State.Rflags >> 12) & 3) < 3)
        {
            return RaiseGeneralProtection();
        }

        bool stepping = (Context->State.Rflags & RFlags.TF) != 0;
        if (!TryDeliver(new Event(vector, EventSource.Software, false, 0)))
        {
            return false;
        }

        _singleStepDropped = stepping;
        return true;
    }

    private void Deliver(Event next)
    {
        while (true)
        {
            Context->PendingException = 0;
            if (next.Source == EventSource.Exception)
            {
                if (next.Vector == (byte)ExceptionVector.Debug)
                {
                    Context->State.Dr7 &= ~Dr7GeneralDetect; // the handler may use the debug registers
                }

                LastException = new ExceptionRecord(
                    next.Vector, next.HasErrorCode ? next.ErrorCode : null, Context->State.Rip, Context->State.Cr2);
            }

            if (TryDeliver(next))
            {
                Context->State.Shadow = InterruptShadow.None;
                Context->State.Activity = ActivityState.Running; // a trap behind HLT ends the halt
                if (next.Source == EventSource.Exception)
                {
                    LastException = LastException with { Frame = Context->State.Gprs[Gpr.Rsp] };
                    Exceptions++;
                }

                return;
            }

            Event nested = new(
                (byte)Context->PendingException, EventSource.Exception, (Context->PendingException & 0x200) != 0,
                Context->PendingErrorCode);
            if (next.Source == EventSource.Exception && next.Vector == (byte)ExceptionVector.DoubleFault)
            {
                Context->PendingException = 0;
                Context->State.Activity = ActivityState.Shutdown;
                return;
            }

            next = next.Source == EventSource.Exception && BecomesDoubleFault(next.Vector, nested.Vector)
                ? new Event((byte)ExceptionVector.DoubleFault, EventSource.Exception, true, 0)
                : nested;
        }
    }

    /// <summary>Intel SDM Vol. 3A, table "Conditions for Generating a Double Fault".</summary>
    private static bool BecomesDoubleFault(byte first, byte second)
    {
        static bool IsContributory(byte vector) => vector is 0 or 10 or 11 or 12 or 13;
        return (IsContributory(first) && IsContributory(second))
            || (first == (byte)ExceptionVector.PageFault && (second == (byte)ExceptionVector.PageFault || IsContributory(second)));
    }

    private bool TryDeliver(Event e) =>
        (Context->State.Cr0 & Cr0.PE) == 0 ? TryDeliverReal(e) : IsLongMode ? TryDeliverLong(e) : TryDeliverProtected(e);

    private bool TryDeliverReal(Event e)
    {
        ref X86CpuState s = ref Context->State;
        if ((e.Vector * 4u) + 3 > s.Idtr.Limit)
        {
            return RaiseGeneralProtection();
        }

        ulong rsp = s.Gprs[Gpr.Rsp];
        if (!TryReadSystem(s.Idtr.Base + (e.Vector * 4u), 4, out ulong entry)
            || !TryPush(Rflags & 0xFFFF, 2) || !TryPush(s.Cs.Selector, 2) || !TryPush(s.Rip & 0xFFFF, 2))
        {
            s.Gprs[Gpr.Rsp] = rsp;
            return false;
        }

        s.Rflags &= ~(RFlags.IF | RFlags.TF | RFlags.RF | RFlags.AC);
        LoadRealSegment(ref s.Cs, (ushort)(entry >> 16));
        s.Cs.Attributes |= SegmentState.Code;
        s.Rip = entry & 0xFFFF;
        UpdateMode();
        return true;
    }

    /// <summary>RFLAGS as pushed: faults set RF so that the instruction is not caught by the same breakpoint again.</summary>
    private ulong FlagsImage(Event e)
    {
        bool fault = e.Source == EventSource.Exception
            && e.Vector is not ((byte)ExceptionVector.Debug or (byte)ExceptionVector.Breakpoint or (byte)ExceptionVector.Overflow);
        return Rflags | (fault ? RFlags.RF : 0);
    }

    private bool TryDeliverLong(Event e)
    {
        ref X86CpuState s = ref Context->State;
        uint gateError = ((uint)e.Vector * 8) | 2 | e.External;
        if ((e.Vector * 16u) + 15 > s.Idtr.Limit)
        {
            return RaiseGeneralProtection(gateError);
        }

        ulong address = s.Idtr.Base + (e.Vector * 16u);
        if (!TryReadSystem(address, 8, out ulong raw) || !TryReadSystem(address + 8, 8, out ulong high))
        {
            return false;
        }

        Descriptor gate = new(raw);
        if (!gate.IsSystem || gate.Type is not (Descriptor.TypeInterruptGate or Descriptor.TypeTrapGate)
            || (e.Source == EventSource.Software && gate.Dpl < Cpl))
        {
            return RaiseGeneralProtection(gateError);
        }

        if (!gate.IsPresent)
        {
            return Raise(ExceptionVector.SegmentNotPresent, gateError);
        }

        if (!TryFetchHandlerCode(gate.GateSelector, e, out Descriptor code) || !CheckLongCode(gate.GateSelector, code, e))
        {
            return false;
        }

        int newCpl = code.IsConforming ? Cpl : code.Dpl;
        ulong rip = gate.GateOffset | (high << 32);
        if (!TryGetLongStack(gate.GateIst, newCpl, e.External, out ulong stack) || !TryPushLongFrame(e, stack, newCpl, out ulong rsp))
        {
            return RefineStackFault(e.External);
        }

        if (newCpl != Cpl)
        {
            s.Ss = new SegmentState
            {
                Selector = (ushort)newCpl,
                Attributes = SegmentState.Unusable | ((uint)newCpl << SegmentState.DplShift),
            };
        }

        s.Gprs[Gpr.Rsp] = rsp;
        EnterHandler(gate, code.ToSegment((ushort)((gate.GateSelector & SelectorIndexMask) | newCpl)), newCpl, rip);
        return true;
    }

    private bool CheckLongCode(ushort selector, Descriptor code, Event e) =>
        (code.IsLong && !code.IsBig) || RaiseGeneralProtection((uint)(selector & SelectorIndexMask) | e.External);

    private bool TryFetchHandlerCode(ushort selector, Event e, out Descriptor code)
    {
        uint error = (uint)(selector & SelectorIndexMask) | e.External;
        code = default;
        if ((selector & SelectorIndexMask) == 0)
        {
            return RaiseGeneralProtection(e.External);
        }

        if (!TryFetchDescriptor(selector, ExceptionVector.GeneralProtection, e.External, out code))
        {
            return false;
        }

        if (!code.IsCode || code.Dpl > Cpl)
        {
            return RaiseGeneralProtection(error);
        }

        return code.IsPresent || Raise(ExceptionVector.SegmentNotPresent, error);
    }

    /// <summary>The stack an event arrives on in long mode: IST, the TSS's RSPn, or the current one.</summary>
    private bool TryGetLongStack(int ist, int newCpl, uint external, out ulong stack)
    {
        stack = Context->State.Gprs[Gpr.Rsp];
        if (ist == 0 && newCpl == Cpl)
        {
            return true;
        }

        uint offset = ist != 0 ? 28 + ((uint)ist * 8) : 4 + ((uint)newCpl * 8);
        return TryReadTss(offset, 8, external, out stack)
            && (IsCanonical(stack) || Raise(ExceptionVector.StackFault, 0));
    }

    /// <summary>Reads a field of the current TSS; one outside of its limit is #TS with the TSS selector.</summary>
    private bool TryReadTss(uint offset, int size, uint external, out ulong value)
    {
        ref SegmentState tr = ref Context->State.Tr;
        value = 0;
        return offset + (uint)size - 1 <= tr.Limit
            ? TryReadSystem(tr.Base + offset, size, out value)
            : Raise(ExceptionVector.InvalidTss, (uint)(tr.Selector & SelectorIndexMask) | external);
    }

    /// <summary>A frame that did not fit: #SS names the stack it was for (none for the current one) and tells EXT.</summary>
    /// <returns>False, as <see cref="Raise(ExceptionVector)"/>.</returns>
    private bool RefineStackFault(uint errorCode)
    {
        if ((byte)Context->PendingException == (byte)ExceptionVector.StackFault)
        {
            Context->PendingErrorCode = errorCode;
        }

        return false;
    }

    private bool TryPushLongFrame(Event e, ulong stack, int newCpl, out ulong rsp)
    {
        ref X86CpuState s = ref Context->State;
        ulong* frame = stackalloc ulong[6];
        int count = 0;
        if (e.HasErrorCode)
        {
            frame[count++] = e.ErrorCode;
        }

        frame[count++] = s.Rip;
        frame[count++] = s.Cs.Selector;
        frame[count++] = FlagsImage(e);
        frame[count++] = s.Gprs[Gpr.Rsp];
        frame[count++] = s.Ss.Selector;
        rsp = (stack & ~15UL) - ((ulong)count * 8);
        byte cpl = Context->Cpl;
        Context->Cpl = (byte)newCpl;
        bool ok = TryWriteBytes(rsp, (byte*)frame, count * 8, stack: true);
        Context->Cpl = cpl;
        return ok;
    }

    /// <summary>Common end of a delivery: CS:RIP, CPL and the cleared flags.</summary>
    private void EnterHandler(Descriptor gate, SegmentState code, int newCpl, ulong rip)
    {
        ref X86CpuState s = ref Context->State;
        code.Selector = (ushort)((code.Selector & SelectorIndexMask) | newCpl);
        s.Cs = code;
        s.Rip = rip;
        Context->Cpl = (byte)newCpl;
        s.Rflags &= ~(RFlags.TF | RFlags.NT | RFlags.RF | RFlags.VM);
        if (gate.Type is Descriptor.TypeInterruptGate or Descriptor.TypeInterruptGate16)
        {
            s.Rflags &= ~RFlags.IF;
        }

        UpdateMode();
    }

    private bool TryDeliverProtected(Event e)
    {
        ref X86CpuState s = ref Context->State;
        uint gateError = ((uint)e.Vector * 8) | 2 | e.External;
        if ((e.Vector * 8u) + 7 > s.Idtr.Limit)
        {
            return RaiseGeneralProtection(gateError);
        }

        if (!TryReadSystem(s.Idtr.Base + (e.Vector * 8u), 8, out ulong raw))
        {
            return false;
        }

        Descriptor gate = new(raw);
        if (!gate.IsSystem
            || gate.Type is not (Descriptor.TypeTaskGate or Descriptor.TypeInterruptGate16 or Descriptor.TypeTrapGate16
                or Descriptor.TypeInterruptGate or Descriptor.TypeTrapGate)
            || (e.Source == EventSource.Software && gate.Dpl < Cpl))
        {
            return RaiseGeneralProtection(gateError);
        }

        if (!gate.IsPresent)
        {
            return Raise(ExceptionVector.SegmentNotPresent, gateError);
        }

        if (gate.Type == Descriptor.TypeTaskGate)
        {
            return TrySwitchTask(gate.GateSelector, TaskSwitchSource.Interrupt, e.External)
                && (!e.HasErrorCode || TryPush(
                    e.ErrorCode, (s.Tr.Attributes & SegmentState.TypeMask) >= Descriptor.TypeTssAvailable ? 4 : 2));
        }

        if (!TryFetchHandlerCode(gate.GateSelector, e, out Descriptor code))
        {
            return false;
        }

        int newCpl = code.IsConforming ? Cpl : code.Dpl;
        bool virtual8086 = (s.Rflags & RFlags.VM) != 0;
        if (virtual8086 && newCpl != 0)
        {
            return RaiseGeneralProtection((uint)(gate.GateSelector & SelectorIndexMask) | e.External);
        }

        return newCpl != Cpl
            ? TryEnterInner(e, gate, code, newCpl, virtual8086)
            : TryEnterSame(e, gate, code, newCpl);
    }

    private bool TryEnterSame(Event e, Descriptor gate, Descriptor code, int newCpl)
    {
        ref X86CpuState s = ref Context->State;
        int size = gate.Type >= Descriptor.TypeCallGate ? 4 : 2;
        ulong rsp = s.Gprs[Gpr.Rsp];
        if (!TryPush(FlagsImage(e), size) || !TryPush(s.Cs.Selector, size) || !TryPush(s.Rip, size)
            || (e.HasErrorCode && !TryPush(e.ErrorCode, size)))
        {
            s.Gprs[Gpr.Rsp] = rsp;
            return RefineStackFault(e.External);
        }

        EnterHandler(gate, code.ToSegment(gate.GateSelector), newCpl, size == 4 ? gate.GateOffset : (ushort)gate.GateOffset);
        return true;
    }

    private bool TryEnterInner(Event e, Descriptor gate, Descriptor code, int newCpl, bool virtual8086)
    {
        ref X86CpuState s = ref Context->State;
        int size = gate.Type >= Descriptor.TypeCallGate ? 4 : 2;
        if (!TryReadInnerStack(newCpl, e.External, out ushort ss, out uint esp)
            || !TryPrepareStack(ss, newCpl, ExceptionVector.InvalidTss, e.External, out SegmentState stack))
        {
            return false;
        }

        // The frame is written on the new stack; until then everything can be put back.
        X86CpuState before = s;
        byte cpl = Context->Cpl;
        ulong flags = FlagsImage(e);
        s.Ss = stack;
        s.Gprs[Gpr.Rsp] = esp;
        Context->Cpl = (byte)newCpl;
        s.Rflags &= ~RFlags.VM;
        UpdateMode();
        bool ok = !virtual8086
            || (TryPush(before.Gs.Selector, size) && TryPush(before.Fs.Selector, size)
                && TryPush(before.Ds.Selector, size) && TryPush(before.Es.Selector, size));
        ok = ok && TryPush(before.Ss.Selector, size) && TryPush(before.Gprs[Gpr.Rsp], size) && TryPush(flags, size)
            && TryPush(before.Cs.Selector, size) && TryPush(before.Rip, size) && (!e.HasErrorCode || TryPush(e.ErrorCode, size));
        if (!ok)
        {
            ulong cr2 = s.Cr2;
            s = before;
            s.Cr2 = cr2;
            Context->Cpl = cpl;
            UpdateMode();
            return RefineStackFault((uint)(stack.Selector & SelectorIndexMask) | e.External);
        }

        if (virtual8086)
        {
            s.Gs = s.Fs = s.Ds = s.Es = new SegmentState { Attributes = SegmentState.Unusable };
        }

        EnterHandler(gate, code.ToSegment(gate.GateSelector), newCpl, size == 4 ? gate.GateOffset : (ushort)gate.GateOffset);
        return true;
    }

    /// <summary>SS:ESP for an inner privilege from a 16- or 32-bit TSS.</summary>
    private bool TryReadInnerStack(int cpl, uint external, out ushort ss, out uint esp)
    {
        bool wide = (Context->State.Tr.Attributes & SegmentState.TypeMask) is Descriptor.TypeTssAvailable or Descriptor.TypeTssBusy;
        uint offset = wide ? 4 + ((uint)cpl * 8) : 2 + ((uint)cpl * 4);
        ss = 0;
        esp = 0;
        if (!TryReadTss(offset, wide ? 4 : 2, external, out ulong pointer)
            || !TryReadTss(offset + (wide ? 4u : 2u), 2, external, out ulong selector))
        {
            return false;
        }

        ss = (ushort)selector;
        esp = (uint)pointer;
        return true;
    }
}
