using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Linear memory: the TLB's slow path, protection, MMIO, and accesses that cross pages.</summary>
public sealed unsafe partial class X86Cpu
{
    private const ulong PageOffset = 0xFFF;
    private const ulong PageBase = ~PageOffset;

    /// <summary>SMAP set that applies to the current privilege and RFLAGS.AC.</summary>
    private TlbPrivilege CurrentPrivilege =>
        Context->Cpl == 3 ? TlbPrivilege.User
        : (Context->State.Rflags & RFlags.AC) != 0 ? TlbPrivilege.SupervisorUserAccess
        : TlbPrivilege.Supervisor;

    private bool ChecksAlignment =>
        Context->Cpl == 3 && (Context->State.Rflags & RFlags.AC) != 0 && (Context->State.Cr0 & Cr0.AM) != 0;

    private bool NeedsCheckedAccess => ChecksAlignment || HasDataBreakpoints;

    private bool HasDataBreakpoints => (Context->State.Dr7 & 0xFF) != 0;

    /// <summary>Reads 1, 2, 4 or 8 bytes at a linear address with the rights of the current privilege.</summary>
    /// <param name="va">Linear address (segment base added).</param>
    /// <param name="size">Bytes.</param>
    /// <param name="value">Zero-extended.</param>
    /// <param name="stack">The access went through SS: a non-canonical address is #SS, not #GP.</param>
    /// <returns>False if the access faulted; the exception is recorded.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryRead(ulong va, int size, out ulong value, bool stack = false)
    {
        value = 0;
        if (!CheckAccess(va, size, AccessKind.Read, stack))
        {
            return false;
        }

        if (((va & PageOffset) + (ulong)size) <= 0x1000)
        {
            if (!TryTranslate(va, AccessKind.Read, out byte* host, out ulong gpa))
            {
                return false;
            }

            value = host != null ? LoadHost(host, size) : ReadPhysical(gpa, size);
            return true;
        }

        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        fixed (byte* buffer = bytes)
        {
            if (!TryReadAcross(va, buffer, size))
            {
                return false;
            }
        }

        value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        return true;
    }

    /// <summary>Writes the low 1, 2, 4 or 8 bytes of a value at a linear address.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryWrite(ulong va, int size, ulong value, bool stack = false)
    {
        if (!CheckAccess(va, size, AccessKind.Write, stack))
        {
            return false;
        }

        if (((va & PageOffset) + (ulong)size) <= 0x1000)
        {
            if (!TryTranslate(va, AccessKind.Write, out byte* host, out ulong gpa))
            {
                return false;
            }

            if (host != null)
            {
                StoreHost(host, size, value);
            }
            else
            {
                WritePhysical(gpa, size, value);
            }

            return true;
        }

        return TryWriteAcross(va, (byte*)&value, size);
    }

    /// <summary>Reads up to 4 KiB at a linear address; all pages are checked before the first byte is copied.</summary>
    public bool TryReadBytes(ulong va, byte* destination, int size, bool stack = false)
    {
        if (!CheckAccess(va, size, AccessKind.Read, stack))
        {
            return false;
        }

        if (((va & PageOffset) + (ulong)size) > 0x1000)
        {
            return TryReadAcross(va, destination, size);
        }

        if (!TryTranslate(va, AccessKind.Read, out byte* host, out ulong gpa))
        {
            return false;
        }

        CopyIn(host, gpa, destination, size);
        return true;
    }

    /// <summary>Writes up to 4 KiB at a linear address; a fault leaves all of it unwritten.</summary>
    public bool TryWriteBytes(ulong va, byte* source, int size, bool stack = false)
    {
        if (!CheckAccess(va, size, AccessKind.Write, stack))
        {
            return false;
        }

        if (((va & PageOffset) + (ulong)size) > 0x1000)
        {
            return TryWriteAcross(va, source, size);
        }

        if (!TryTranslate(va, AccessKind.Write, out byte* host, out ulong gpa))
        {
            return false;
        }

        CopyOut(host, gpa, source, size);
        return true;
    }

    /// <summary>Checks that a write would succeed, without writing: for instructions that must fault before their first effect.</summary>
    public bool ProbeWrite(ulong va, int size, bool stack = false)
    {
        return CheckAccess(va, size, AccessKind.Write, stack)
            && TryTranslate(va, AccessKind.Write, out _, out _)
            && (((va & PageOffset) + (ulong)size) <= 0x1000 || TryTranslate((va + (ulong)size - 1) & PageBase & AddressMask, AccessKind.Write, out _, out _));
    }

    /// <summary>Checks that a read would succeed, without reading.</summary>
    public bool ProbeRead(ulong va, int size, bool stack = false)
    {
        return CheckAccess(va, size, AccessKind.Read, stack)
            && TryTranslate(va, AccessKind.Read, out _, out _)
            && (((va & PageOffset) + (ulong)size) <= 0x1000 || TryTranslate((va + (ulong)size - 1) & PageBase & AddressMask, AccessKind.Read, out _, out _));
    }

    /// <summary>The host address of a linear address in RAM, for access within its page.</summary>
    /// <returns>Null if the access would fault, or must be looked at closely; nothing is recorded then.</returns>
    public byte* FindHost(ulong va, AccessKind kind)
    {
        if (!IsCanonical(va) || NeedsCheckedAccess)
        {
            return null;
        }

        ulong cr2 = Context->State.Cr2;
        if (TryTranslate(va, kind, out byte* host, out _))
        {
            return host;
        }

        Context->PendingException = 0;
        Context->State.Cr2 = cr2;
        return null;
    }

    /// <summary>Reads with supervisor rights whatever the CPL is: descriptor tables, TSS, IDT.</summary>
    public bool TryReadSystem(ulong va, int size, out ulong value)
    {
        using SystemAccess access = new(this);
        return TryRead(va & AddressMask, size, out value);
    }

    /// <summary>Writes with supervisor rights whatever the CPL is.</summary>
    public bool TryWriteSystem(ulong va, int size, ulong value)
    {
        using SystemAccess access = new(this);
        return TryWrite(va & AddressMask, size, value);
    }

    /// <summary>
    /// Host pointer for a locked read-modify-write of at most 8 (or 16) bytes inside one page of writable RAM.
    /// </summary>
    /// <param name="host">Null if the operand is MMIO, ROM or crosses a page; the caller then uses the exclusive section.</param>
    /// <param name="stack">The operand is in SS: an address that is not canonical is a stack fault.</param>
    public bool TryGetAtomicPointer(ulong va, int size, bool stack, out byte* host)
    {
        host = null;
        if (!CheckAccess(va, size, AccessKind.Write, stack))
        {
            return false;
        }

        if (((va & PageOffset) + (ulong)size) > 0x1000)
        {
            return ProbeWrite(va, size, stack);
        }

        return TryTranslate(va, AccessKind.Write, out host, out _);
    }

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

    /// <summary>Bits of a linear address that exist: 64 in 64-bit mode, 32 elsewhere.</summary>
    public ulong AddressMask => IsLongMode ? ulong.MaxValue : uint.MaxValue;

    /// <summary>48-bit canonical form; always true outside of long mode.</summary>
    public bool IsCanonical(ulong va) => !IsLongMode || (ulong)(((long)va << 16) >> 16) == va;

    private bool CheckAccess(ulong va, int size, AccessKind kind, bool stack)
    {
        if (Is64Bit && (!IsCanonical(va) || !IsCanonical(va + (ulong)size - 1)))
        {
            return stack ? Raise(ExceptionVector.StackFault, 0) : RaiseGeneralProtection();
        }

        if (NeedsCheckedAccess)
        {
            if (ChecksAlignment && !_systemAccess && size <= 8 && (va & (ulong)(size - 1)) != 0)
            {
                return Raise(ExceptionVector.AlignmentCheck, 0);
            }

            if (HasDataBreakpoints && !_systemAccess)
            {
                NoteDataBreakpoint(va, size, kind);
            }
        }

        return true;
    }

    /// <summary>Watchpoints that this access hits are latched in <see cref="PendingDebugHits"/> and reported as a trap after the instruction.</summary>
    private void NoteDataBreakpoint(ulong va, int size, AccessKind kind)
    {
        ref X86CpuState s = ref Context->State;
        for (int i = 0; i < 4; i++)
        {
            int type = (int)(s.Dr7 >> (16 + (i * 4))) & 3;
            if (((s.Dr7 >> (i * 2)) & 3) == 0 || type is 0 or 2 || (type == 1 && kind != AccessKind.Write))
            {
                continue;
            }

            if (IsWatched(i, va, size))
            {
                PendingDebugHits |= 1u << i;
                Context->EndBlock = 1;
            }
        }
    }

    /// <summary>DR6 hit bits collected during the current instruction.</summary>
    public uint PendingDebugHits { get; set; }

    private bool _systemAccess;

    /// <summary>Runs accesses with CPL 0 rights, SMAP in force, no alignment checks.</summary>
    private readonly ref struct SystemAccess
    {
        private readonly X86Cpu _cpu;
        private readonly bool _before;

        public SystemAccess(X86Cpu cpu)
        {
            _cpu = cpu;
            _before = cpu._systemAccess;
            cpu._systemAccess = true;
        }

        public void Dispose() => _cpu._systemAccess = _before;
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
            gpa = ulong.MaxValue; // writes to ROM go nowhere
            return true;
        }

        entry->Read = page;
        ram.Memory.MarkDirty(ram.Index);
        if (ram.Memory.HoldsCode(ram.Index))
        {
            ram.Memory.NoteWrite((ram.Index << GuestMemory.PageShift) + (va & PageOffset), 1);
        }
        else
        {
            entry->Write = page;
            Tlb.NoteWriter(entry, hostPage);
        }

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

    private bool TryReadAcross(ulong va, byte* destination, int size)
    {
        int first = (int)(0x1000 - (va & PageOffset));
        ulong next = (va + (ulong)first) & AddressMask;
        if (!TryTranslate(va, AccessKind.Read, out byte* host1, out ulong gpa1)
            || !TryTranslate(next, AccessKind.Read, out byte* host2, out ulong gpa2))
        {
            return false;
        }

        CopyIn(host1, gpa1, destination, first);
        CopyIn(host2, gpa2, destination + first, size - first);
        return true;
    }

    private bool TryWriteAcross(ulong va, byte* source, int size)
    {
        int first = (int)(0x1000 - (va & PageOffset));
        ulong next = (va + (ulong)first) & AddressMask;
        if (!TryTranslate(va, AccessKind.Write, out byte* host1, out ulong gpa1)
            || !TryTranslate(next, AccessKind.Write, out byte* host2, out ulong gpa2))
        {
            return false;
        }

        CopyOut(host1, gpa1, source, first);
        CopyOut(host2, gpa2, source + first, size - first);
        return true;
    }

    private void CopyIn(byte* host, ulong gpa, byte* destination, int size)
    {
        if (host != null)
        {
            Unsafe.CopyBlockUnaligned(destination, host, (uint)size);
            return;
        }

        for (int done = 0; done < size;)
        {
            int step = Step(gpa + (ulong)done, size - done);
            StoreHost(destination + done, step, ReadPhysical(gpa + (ulong)done, step));
            done += step;
        }
    }

    private void CopyOut(byte* host, ulong gpa, byte* source, int size)
    {
        if (host != null)
        {
            Unsafe.CopyBlockUnaligned(host, source, (uint)size);
            return;
        }

        for (int done = 0; done < size;)
        {
            int step = Step(gpa + (ulong)done, size - done);
            WritePhysical(gpa == ulong.MaxValue ? gpa : gpa + (ulong)done, step, LoadHost(source + done, step));
            done += step;
        }
    }

    /// <summary>Largest naturally aligned power of two at an address, at most 8 and at most what is left.</summary>
    private static int Step(ulong gpa, int left)
    {
        int step = 8;
        while (step > left || (gpa & (ulong)(step - 1)) != 0)
        {
            step >>= 1;
        }

        return step;
    }

    private ulong ReadPhysical(ulong gpa, int size)
    {
        if (size is 1 or 2 or 4 or 8)
        {
            return ReadDevice(gpa, (AccessWidth)size);
        }

        ulong value = 0;
        for (int i = 0; i < size; i++)
        {
            value |= ReadDevice(gpa + (ulong)i, AccessWidth.Byte) << (8 * i);
        }

        return value;
    }

    private void WritePhysical(ulong gpa, int size, ulong value)
    {
        if (gpa == ulong.MaxValue)
        {
            return;
        }

        WriteDevice(gpa, (AccessWidth)size, value);
    }

    /// <summary>The local APIC's page is this processor's own; everything else is on the bus.</summary>
    public ulong ReadDevice(ulong gpa, AccessWidth width) =>
        Wiring.LocalApic is { } apic && (gpa & PageBase) == apic.MmioPage
            ? apic.ReadMmio(gpa & PageOffset, width) & width.Mask()
            : Memory.Read(gpa, width);

    public void WriteDevice(ulong gpa, AccessWidth width, ulong value)
    {
        if (Wiring.LocalApic is { } apic && (gpa & PageBase) == apic.MmioPage)
        {
            apic.WriteMmio(gpa & PageOffset, width, value & width.Mask());
            return;
        }

        Memory.Write(gpa, width, value);
    }

    private static ulong LoadHost(byte* host, int size) => size switch
    {
        1 => *host,
        2 => *(ushort*)host,
        4 => *(uint*)host,
        _ => *(ulong*)host,
    };

    private static void StoreHost(byte* host, int size, ulong value)
    {
        switch (size)
        {
            case 1:
                *host = (byte)value;
                break;
            case 2:
                *(ushort*)host = (ushort)value;
                break;
            case 4:
                *(uint*)host = (uint)value;
                break;
            default:
                *(ulong*)host = value;
                break;
        }
    }
}
