using System.Runtime.CompilerServices;
using Strata.X86.Cpuid;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// Writes host machine code: the few forms that translation needs, byte by byte. Intel SDM Vol. 2, "Instruction Format".
/// Registers are numbers 0..15; the caller makes sure that the buffer has room.
/// </summary>
internal unsafe ref partial struct HostAssembler(byte* at)
{
    /// <summary>Where the next byte goes.</summary>
    public const int ShiftLeft = 4;
    public const int ShiftRight = 5;
    public const int ShiftRightSigned = 7;

    public byte* At = at;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Byte(int value) => *At++ = (byte)value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Dword(int value)
    {
        *(int*)At = value;
        At += 4;
    }

    public void Qword(ulong value)
    {
        *(ulong*)At = value;
        At += 8;
    }

    /// <summary>ModRM (and SIB, displacement) for a register and a memory operand.</summary>
    public void Memory(int register, int @base, int displacement)
    {
        int low = @base & 7;
        bool small = displacement is >= -128 and <= 127;
        int mod = displacement == 0 && low != 5 ? 0 : small ? 1 : 2;
        Byte((mod << 6) | ((register & 7) << 3) | low);
        if (low == 4)
        {
            Byte(0x24);
        }

        Displacement(mod, displacement);
    }

    /// <summary>ModRM, SIB and displacement for base + index * 2^scale + displacement. A base of −1 is none.</summary>
    public void Memory(int register, int @base, int index, int scale, int displacement)
    {
        bool hasBase = @base >= 0;
        int mod = !hasBase || (displacement == 0 && (@base & 7) != 5) ? 0 : displacement is >= -128 and <= 127 ? 1 : 2;
        Byte((mod << 6) | ((register & 7) << 3) | 4);
        Byte((scale << 6) | ((index & 7) << 3) | (hasBase ? @base & 7 : 5));
        if (!hasBase)
        {
            Dword(displacement);
            return;
        }

        Displacement(mod, displacement);
    }

    public void Memory(int register, in HostOperand operand)
    {
        if (operand.Index >= 0)
        {
            Memory(register, operand.Base, operand.Index, 0, operand.Displacement);
        }
        else
        {
            Memory(register, operand.Base, operand.Displacement);
        }
    }

    /// <summary>32- or 64-bit operation with a register and a memory operand.</summary>
    public void Op(int opcode, int register, in HostOperand operand, bool wide)
    {
        int rex = (wide ? 8 : 0) | ((register >> 3) << 2) | operand.Rex;
        if (rex != 0)
        {
            Byte(0x40 | rex);
        }

        Byte(opcode);
        Memory(register, operand);
    }

    public void Load(int register, in HostOperand operand) => Op(0x8B, register, operand, wide: true);

    public void Store(in HostOperand operand, int register) => Op(0x89, register, operand, wide: true);

    /// <summary>MOV qword, imm32 (sign-extended).</summary>
    public void StoreImmediate(in HostOperand operand, int value)
    {
        Op(0xC7, 0, operand, wide: true);
        Dword(value);
    }

    /// <summary>CMP qword [base + displacement], imm32 (sign-extended).</summary>
    public void CompareQword(int @base, int displacement, int value)
    {
        Op64(0x81, 7, @base, displacement);
        Dword(value);
    }

    /// <summary>64-bit operation with a register and [base + displacement].</summary>
    public void Op64(int opcode, int register, int @base, int displacement)
    {
        Byte(0x48 | ((register >> 3) << 2) | (@base >> 3));
        Byte(opcode);
        Memory(register, @base, displacement);
    }

    /// <summary>32-bit operation with a register and [base + displacement].</summary>
    public void Op32(int opcode, int register, int @base, int displacement)
    {
        int rex = ((register >> 3) << 2) | (@base >> 3);
        if (rex != 0)
        {
            Byte(0x40 | rex);
        }

        Byte(opcode);
        Memory(register, @base, displacement);
    }

    /// <summary>64-bit operation with a register and [base + index + displacement].</summary>
    public void Op64Indexed(int opcode, int register, int @base, int index, int displacement)
    {
        Byte(0x48 | ((register >> 3) << 2) | ((index >> 3) << 1) | (@base >> 3));
        Byte(opcode);
        Memory(register, @base, index, 0, displacement);
    }

    /// <summary>64-bit operation of two registers; <paramref name="rm"/> is the ModRM.rm operand.</summary>
    public void Op64(int opcode, int register, int rm)
    {
        Byte(0x48 | ((register >> 3) << 2) | (rm >> 3));
        Byte(opcode);
        Byte(0xC0 | ((register & 7) << 3) | (rm & 7));
    }

    public void Move(int to, int from) => Op64(0x89, from, to);

    public void Load(int register, int @base, int displacement) => Op64(0x8B, register, @base, displacement);

    public void Store(int @base, int displacement, int register) => Op64(0x89, register, @base, displacement);

    public void LoadFrame(int register, int offset) => Load(register, HostRegister.Rsp, offset);

    public void StoreFrame(int offset, int register) => Store(HostRegister.Rsp, offset, register);

    public void Lea(int register, int @base, int displacement) => Op64(0x8D, register, @base, displacement);

    /// <summary>LEA with all parts; <paramref name="wide"/> false gives a zero-extended 32-bit result.</summary>
    public void Lea(int register, int @base, int index, int scale, int displacement, bool wide)
    {
        int rex = (wide ? 8 : 0) | ((register >> 3) << 2) | (index >= 0 ? (index >> 3) << 1 : 0) | (@base >= 0 ? @base >> 3 : 0);
        if (rex != 0)
        {
            Byte(0x40 | rex);
        }

        Byte(0x8D);
        if (index >= 0)
        {
            Memory(register, @base, index, scale, displacement);
        }
        else if (@base >= 0)
        {
            Memory(register, @base, displacement);
        }
        else
        {
            // Neither: SIB without base and index.
            Byte(((register & 7) << 3) | 4);
            Byte(0x25);
            Dword(displacement);
        }
    }

    /// <summary>Loads a constant in the shortest form; flags stay.</summary>
    public void LoadConstant(int register, ulong value)
    {
        if (value <= uint.MaxValue)
        {
            if (register >= 8)
            {
                Byte(0x41);
            }

            Byte(0xB8 | (register & 7));
            Dword((int)value);
        }
        else if ((long)value == (int)value)
        {
            Byte(0x48 | (register >> 3));
            Byte(0xC7);
            Byte(0xC0 | (register & 7));
            Dword((int)value);
        }
        else
        {
            Byte(0x48 | (register >> 3));
            Byte(0xB8 | (register & 7));
            Qword(value);
        }
    }

    /// <summary>Logical shift right of a copy; RORX where the host has it. Only the low 32 bits of the result are meaningful.</summary>
    public void ShiftedCopy(int to, int from, int count)
    {
        if (HostCpu.HasBmi2)
        {
            Byte(0xC4);
            Byte(((to >> 3) == 0 ? 0x80 : 0) | 0x40 | ((from >> 3) == 0 ? 0x20 : 0) | 3);
            Byte(0xFB); // W1, vvvv unused, L0, F2
            Byte(0xF0);
            Byte(0xC0 | ((to & 7) << 3) | (from & 7));
            Byte(count);
            return;
        }

        Move(to, from);
        Byte(0x48 | (to >> 3));
        Byte(0xC1);
        Byte(0xE8 | (to & 7));
        Byte(count);
    }

    /// <summary>AND r32, imm32.</summary>
    public void And32(int register, int mask) => Immediate32(4, register, mask, wide: false);

    /// <summary>Group-1 operation with a 32-bit immediate.</summary>
    public void Immediate32(int operation, int register, int value, bool wide)
    {
        int rex = (wide ? 8 : 0) | (register >> 3);
        if (rex != 0)
        {
            Byte(0x40 | rex);
        }

        if (value is >= -128 and <= 127)
        {
            Byte(0x83);
            Byte(0xC0 | (operation << 3) | (register & 7));
            Byte(value);
            return;
        }

        Byte(0x81);
        Byte(0xC0 | (operation << 3) | (register & 7));
        Dword(value);
    }

    /// <summary>CMP dword [base + displacement], imm8.</summary>
    public void CompareDword(int @base, int displacement, int value)
    {
        if (@base >= 8)
        {
            Byte(0x41);
        }

        Byte(0x83);
        Memory(7, @base, displacement);
        Byte(value);
    }

    /// <summary>Bytes from the constant of a <see cref="JumpIfDword"/> to the displacement of its jump.</summary>
    public const int LinkNumberBefore = sizeof(int) + 2;

    /// <summary>CMP dword [base + displacement], imm32, of zero for now, and a jump: both are patched.</summary>
    /// <returns>Where the jump's displacement lies; <see cref="LinkNumber"/> finds the constant.</returns>
    public byte* JumpIfDword(int condition, int @base, int displacement)
    {
        if (@base >= 8)
        {
            Byte(0x41);
        }

        Byte(0x81);
        Memory(7, @base, displacement);
        Dword(0);
        return JumpIf(condition);
    }

    /// <summary>The constant of a <see cref="JumpIfDword"/> whose displacement lies at <paramref name="place"/>.</summary>
    public static uint* LinkNumber(byte* place) => (uint*)(place - LinkNumberBefore);

    /// <summary>MOV dword [base + displacement], imm32.</summary>
    public void StoreDword(int @base, int displacement, int value)
    {
        if (@base >= 8)
        {
            Byte(0x41);
        }

        Byte(0xC7);
        Memory(0, @base, displacement);
        Dword(value);
    }

    /// <summary>Jump on a condition code, 32-bit displacement.</summary>
    /// <returns>Where the displacement lies, for <see cref="Patch"/>.</returns>
    public byte* JumpIf(int condition)
    {
        Byte(0x0F);
        Byte(0x80 | condition);
        Dword(0);
        return At - 4;
    }

    public byte* Jump()
    {
        Byte(0xE9);
        Dword(0);
        return At - 4;
    }

    public void Jump(byte* target) => Patch(Jump(), target);

    public void JumpIf(int condition, byte* target) => Patch(JumpIf(condition), target);

    public void Call(byte* target)
    {
        Byte(0xE8);
        Dword(0);
        Patch(At - 4, target);
    }

    /// <summary>JMP [base + displacement].</summary>
    public void JumpMemory(int @base, int displacement)
    {
        if (@base >= 8)
        {
            Byte(0x41);
        }

        Byte(0xFF);
        Memory(4, @base, displacement);
    }

    /// <summary>
    /// Goes on at the guest address in Scratch1 if the jump table knows it, with Scratch2's help. Otherwise Scratch1 holds the tag:
    /// the address with the salt.
    /// </summary>
    /// <returns>The displacement of the jump that is taken otherwise.</returns>
    public byte* JumpThroughTable()
    {
        const int xor = 0x33;
        const int compare = 0x3B;
        ShiftedCopy(HostRegister.Scratch2, HostRegister.Scratch1, 10);
        Op64(xor, HostRegister.Scratch2, HostRegister.Scratch1);
        And32(HostRegister.Scratch2, Cache.JumpEntry.Count - 1);
        Shift64(ShiftLeft, HostRegister.Scratch2, 4);
        Op64(0x03, HostRegister.Scratch2, HostRegister.Rsp, Frame.JumpTable);
        Op64(xor, HostRegister.Scratch1, HostRegister.Rsp, Frame.Salt);
        Op64(compare, HostRegister.Scratch1, HostRegister.Scratch2, 0);
        byte* unknown = JumpIf(HostCondition.NotEqual);
        JumpMemory(HostRegister.Scratch2, 8);
        return unknown;
    }

    /// <summary>A shift of 64 bits by a constant.</summary>
    /// <param name="group">One of the group-2 operations below.</param>
    public void Shift64(int group, int register, int count)
    {
        Byte(0x48 | (register >> 3));
        Byte(0xC1);
        Byte(0xC0 | (group << 3) | (register & 7));
        Byte(count);
    }

    /// <summary>IMUL r64, r64, imm32 of a register by a constant.</summary>
    public void Multiply(int register, int value)
    {
        Byte(0x48 | ((register >> 3) << 2) | (register >> 3));
        Byte(0x69);
        Byte(0xC0 | ((register & 7) << 3) | (register & 7));
        Dword(value);
    }

    /// <summary>TEST r32, imm32.</summary>
    public void TestDword(int register, int mask)
    {
        if (register >= 8)
        {
            Byte(0x41);
        }

        Byte(0xF7);
        Byte(0xC0 | (register & 7));
        Dword(mask);
    }

    /// <summary>Flags into the frame: AH = LAHF, AL = OF. Changes no flag; uses <see cref="HostRegister.Scratch2"/>.</summary>
    public void SaveFlags()
    {
        Move(HostRegister.Scratch2, HostRegister.Rax);
        Byte(0x9F); // lahf
        Byte(0x0F); // seto al
        Byte(0x90);
        Byte(0xC0);
        Byte(0x66); // mov [rsp + Flags], ax
        Byte(0x89);
        Memory(HostRegister.Rax, HostRegister.Rsp, Frame.Flags);
        Move(HostRegister.Rax, HostRegister.Scratch2);
    }

    /// <summary>The reverse of <see cref="SaveFlags"/>.</summary>
    public void RestoreFlags()
    {
        Move(HostRegister.Scratch2, HostRegister.Rax);
        Byte(0x0F); // movzx eax, word [rsp + Flags]
        Byte(0xB7);
        Memory(HostRegister.Rax, HostRegister.Rsp, Frame.Flags);
        Byte(0x04); // add al, 127: OF if AL was 1
        Byte(0x7F);
        Byte(0x9E); // sahf
        Move(HostRegister.Rax, HostRegister.Scratch2);
    }

    /// <summary>Where the 32-bit displacement at <paramref name="place"/> leads to.</summary>
    public static byte* TargetOf(byte* place) => place + sizeof(int) + *(int*)place;

    /// <summary>Sets the 32-bit displacement at <paramref name="place"/> so that it leads to <paramref name="target"/>.</summary>
    public static void Patch(byte* place, byte* target) => *(int*)place = (int)(target - (place + 4));

    private void Displacement(int mod, int displacement)
    {
        if (mod == 1)
        {
            Byte(displacement);
        }
        else if (mod == 2)
        {
            Dword(displacement);
        }
    }
}

/// <summary>Condition codes of Jcc and SETcc.</summary>
internal static class HostCondition
{
    public const int Below = 2;
    public const int AboveOrEqual = 3;
    public const int Equal = 4;
    public const int NotEqual = 5;
    public const int Carry = Below;
    public const int NoCarry = AboveOrEqual;
    public const int BelowOrEqual = 6;
    public const int Above = 7;
}
