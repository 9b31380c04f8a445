using System.Runtime.InteropServices;
using Strata.X86.Execution;

namespace Strata.X86.Interpreter.Blocks;

/// <summary>What an operand of a decoded instruction is.</summary>
public enum OperandKind : byte
{
    None,

    /// <summary>General-purpose register; <c>RegN</c> is the byte offset of its low byte (or of AH..BH) in the context.</summary>
    Gpr,

    /// <summary>XMM or YMM register; <c>RegN</c> is its byte offset in the context.</summary>
    Vector,

    /// <summary>MMX register; <c>RegN</c> is the byte offset of its 64 bits in the context.</summary>
    Mmx,

    /// <summary>x87 stack register; <c>RegN</c> is i of ST(i).</summary>
    Stack87,

    /// <summary>Segment register; <c>RegN</c> is a <see cref="Registers.SegmentIndex"/>.</summary>
    Segment,

    /// <summary>Control or debug register; <c>RegN</c> is its number.</summary>
    Control,
    Debug,

    /// <summary>The instruction's one memory operand; <c>RegN</c> is the byte offset of a gather's indices in the context.</summary>
    Memory,

    /// <summary><c>Op.Imm</c> (or <c>Op.Imm2</c> for the second immediate).</summary>
    Immediate,

    /// <summary>Direct near branch target: <c>Op.Imm</c> is the target RIP.</summary>
    Branch,

    /// <summary>Far pointer: <c>Op.Imm</c> offset, <c>Op.Imm2</c> selector.</summary>
    FarPointer,
}

/// <summary>
/// One decoded instruction, 128 bytes. The first 64 bytes are what hot handlers touch. Register operands are byte offsets
/// into <see cref="Execution.VcpuContext"/>, so that a handler needs no decoding at all.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct Op
{
    /// <summary>Threaded handler: context, this op, and the two words of <see cref="LazyFlags"/>.</summary>
    public delegate*<VcpuContext*, Op*, long, long, void> Handler;

    /// <summary>First immediate, sign-extended to 64 bits; or the branch target.</summary>
    public ulong Imm;

    /// <summary>Displacement, sign-extended; for RIP-relative operands the absolute address.</summary>
    public ulong Disp;

    /// <summary>Context offsets of the register operands 0 and 1.</summary>
    public ushort Reg0;
    public ushort Reg1;

    /// <summary>Context offsets of base and index; the always-zero slot where there is none.</summary>
    public ushort Base;
    public ushort Index;

    /// <summary>Shift count 0..3 for the index.</summary>
    public byte Scale;

    /// <summary><see cref="Registers.SegmentIndex"/> of the memory operand, default or overridden.</summary>
    public byte Segment;

    /// <summary>Address size in bytes: 2, 4 or 8.</summary>
    public byte AddressSize;

    /// <summary>Instruction length in bytes.</summary>
    public byte Length;

    /// <summary>Iced's <c>Code</c>.</summary>
    public ushort Code;

    /// <summary>Operand size in bytes of operand 0 (its register or memory width); 1, 2, 4, 8, 10, 16, 32 …</summary>
    public byte Width;

    /// <summary>Prefixes and properties.</summary>
    public OpFlags Flags;

    /// <summary>Cached successor blocks in the same page.</summary>
    public Block* Taken;
    public Block* Fall;

    /// <summary>Address of the next instruction (IP, truncated to the mode's width).</summary>
    public ulong NextRip;

    /// <summary>Semantic routine of the generic path, or null where the threaded handler does everything.</summary>
    public delegate*<X86Cpu, Op*, void> Semantic;

    /// <summary>Second immediate, or the selector of a far pointer; of an x87 instruction its 11-bit opcode.</summary>
    public ulong Imm2;
    public ushort Reg2;
    public ushort Reg3;
    public OperandKind Kind0;
    public OperandKind Kind1;
    public OperandKind Kind2;
    public OperandKind Kind3;

    /// <summary>Size in bytes of the memory operand as Iced reports it, 0 if there is none or it varies.</summary>
    public ushort MemorySize;

    /// <summary>Operand size in bytes of operand 1.</summary>
    public byte Width1;

    /// <summary>Effective operand size of the instruction: 2, 4 or 8 (what 66h, REX.W and the mode decide).</summary>
    public byte OperandSize;

    /// <summary>Iced's <c>Mnemonic</c>.</summary>
    public ushort Mnemonic;

    private readonly ushort _padding0;

    /// <summary>The handler for this op alone where <see cref="Handler"/> runs a fused pair.</summary>
    public delegate*<VcpuContext*, Op*, long, long, void> Single;

    private readonly ulong _padding2;
    private readonly ulong _padding3;

    /// <summary>Address of this instruction, before truncation.</summary>
    public readonly ulong Rip => NextRip - Length;
}

/// <summary>Prefixes and properties of an <see cref="Op"/>.</summary>
[Flags]
public enum OpFlags : byte
{
    None = 0,
    Lock = 1,

    /// <summary>F3: REP or REPE.</summary>
    Rep = 2,

    /// <summary>F2: REPNE.</summary>
    Repne = 4,

    /// <summary>The last op of its block.</summary>
    Last = 8,

    /// <summary>The instruction's bytes lie in two pages.</summary>
    CrossesPage = 16,
}
