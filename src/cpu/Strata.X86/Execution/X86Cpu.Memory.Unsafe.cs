using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Strata.Core.Bus;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>
/// Accesses to linear memory: the slow path of both engines. Canonical form, alignment, watchpoints, and accesses that cross pages.
/// </summary>
public sealed unsafe partial class X86Cpu
{
    private const ulong PageOffset = 0xFFF;
    private const ulong PageBase = ~PageOffset;

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
                WriteDevice(gpa, (AccessWidth)size, value);
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
            && (((va & PageOffset) + (ulong)size) <= 0x1000 || TryTranslate(
                (va + (ulong)size - 1) & PageBase & AddressMask, AccessKind.Write, out _, out _));
    }

    /// <summary>Checks that a read would succeed, without reading.</summary>
    public bool ProbeRead(ulong va, int size, bool stack = false)
    {
        return CheckAccess(va, size, AccessKind.Read, stack)
            && TryTranslate(va, AccessKind.Read, out _, out _)
            && (((va & PageOffset) + (ulong)size) <= 0x1000 || TryTranslate(
                (va + (ulong)size - 1) & PageBase & AddressMask, AccessKind.Read, out _, out _));
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

    /// <summary>
    /// Watchpoints that this access hits are latched in <see cref="PendingDebugHits"/> and reported as a trap after the instruction.
    /// </summary>
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
}
