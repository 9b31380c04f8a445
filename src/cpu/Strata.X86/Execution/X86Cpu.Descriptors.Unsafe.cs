using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Descriptor tables and the loading of segment registers. Intel SDM Vol. 3A, "Protected-Mode Memory Management".</summary>
public sealed unsafe partial class X86Cpu
{
    /// <summary>RPL and table-indicator removed: the form of error codes.</summary>
    private const ushort SelectorIndexMask = 0xFFFC;

    /// <summary>Reads a descriptor from the GDT or LDT.</summary>
    /// <returns>False if the selector lies outside its table (no exception) or if the read faulted (exception pending).</returns>
    public bool TryReadDescriptor(ushort selector, out Descriptor descriptor)
    {
        descriptor = default;
        if (!TryLocateDescriptor(selector, 8, out ulong address) || !TryReadSystem(address, 8, out ulong raw))
        {
            return false;
        }

        descriptor = new Descriptor(raw);
        return true;
    }

    /// <summary>
    /// As <see cref="TryReadDescriptor"/>, but a selector outside of its table raises <paramref name="vector"/> with the selector as error
    /// code.
    /// </summary>
    private bool TryFetchDescriptor(ushort selector, ExceptionVector vector, uint external, out Descriptor descriptor)
    {
        return TryReadDescriptor(selector, out descriptor)
            || (Context->PendingException != 0 ? false : Raise(vector, (uint)(selector & SelectorIndexMask) | external));
    }

    private bool TryLocateDescriptor(ushort selector, uint size, out ulong address)
    {
        ref X86CpuState s = ref Context->State;
        uint offset = (uint)(selector & 0xFFF8);
        bool local = (selector & 4) != 0;
        ulong tableBase = local ? s.Ldtr.Base : s.Gdtr.Base;
        uint limit = local ? s.Ldtr.Limit : s.Gdtr.Limit;
        address = tableBase + offset;
        return (!local || s.Ldtr.IsUsable) && offset + size - 1 <= limit;
    }

    /// <summary>Sets the accessed bit in the table, as every load of a segment register does.</summary>
    private bool TrySetAccessed(ushort selector, ref Descriptor descriptor)
    {
        if ((descriptor.Attributes & SegmentState.Accessed) != 0)
        {
            return true;
        }

        descriptor = new Descriptor(descriptor.Raw | (1UL << 40));
        return TryLocateDescriptor(selector, 8, out ulong address) && TryWriteSystem(address + 5, 1, descriptor.Raw >> 40);
    }

    /// <summary>Loads ES, SS, DS, FS or GS as MOV and POP do.</summary>
    public bool TryLoadSegment(SegmentIndex index, ushort selector)
    {
        ref SegmentState segment = ref Context->State.Segment(index);
        if (!IsProtected)
        {
            LoadRealSegment(ref segment, selector);
            UpdateMode();
            return true;
        }

        bool ok = index == SegmentIndex.Ss ? TryPrepareStack(selector, Cpl, ExceptionVector.GeneralProtection, 0, out SegmentState loaded)
            : TryPrepareData(selector, out loaded);
        if (!ok)
        {
            return false;
        }

        segment = loaded;
        UpdateMode();
        return true;
    }

    /// <summary>Real-address and virtual-8086 mode: the base is the selector times 16.</summary>
    private void LoadRealSegment(ref SegmentState segment, ushort selector)
    {
        segment.Selector = selector;
        segment.Base = (ulong)selector << 4;
        if ((Context->Mode & ModeBits.Virtual8086) != 0)
        {
            segment.Limit = 0xFFFF;
            segment.Attributes = VirtualSegmentAttributes;
        }
        else
        {
            // Real mode keeps the limit ("unreal mode") but makes the segment usable and writable.
            segment.Attributes = (segment.Attributes & (SegmentState.Big | SegmentState.Granularity))
                | SegmentState.Present | SegmentState.NonSystem | SegmentState.ReadableOrWritable | SegmentState.Accessed;
        }
    }

    private const uint VirtualSegmentAttributes =
        SegmentState.Present
            | SegmentState.NonSystem
            | SegmentState.ReadableOrWritable
            | SegmentState.Accessed
            | (3 << SegmentState.DplShift);

    private bool TryPrepareData(ushort selector, out SegmentState loaded)
    {
        if ((selector & SelectorIndexMask) == 0)
        {
            loaded = new SegmentState { Selector = selector, Attributes = SegmentState.Unusable };
            return true;
        }

        loaded = default;
        uint error = (uint)(selector & SelectorIndexMask);
        if (!TryFetchDescriptor(selector, ExceptionVector.GeneralProtection, 0, out Descriptor descriptor))
        {
            return false;
        }

        int rpl = selector & 3;
        if (descriptor.IsSystem || !descriptor.IsReadable
            || (!descriptor.IsConforming && (rpl > descriptor.Dpl || Cpl > descriptor.Dpl)))
        {
            return RaiseGeneralProtection(error);
        }

        if (!descriptor.IsPresent)
        {
            return Raise(ExceptionVector.SegmentNotPresent, error);
        }

        if (!TrySetAccessed(selector, ref descriptor))
        {
            return false;
        }

        loaded = descriptor.ToSegment(selector);
        return true;
    }

    /// <summary>Checks a stack segment for privilege <paramref name="cpl"/>.</summary>
    /// <param name="vector">#GP for loads by instructions, #TS when the selector comes from a TSS.</param>
    private bool TryPrepareStack(ushort selector, int cpl, ExceptionVector vector, uint external, out SegmentState loaded)
    {
        loaded = default;
        uint error = (uint)(selector & SelectorIndexMask) | external;
        if ((selector & SelectorIndexMask) == 0)
        {
            if (Is64Bit && cpl != 3 && (selector & 3) == cpl && vector == ExceptionVector.GeneralProtection)
            {
                loaded = new SegmentState
                {
                    Selector = selector,
                    Attributes = SegmentState.Unusable | ((uint)cpl << SegmentState.DplShift),
                };
                return true;
            }

            return Raise(vector, external);
        }

        if (!TryFetchDescriptor(selector, vector, external, out Descriptor descriptor))
        {
            return false;
        }

        if ((selector & 3) != cpl || !descriptor.IsWritable || descriptor.Dpl != cpl)
        {
            return Raise(vector, error);
        }

        if (!descriptor.IsPresent)
        {
            return Raise(ExceptionVector.StackFault, error);
        }

        if (!TrySetAccessed(selector, ref descriptor))
        {
            return false;
        }

        loaded = descriptor.ToSegment(selector);
        return true;
    }

    /// <summary>LLDT.</summary>
    public bool TryLoadLdt(ushort selector)
    {
        if ((selector & SelectorIndexMask) == 0)
        {
            Context->State.Ldtr = new SegmentState { Selector = selector, Attributes = SegmentState.Unusable };
            return true;
        }

        if (!TryReadSystemDescriptor(selector, Descriptor.TypeLdt, Descriptor.TypeLdt, out SegmentState loaded))
        {
            return false;
        }

        Context->State.Ldtr = loaded;
        return true;
    }

    /// <summary>LTR: the TSS becomes busy.</summary>
    public bool TryLoadTaskRegister(ushort selector)
    {
        if ((selector & SelectorIndexMask) == 0)
        {
            return RaiseGeneralProtection();
        }

        uint other = IsLongMode ? Descriptor.TypeTssAvailable : Descriptor.TypeTss16Available;
        if (!TryReadSystemDescriptor(selector, Descriptor.TypeTssAvailable, other, out SegmentState loaded))
        {
            return false;
        }

        loaded.Attributes |= 2;
        if (!TryLocateDescriptor(selector, 8, out ulong address) || !TryWriteSystem(address + 5, 1, loaded.Attributes & 0xFF))
        {
            return false;
        }

        Context->State.Tr = loaded;
        return true;
    }

    private bool TryReadSystemDescriptor(ushort selector, uint type, uint otherType, out SegmentState loaded)
    {
        loaded = default;
        uint error = (uint)(selector & SelectorIndexMask);
        if ((selector & 4) != 0)
        {
            return RaiseGeneralProtection(error);
        }

        if (!TryFetchDescriptor(selector, ExceptionVector.GeneralProtection, 0, out Descriptor descriptor))
        {
            return false;
        }

        if (!descriptor.IsSystem || (descriptor.Type != type && descriptor.Type != otherType))
        {
            return RaiseGeneralProtection(error);
        }

        if (!descriptor.IsPresent)
        {
            return Raise(ExceptionVector.SegmentNotPresent, error);
        }

        loaded = descriptor.ToSegment(selector);
        if (!IsLongMode)
        {
            return true;
        }

        if (!TryLocateDescriptor(selector, 16, out ulong address))
        {
            return RaiseGeneralProtection(error);
        }

        if (!TryReadSystem(address + 8, 8, out ulong high))
        {
            return false;
        }

        // The type field of the upper half must be zero, so that it cannot be taken for a descriptor of its own.
        loaded.Base |= high << 32;
        return (IsCanonical(loaded.Base) && ((high >> 40) & 0x1F) == 0) || RaiseGeneralProtection(error);
    }
}
