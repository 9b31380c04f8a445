using System.Runtime.InteropServices;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>How instructions are decoded and executed now; part of the key of every cached block.</summary>
[Flags]
public enum ModeBits : ushort
{
    None = 0,

    /// <summary>Default operand and address size is 32 bits (CS.D).</summary>
    Code32 = 1,

    /// <summary>64-bit mode (CS.L and EFER.LMA).</summary>
    Code64 = 2,

    /// <summary>CR0.PE.</summary>
    Protected = 4,

    /// <summary>RFLAGS.VM.</summary>
    Virtual8086 = 8,

    /// <summary>SS.B: the stack pointer is ESP, not SP. Always set in 64-bit mode.</summary>
    Stack32 = 16,

    /// <summary>EFER.LMA: IDT and TSS have the 64-bit layout.</summary>
    LongActive = 32,

    /// <summary>CPL is 3.</summary>
    User = 64,

    /// <summary>ES, CS, SS and DS are flat and usable: segment checks can be left out.</summary>
    Flat = 128,
}

/// <summary>
/// What an engine works on: the architectural state and, behind it, everything needed at run time, at fixed offsets.
/// One a vCPU, in native memory, touched by its thread only, except for <see cref="Attention"/>.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct VcpuContext
{
    public X86CpuState State;

    /// <summary>Arithmetic flags between instructions, <see cref="LazyFlags"/>; they win over the bits in State.Rflags.</summary>
    public long LazyResult;
    public long LazyAux;

    /// <summary>Entries of the current address space and privilege, see <see cref="Tlb"/>.</summary>
    public TlbEntry* Tlb;

    /// <summary>Instructions left in this slice; a chain of blocks ends when it goes below zero.</summary>
    public long Budget;

    /// <summary>Added to IP to form the linear address of code: CS.base, zero in 64-bit mode.</summary>
    public ulong CodeBase;

    /// <summary>Address of the instruction that is being executed; a fault reports it. State.Rip already points behind it.</summary>
    public ulong InstructionRip;

    /// <summary>Non-zero when an exception is pending: bits 0..7 vector, bit 8 always set, bit 9 has an error code.</summary>
    public uint PendingException;
    public uint PendingErrorCode;

    /// <summary>Set by other threads (Volatile) to make the vCPU look up: interrupts, kicks, TLB shoot-downs.</summary>
    public int Attention;

    public ModeBits Mode;

    /// <summary>Current privilege level.</summary>
    public byte Cpl;

    private readonly byte _padding;

    /// <summary>
    /// Set by an instruction after which the block must not go on although nothing faulted (mode or mapping changed, halt, shadow).
    /// </summary>
    public int EndBlock;

    /// <summary>
    /// Not zero if the upper half of some YMM register may be other than zero; zero says that all are. Where it is zero, only the lower
    /// halves need to be loaded.
    /// </summary>
    public int UppersInUse;

    /// <summary>Handle of the managed engine that owns this context.</summary>
    public nint Owner;

    /// <summary>Work space of the engine.</summary>
    public nint Scratch0;
    public nint Scratch1;
}
