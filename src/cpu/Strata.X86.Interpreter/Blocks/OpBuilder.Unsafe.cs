using System.Runtime.InteropServices;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Blocks;

/// <summary>Fills an <see cref="Op"/> from an Iced instruction: operands become context offsets, immediates and sizes.</summary>
internal static unsafe class OpBuilder
{
    private static readonly ushort VectorsOffset = (ushort)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Vectors));
    private static readonly ushort FpuOffset = (ushort)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.FpuRegisters));

    private const ushort NoRegister = Gpr.None * 8;

    public static void Fill(Op* op, in Instruction instruction, byte* bytes, ModeBits mode)
    {
        op->Length = (byte)instruction.Length;
        op->NextRip = instruction.NextIP;
        op->Code = (ushort)instruction.Code;
        op->Mnemonic = (ushort)instruction.Mnemonic;
        op->Base = NoRegister;
        op->Index = NoRegister;
        op->Segment = (byte)SegmentIndex.Ds;
        op->AddressSize = DefaultAddressSize(bytes, mode);
        op->OperandSize = OperandSizeOf(instruction, bytes, mode);
        op->Flags |= (instruction.HasLockPrefix ? OpFlags.Lock : 0)
            | (instruction.HasRepPrefix ? OpFlags.Rep : 0)
            | (instruction.HasRepnePrefix ? OpFlags.Repne : 0);
        op->Imm2 = X87Opcode(bytes, instruction.Length, mode);
        bool hasImmediate = false;
        for (int i = 0; i < instruction.OpCount && i < 4; i++)
        {
            OperandKind kind = FillOperand(op, instruction, i, ref hasImmediate, out ushort register, out int width);
            switch (i)
            {
                case 0:
                    (op->Kind0, op->Reg0, op->Width) = (kind, register, (byte)width);
                    break;
                case 1:
                    (op->Kind1, op->Reg1, op->Width1) = (kind, register, (byte)width);
                    break;
                case 2:
                    (op->Kind2, op->Reg2) = (kind, register);
                    break;
                default:
                    (op->Kind3, op->Reg3) = (kind, register);
                    break;
            }
        }
    }

    private static OperandKind FillOperand(
        Op* op, in Instruction instruction, int index, ref bool hasImmediate, out ushort register, out int width)
    {
        register = 0;
        width = 0;
        OpKind kind = instruction.GetOpKind(index);
        switch (kind)
        {
            case OpKind.Register:
                return FillRegister(instruction.GetOpRegister(index), out register, out width);
            case OpKind.Memory:
                FillAddress(op, instruction);
                register = OffsetOfVectorIndex(instruction);
                width = Math.Min(op->MemorySize, (ushort)255);
                return OperandKind.Memory;
            case OpKind.NearBranch16:
            case OpKind.NearBranch32:
            case OpKind.NearBranch64:
                op->Imm = instruction.NearBranchTarget;
                return OperandKind.Branch;
            case OpKind.FarBranch16:
                op->Imm = instruction.FarBranch16;
                op->Imm2 = instruction.FarBranchSelector;
                width = 2;
                return OperandKind.FarPointer;
            case OpKind.FarBranch32:
                op->Imm = instruction.FarBranch32;
                op->Imm2 = instruction.FarBranchSelector;
                width = 4;
                return OperandKind.FarPointer;
            case >= OpKind.MemorySegSI and <= OpKind.MemoryESRDI:
                op->Segment = kind >= OpKind.MemoryESDI ? op->Segment : (byte)SegmentOf(instruction.MemorySegment);
                op->MemorySize = (ushort)instruction.MemorySize.GetSize();
                width = op->MemorySize;
                return OperandKind.Memory;
            default:
                ulong value = instruction.GetImmediate(index);
                if (hasImmediate)
                {
                    op->Imm2 = value;
                }
                else
                {
                    op->Imm = value;
                }

                hasImmediate = true;
                return OperandKind.Immediate;
        }
    }

    private static OperandKind FillRegister(Register name, out ushort register, out int width)
    {
        width = name.GetSize();
        register = 0;
        if (name.IsGPR())
        {
            register = GprOffset(name);
            return OperandKind.Gpr;
        }

        int number = name.GetNumber();
        if (name.IsVectorRegister())
        {
            register = (ushort)(VectorsOffset + (number * 32));
            return OperandKind.Vector;
        }

        if (name.IsMM())
        {
            register = (ushort)(FpuOffset + (number * 16));
            return OperandKind.Mmx;
        }

        register = (ushort)number;
        return name.IsSegmentRegister() ? OperandKind.Segment
            : name.IsST() ? OperandKind.Stack87
            : name.IsCR() ? OperandKind.Control
            : name.IsDR() ? OperandKind.Debug
            : OperandKind.None;
    }

    private static ushort GprOffset(Register name)
    {
        int full = name.GetFullRegister().GetNumber();
        bool high = name is >= Register.AH and <= Register.BH;
        return (ushort)((full * 8) + (high ? 1 : 0));
    }

    private static void FillAddress(Op* op, in Instruction instruction)
    {
        op->MemorySize = (ushort)instruction.MemorySize.GetSize();
        op->Segment = (byte)SegmentOf(instruction.MemorySegment);
        Register addressBase = instruction.MemoryBase;
        Register index = instruction.MemoryIndex;
        if (instruction.IsIPRelativeMemoryOperand)
        {
            op->Disp = instruction.IPRelativeMemoryAddress;
            op->AddressSize = (byte)(addressBase == Register.EIP ? 4 : 8);
            return;
        }

        op->Disp = instruction.MemoryDisplacement64;
        if (addressBase != Register.None)
        {
            op->Base = GprOffset(addressBase);
        }

        op->Scale = instruction.MemoryIndexScale switch { 1 => 0, 2 => 1, 4 => 2, _ => 3 };
        if (index != Register.None && !index.IsVectorRegister())
        {
            op->Index = GprOffset(index);
        }
    }

    /// <summary>Gathers have a vector of indices.</summary>
    private static ushort OffsetOfVectorIndex(in Instruction instruction) => instruction.MemoryIndex.IsVectorRegister()
        ? (ushort)(VectorsOffset + (instruction.MemoryIndex.GetNumber() * 32))
        : (ushort)0;

    private static SegmentIndex SegmentOf(Register segment) => segment switch
    {
        Register.ES => SegmentIndex.Es,
        Register.CS => SegmentIndex.Cs,
        Register.SS => SegmentIndex.Ss,
        Register.FS => SegmentIndex.Fs,
        Register.GS => SegmentIndex.Gs,
        _ => SegmentIndex.Ds,
    };

    /// <summary>Address size of the instruction, as the mode and the 67h prefix say.</summary>
    private static byte DefaultAddressSize(byte* bytes, ModeBits mode)
    {
        bool prefix = HasPrefix(bytes, 0x67, mode, out _);
        return (mode & ModeBits.Code64) != 0 ? (byte)(prefix ? 4 : 8)
            : ((mode & ModeBits.Code32) != 0) != prefix ? (byte)4
            : (byte)2;
    }

    /// <summary>Operand size as the mode, 66h and REX.W say; near branches and stack instructions are 8 bytes in 64-bit mode.</summary>
    private static byte OperandSizeOf(in Instruction instruction, byte* bytes, ModeBits mode)
    {
        bool prefix = HasPrefix(bytes, 0x66, mode, out bool wide);
        if ((mode & ModeBits.Code64) == 0)
        {
            return ((mode & ModeBits.Code32) != 0) != prefix ? (byte)4 : (byte)2;
        }

        if (wide || IsNearBranch(instruction.Code))
        {
            return 8;
        }

        bool defaultsTo64 = instruction.Mnemonic is Mnemonic.Push or Mnemonic.Pop or Mnemonic.Call or Mnemonic.Ret or Mnemonic.Jmp
            or Mnemonic.Enter or Mnemonic.Leave or Mnemonic.Pushfq or Mnemonic.Popfq;
        return prefix ? (byte)2 : defaultsTo64 ? (byte)8 : (byte)4;
    }

    /// <summary>
    /// Near branches of 64-bit mode have 64 bits whatever prefixes there are. Intel SDM Vol. 1, "Branch Instructions in 64-Bit Mode".
    /// </summary>
    private static bool IsNearBranch(Code code) => code is Code.Retnq or Code.Retnq_imm16 or Code.Call_rel32_64 or Code.Call_rm64
        or Code.Jmp_rel8_64 or Code.Jmp_rel32_64 or Code.Jmp_rm64;

    /// <summary>The 11 bits that the FPU keeps as its last opcode; zero for other instructions.</summary>
    private static ulong X87Opcode(byte* bytes, int length, ModeBits mode)
    {
        for (int i = 0; i < length - 1; i++)
        {
            byte b = bytes[i];
            if ((b & 0xF8) == 0xD8)
            {
                return ((ulong)(b & 7) << 8) | bytes[i + 1];
            }

            bool rex = (mode & ModeBits.Code64) != 0 && (b & 0xF0) == 0x40;
            if (!rex && b is not (0x26 or 0x2E or 0x36 or 0x3E or 0x64 or 0x65 or 0x66 or 0x67 or 0xF0 or 0xF2 or 0xF3))
            {
                return 0;
            }
        }

        return 0;
    }

    private static bool HasPrefix(byte* bytes, byte wanted, ModeBits mode, out bool rexW)
    {
        bool found = false;
        rexW = false;
        for (int i = 0; i < 14; i++)
        {
            byte b = bytes[i];
            bool isRex = (mode & ModeBits.Code64) != 0 && (b & 0xF0) == 0x40;
            if (!isRex && b is not (0x26 or 0x2E or 0x36 or 0x3E or 0x64 or 0x65 or 0x66 or 0x67 or 0xF0 or 0xF2 or 0xF3))
            {
                break;
            }

            found |= b == wanted;
            rexW = isRex && (b & 8) != 0; // counts right before the opcode only
        }

        return found;
    }
}
