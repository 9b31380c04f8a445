using System.Runtime.CompilerServices;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>
/// Register and memory access of threaded handlers. Nothing here takes the address of a local: a handler whose locals have
/// their address taken loses its tail call.
/// <para>Memory is reached through a host pointer. On a TLB hit it is guest RAM itself; a miss goes to <see cref="SlowRead"/> and
/// friends, which may hand back the context's bounce buffer (MMIO, page crossing) or null (a fault is pending).</para>
/// </summary>
internal static unsafe class Access
{
    public const ulong PageBase = ~0xFFFUL;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Load<TWidth>(byte* at)
        where TWidth : IWidth =>
        TWidth.Size == 1 ? *at : TWidth.Size == 2 ? *(ushort*)at : TWidth.Size == 4 ? *(uint*)at : *(ulong*)at;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TWidth>(byte* at, ulong value)
        where TWidth : IWidth
    {
        if (TWidth.Size == 1)
        {
            *at = (byte)value;
        }
        else if (TWidth.Size == 2)
        {
            *(ushort*)at = (ushort)value;
        }
        else if (TWidth.Size == 4)
        {
            *(uint*)at = (uint)value;
        }
        else
        {
            *(ulong*)at = value;
        }
    }

    /// <summary>Reads the register at a context offset, zero-extended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Register<TWidth>(VcpuContext* c, ushort offset)
        where TWidth : IWidth => Load<TWidth>((byte*)c + offset);

    /// <summary>Writes the register at a context offset; 32-bit writes clear the upper half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetRegister<TWidth>(VcpuContext* c, ushort offset, ulong value)
        where TWidth : IWidth
    {
        if (TWidth.Size == 4)
        {
            *(ulong*)((byte*)c + offset) = (uint)value;
        }
        else
        {
            Store<TWidth>((byte*)c + offset, value);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long SignExtend<TWidth>(ulong value)
        where TWidth : IWidth =>
        TWidth.Size == 1 ? (sbyte)value : TWidth.Size == 2 ? (short)value : TWidth.Size == 4 ? (int)value : (long)value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TlbEntry* Entry(VcpuContext* c, ulong va) => (TlbEntry*)((byte*)c->Tlb + ((va >> 7) & Tlb.OffsetMask));

    /// <summary>Host pointer to read <typeparamref name="TWidth"/> bytes at <paramref name="va"/>; null when a fault is pending.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Read<TWidth>(VcpuContext* c, Op* op, ulong va)
        where TWidth : IWidth
    {
        TlbEntry* entry = Entry(c, va);
        return ((va + (ulong)TWidth.Size - 1) & PageBase) == entry->Read
            ? (byte*)(va + (ulong)entry->Addend)
            : SlowRead(c, op, va, TWidth.Size);
    }

    /// <summary>Host pointer to modify in place; when it is the bounce buffer, <see cref="Commit"/> writes it back.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Modify<TWidth>(VcpuContext* c, Op* op, ulong va)
        where TWidth : IWidth
    {
        TlbEntry* entry = Entry(c, va);
        return ((va + (ulong)TWidth.Size - 1) & PageBase) == entry->Write
            ? (byte*)(va + (ulong)entry->Addend)
            : SlowModify(c, op, va, TWidth.Size);
    }

    public static byte* Bounce(VcpuContext* c) => (byte*)c->Scratch1;

    /// <summary>Records where the processor is, so that a fault or a stop can be reported.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void NotePosition(VcpuContext* c, Op* op)
    {
        c->InstructionRip = op->Rip;
        c->State.Rip = op->NextRip;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static byte* SlowRead(VcpuContext* c, Op* op, ulong va, int size)
    {
        if (c->PendingException != 0)
        {
            return null; // address formation faulted
        }

        NotePosition(c, op);
        if (!X86Cpu.Of(c).TryRead(va, size, out ulong value, op->Segment == (byte)SegmentIndex.Ss))
        {
            return null;
        }

        *(ulong*)Bounce(c) = value;
        return Bounce(c);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static byte* SlowModify(VcpuContext* c, Op* op, ulong va, int size)
    {
        if (c->PendingException != 0)
        {
            return null;
        }

        NotePosition(c, op);
        X86Cpu cpu = X86Cpu.Of(c);
        bool stack = op->Segment == (byte)SegmentIndex.Ss;
        if (!cpu.ProbeWrite(va, size, stack) || !cpu.TryRead(va, size, out ulong value, stack))
        {
            return null;
        }

        *(ulong*)Bounce(c) = value;
        return Bounce(c);
    }

    /// <summary>After a modification: writes the bounce buffer to where it came from. The probe has shown that it cannot fault.</summary>
    /// <returns>False if the chain must end (the write hit code, or a device asked for attention).</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool Commit(VcpuContext* c, Op* op, ulong va, int size)
    {
        X86Cpu cpu = X86Cpu.Of(c);
        cpu.TryWrite(va, size, *(ulong*)Bounce(c), op->Segment == (byte)SegmentIndex.Ss);
        return (c->PendingException | (uint)c->EndBlock) == 0;
    }

    /// <summary>Writes through the slow path.</summary>
    /// <returns>False if a fault is pending or the chain must end after this instruction.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool SlowWrite(VcpuContext* c, Op* op, ulong va, int size, ulong value)
    {
        if (c->PendingException != 0)
        {
            return false;
        }

        NotePosition(c, op);
        return X86Cpu.Of(c).TryWrite(va, size, value, op->Segment == (byte)SegmentIndex.Ss) && c->EndBlock == 0;
    }

    /// <summary>Leaves the chain: what the dispatch loop needs is in the context.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Leave(VcpuContext* c, long result, long aux)
    {
        c->LazyResult = result;
        c->LazyAux = aux;
    }
}
