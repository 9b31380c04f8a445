using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Hardware task switching in 16- and 32-bit protected mode. Intel SDM Vol. 3A, "Task Management".</summary>
public sealed unsafe partial class X86Cpu
{
    private enum TaskSwitchSource
    {
        Jump,
        Call,
        Interrupt,
        Return,
    }

    // Offsets in a 32-bit TSS.
    private const uint Tss32Link = 0;
    private const uint Tss32Cr3 = 28;
    private const uint Tss32Eip = 32;
    private const uint Tss32Eflags = 36;
    private const uint Tss32Eax = 40;
    private const uint Tss32Es = 72;
    private const uint Tss32Ldt = 96;
    private const uint Tss32Trap = 100;

    // Offsets in a 16-bit TSS.
    private const uint Tss16Ip = 14;
    private const uint Tss16Flags = 16;
    private const uint Tss16Ax = 18;
    private const uint Tss16Es = 34;
    private const uint Tss16Ldt = 42;

    private const uint BusyBit = 2;

    private bool TryReturnTask()
    {
        if (!TryReadTss(Tss32Link, 2, 0, out ulong link))
        {
            return false;
        }

        return TrySwitchTask((ushort)link, TaskSwitchSource.Return, 0);
    }

    private bool TrySwitchTask(ushort selector, TaskSwitchSource source, uint external)
    {
        uint error = (uint)(selector & SelectorIndexMask) | external;
        bool isReturn = source == TaskSwitchSource.Return;
        ExceptionVector vector = isReturn ? ExceptionVector.InvalidTss : ExceptionVector.GeneralProtection;
        if ((selector & 4) != 0 || (selector & SelectorIndexMask) == 0)
        {
            return Raise(vector, error);
        }

        if (!TryFetchDescriptor(selector, vector, external, out Descriptor next))
        {
            return false;
        }

        bool wide = next.Type is Descriptor.TypeTssAvailable or Descriptor.TypeTssBusy;
        bool busy = next.Type is Descriptor.TypeTssBusy or Descriptor.TypeTss16Busy;
        bool available = next.Type is Descriptor.TypeTssAvailable or Descriptor.TypeTss16Available;
        if (!next.IsSystem || (isReturn ? !busy : !available))
        {
            return Raise(vector, error);
        }

        if (!next.IsPresent)
        {
            return Raise(ExceptionVector.SegmentNotPresent, error);
        }

        if (next.Limit < (wide ? 103u : 43u))
        {
            return Raise(ExceptionVector.InvalidTss, error);
        }

        return TrySaveTask(source) && TryCommitTask(selector, next, source, wide);
    }

    /// <summary>Writes the outgoing task's registers into its TSS.</summary>
    private bool TrySaveTask(TaskSwitchSource source)
    {
        ref X86CpuState s = ref Context->State;
        bool wide = (s.Tr.Attributes & SegmentState.TypeMask) is Descriptor.TypeTssAvailable or Descriptor.TypeTssBusy;
        ulong flags = Rflags & ~(source == TaskSwitchSource.Return ? RFlags.NT : 0);
        int size = wide ? 4 : 2;
        if (!TryWriteSystem(s.Tr.Base + (wide ? Tss32Eip : Tss16Ip), size, s.Rip)
            || !TryWriteSystem(s.Tr.Base + (wide ? Tss32Eflags : Tss16Flags), size, flags))
        {
            return false;
        }

        for (uint i = 0; i < 8; i++)
        {
            if (!TryWriteSystem(s.Tr.Base + (wide ? Tss32Eax : Tss16Ax) + (i * (uint)size), size, s.Gprs[(int)i]))
            {
                return false;
            }
        }

        int segments = wide ? 6 : 4;
        for (uint i = 0; i < segments; i++)
        {
            ulong at = s.Tr.Base + (wide ? Tss32Es : Tss16Es) + (i * (uint)size);
            if (!TryWriteSystem(at, 2, s.Segment((SegmentIndex)i).Selector))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryCommitTask(ushort selector, Descriptor next, TaskSwitchSource source, bool wide)
    {
        ref X86CpuState s = ref Context->State;
        ulong newBase = next.Base;
        TaskImage image = default;
        if (!TryReadTask(newBase, wide, ref image))
        {
            return false;
        }

        ushort oldSelector = s.Tr.Selector;
        if (source is TaskSwitchSource.Jump or TaskSwitchSource.Return && !TryMarkBusy(oldSelector, busy: false))
        {
            return false;
        }

        if (source != TaskSwitchSource.Return && !TryMarkBusy(selector, busy: true))
        {
            return false;
        }

        bool nests = source is TaskSwitchSource.Call or TaskSwitchSource.Interrupt;
        if (nests && !TryWriteSystem(newBase + Tss32Link, 2, oldSelector))
        {
            return false;
        }

        s.Tr = next.ToSegment(selector);
        s.Tr.Attributes |= BusyBit;
        s.Cr0 |= Cr0.TS;
        s.Dr7 &= ~0x155UL;
        if (wide && (s.Cr0 & Cr0.PG) != 0)
        {
            s.Cr3 = image.Cr3;
            Tlb.FlushAll();
            LoadPdptes();
        }

        Rflags = (image.Eflags & RFlags.Defined) | (nests ? RFlags.NT : 0);
        s.Rip = image.Eip;
        for (int i = 0; i < 8; i++)
        {
            s.Gprs[i] = image.Registers[i];
        }

        return TryLoadTaskSegments(ref image);
    }

    /// <summary>What a TSS holds, widened to 32 bits.</summary>
    private struct TaskImage
    {
        public uint Cr3;
        public uint Eip;
        public uint Eflags;
        public ushort Ldt;
        public bool DebugTrap;
        public fixed uint Registers[8];
        public fixed ushort Segments[6];
    }

    private bool TryReadTask(ulong newBase, bool wide, ref TaskImage image)
    {
        int size = wide ? 4 : 2;
        ulong value = 0;
        bool ok = !wide || TryReadSystem(newBase + Tss32Cr3, 4, out value);
        image.Cr3 = (uint)value;
        ok = ok && TryReadSystem(newBase + (wide ? Tss32Eip : Tss16Ip), size, out value);
        image.Eip = (uint)value;
        ok = ok && TryReadSystem(newBase + (wide ? Tss32Eflags : Tss16Flags), size, out value);
        image.Eflags = (uint)value;
        ok = ok && TryReadSystem(newBase + (wide ? Tss32Ldt : Tss16Ldt), 2, out value);
        image.Ldt = (ushort)value;
        for (uint i = 0; ok && i < 8; i++)
        {
            ok = TryReadSystem(newBase + (wide ? Tss32Eax : Tss16Ax) + (i * (uint)size), size, out value);
            image.Registers[i] = wide ? (uint)value : (uint)value | 0xFFFF0000;
        }

        int segments = wide ? 6 : 4;
        for (uint i = 0; ok && i < segments; i++)
        {
            ok = TryReadSystem(newBase + (wide ? Tss32Es : Tss16Es) + (i * (uint)size), 2, out value);
            image.Segments[i] = (ushort)value;
        }

        if (ok && wide)
        {
            ok = TryReadSystem(newBase + Tss32Trap, 2, out value);
            image.DebugTrap = (value & 1) != 0;
        }

        return ok;
    }

    private bool TryMarkBusy(ushort selector, bool busy)
    {
        if (!TryLocateDescriptor(selector, 8, out ulong address) || !TryReadSystem(address + 5, 1, out ulong type))
        {
            return Context->PendingException != 0 ? false : Raise(ExceptionVector.InvalidTss, (uint)(selector & SelectorIndexMask));
        }

        return TryWriteSystem(address + 5, 1, busy ? type | BusyBit : type & ~(ulong)BusyBit);
    }

    /// <summary>Loads LDTR and the segment registers in the context of the new task: faults are #TS there.</summary>
    private bool TryLoadTaskSegments(ref TaskImage image)
    {
        ref X86CpuState s = ref Context->State;
        Context->InstructionRip = s.Rip;
        for (uint i = 0; i < 6; i++)
        {
            s.Segment((SegmentIndex)i) = new SegmentState { Selector = image.Segments[i], Attributes = SegmentState.Unusable };
        }

        s.Ldtr = new SegmentState { Selector = image.Ldt, Attributes = SegmentState.Unusable };
        if ((s.Rflags & RFlags.VM) != 0)
        {
            Context->Cpl = 3;
            UpdateMode();
            for (uint i = 0; i < 6; i++)
            {
                LoadRealSegment(ref s.Segment((SegmentIndex)i), image.Segments[i]);
            }

            UpdateMode();
            return true;
        }

        Context->Cpl = (byte)(image.Segments[(int)SegmentIndex.Cs] & 3);
        UpdateMode();
        if ((image.Ldt & SelectorIndexMask) != 0 && (!TryReadDescriptor(image.Ldt, out Descriptor ldt)
            || !ldt.IsSystem || ldt.Type != Descriptor.TypeLdt || !ldt.IsPresent || !SetLdt(image.Ldt, ldt)))
        {
            Context->PendingException = 0;
            return Raise(ExceptionVector.InvalidTss, (uint)(image.Ldt & SelectorIndexMask));
        }

        return TryLoadTaskCode(image.Segments[(int)SegmentIndex.Cs])
            && TryLoadTaskStack(image.Segments[(int)SegmentIndex.Ss])
            && TryLoadTaskData(ref image)
            && ReportTaskTrap(image.DebugTrap);
    }

    private bool SetLdt(ushort selector, Descriptor ldt)
    {
        Context->State.Ldtr = ldt.ToSegment(selector);
        return true;
    }

    private bool TryLoadTaskCode(ushort selector)
    {
        uint error = (uint)(selector & SelectorIndexMask);
        if (error == 0)
        {
            return Raise(ExceptionVector.InvalidTss, 0);
        }

        if (!TryFetchDescriptor(selector, ExceptionVector.InvalidTss, 0, out Descriptor code))
        {
            return false;
        }

        int rpl = selector & 3;
        if (!code.IsCode || (code.IsConforming ? code.Dpl > rpl : code.Dpl != rpl))
        {
            return Raise(ExceptionVector.InvalidTss, error);
        }

        if (!code.IsPresent)
        {
            return Raise(ExceptionVector.SegmentNotPresent, error);
        }

        if (!TrySetAccessed(selector, ref code))
        {
            return false;
        }

        Context->State.Cs = code.ToSegment(selector);
        UpdateMode();
        return true;
    }

    private bool TryLoadTaskStack(ushort selector)
    {
        if (!TryPrepareStack(selector, Cpl, ExceptionVector.InvalidTss, 0, out SegmentState stack))
        {
            return false;
        }

        Context->State.Ss = stack;
        UpdateMode();
        return true;
    }

    private bool TryLoadTaskData(ref TaskImage image)
    {
        ReadOnlySpan<SegmentIndex> order = [SegmentIndex.Ds, SegmentIndex.Es, SegmentIndex.Fs, SegmentIndex.Gs];
        foreach (SegmentIndex index in order)
        {
            if (!TryPrepareData(image.Segments[(int)index], out SegmentState data))
            {
                if ((byte)Context->PendingException == (byte)ExceptionVector.GeneralProtection)
                {
                    uint code = Context->PendingErrorCode;
                    Context->PendingException = 0;
                    Raise(ExceptionVector.InvalidTss, code);
                }

                return false;
            }

            Context->State.Segment(index) = data;
        }

        UpdateMode();
        return true;
    }

    /// <summary>The T bit of the new TSS: #DB with DR6.BT before its first instruction.</summary>
    private bool ReportTaskTrap(bool trap)
    {
        if (!trap)
        {
            return true;
        }

        Context->State.Dr6 |= Dr6Task;
        return Raise(ExceptionVector.Debug);
    }
}
