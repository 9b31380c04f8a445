using Iced.Intel;

namespace Strata.Conformance.Tests.Programs;

/// <summary>
/// Random instances of an encoding, from Iced's operand tables. Registers r10, r12, r14, rbx, rbp, rsi, rdi and rsp are meant to
/// hold addresses: they are the usual bases and seldom destinations, so that a program lives for a while.
/// </summary>
/// <param name="data">Offset of the data, 32 KiB, for absolute addresses.</param>
internal sealed class InstructionWriter(Random random, int bitness, ulong data)
{
    private static readonly int[] Pointers = [3, 3, 5, 6, 7, 10, 12, 14, 4];
    private static readonly int[] Values = [0, 1, 2, 8, 9, 11, 13, 15];
    private static readonly int[] NarrowPointers = [3, 5, 6, 7];
    private static readonly int[] NarrowValues = [0, 1, 2];

    /// <summary>What accessed memory last by registers.</summary>
    private Instruction _near;

    /// <summary>Whether this string instruction uses SI and DI.</summary>
    private bool _narrowString;

    /// <summary>An instance of an encoding at an address; empty if the encoder has no such instance.</summary>
    /// <param name="target">Where a branch or RIP-relative operand may lead.</param>
    public byte[] Write(Code code, ulong rip, ulong target)
    {
        OpCodeInfo info = code.ToOpCode();
        _narrowString = bitness == 16 && random.Next(4) != 0;
        Instruction instruction = new()
        {
            Code = code,
            CodeSize = bitness switch { 64 => CodeSize.Code64, 32 => CodeSize.Code32, _ => CodeSize.Code16 },
        };
        for (int i = 0; i < info.OpCount; i++)
        {
            if (!TrySetOperand(ref instruction, i, info.GetOpKind(i), target))
            {
                return [];
            }
        }

        AddPrefixes(ref instruction, info);
        using MemoryStream stream = new();
        Encoder encoder = Encoder.Create(bitness, new StreamCodeWriter(stream));
        return encoder.TryEncode(instruction, rip, out _, out _) ? stream.ToArray() : [];
    }

    private void AddPrefixes(ref Instruction instruction, OpCodeInfo info)
    {
        instruction.HasLockPrefix = info.CanUseLockPrefix && instruction.Op0Kind == OpKind.Memory && random.Next(4) == 0;
        if (info.CanUseRepPrefix && random.Next(2) == 0)
        {
            instruction.HasRepPrefix = true;
        }
        else if (info.CanUseRepnePrefix && random.Next(4) == 0)
        {
            instruction.HasRepnePrefix = true;
        }
    }

    private bool TrySetOperand(ref Instruction instruction, int i, OpCodeOperandKind kind, ulong target)
    {
        string name = kind.ToString();
        bool eitherOr = name.Contains("_or_mem", StringComparison.Ordinal);
        bool memory = kind is OpCodeOperandKind.mem or OpCodeOperandKind.mem_mpx || (eitherOr && random.Next(2) == 0);
        if (memory)
        {
            instruction.SetOpKind(i, OpKind.Memory);
            SetMemory(ref instruction, target);
            return true;
        }

        if (name.StartsWith("mem_vsib", StringComparison.Ordinal))
        {
            instruction.SetOpKind(i, OpKind.Memory);
            SetVectorMemory(ref instruction, name[^1] == 'x' ? Register.XMM0 : Register.YMM0);
            return true;
        }

        if (kind == OpCodeOperandKind.mem_offs)
        {
            instruction.SetOpKind(i, OpKind.Memory);
            SetAbsolute(ref instruction, target);
            return true;
        }

        if (FixedRegister(kind) is var known and not Register.None)
        {
            instruction.SetOpKind(i, OpKind.Register);
            instruction.SetOpRegister(i, known);
            return true;
        }

        if (ChooseRegister(name, i == 0) is var register and not Register.None)
        {
            instruction.SetOpKind(i, OpKind.Register);
            instruction.SetOpRegister(i, register);
            return true;
        }

        return TrySetImmediate(ref instruction, i, kind)
            || TrySetBranch(ref instruction, i, kind, target)
            || TrySetString(ref instruction, i, kind);
    }

    private static Register FixedRegister(OpCodeOperandKind kind) => kind switch
    {
        OpCodeOperandKind.es => Register.ES,
        OpCodeOperandKind.cs => Register.CS,
        OpCodeOperandKind.ss => Register.SS,
        OpCodeOperandKind.ds => Register.DS,
        OpCodeOperandKind.fs => Register.FS,
        OpCodeOperandKind.gs => Register.GS,
        OpCodeOperandKind.al => Register.AL,
        OpCodeOperandKind.cl => Register.CL,
        OpCodeOperandKind.ax => Register.AX,
        OpCodeOperandKind.dx => Register.DX,
        OpCodeOperandKind.eax => Register.EAX,
        OpCodeOperandKind.rax => Register.RAX,
        OpCodeOperandKind.st0 => Register.ST0,
        _ => Register.None,
    };

    private Register ChooseRegister(string kind, bool isDestination)
    {
        string type = kind.Split('_')[0];
        int low = random.Next(8);
        int wide = bitness == 64 ? random.Next(16) : low;
        return type switch
        {
            "r8" => Register.AL + (bitness == 64 ? random.Next(20) : random.Next(8)),
            "r16" => Register.AX + General(isDestination),
            "r32" => Register.EAX + General(isDestination),
            "r64" => Register.RAX + General(isDestination),
            "xmm" => Register.XMM0 + wide,
            "ymm" => Register.YMM0 + wide,
            "mm" => Register.MM0 + low,
            "sti" => Register.ST0 + low,
            "seg" when kind == "seg_reg" => Register.ES + random.Next(6),
            "cr" => Register.CR0 + random.Next(5),
            "dr" => Register.DR0 + low,
            _ => Register.None,
        };
    }

    /// <summary>A general register: a destination seldom is one that holds an address.</summary>
    private int General(bool isDestination)
    {
        int[] values = bitness == 64 ? Values : NarrowValues;
        return isDestination && random.Next(8) != 0 ? values[random.Next(values.Length)] : random.Next(bitness == 64 ? 16 : 8);
    }

    private void SetMemory(ref Instruction instruction, ulong target)
    {
        int style = random.Next(20);
        if (bitness == 64 && style == 0)
        {
            instruction.MemoryBase = Register.RIP;
            instruction.MemoryDisplacement64 = target;
            instruction.MemoryDisplSize = 8;
            return;
        }

        if (bitness == 32 && style < 3)
        {
            SetAbsolute(ref instruction, target);
            return;
        }

        if (bitness == 16 && random.Next(4) != 0)
        {
            SetMemory16(ref instruction);
            return;
        }

        bool narrow = bitness == 64 && style == 1;
        Register first = bitness == 64 && !narrow ? Register.RAX : Register.EAX;
        int[] pointers = bitness == 64 ? Pointers : NarrowPointers;
        if (!narrow && _near.MemoryBase != Register.None && random.Next(2) == 0)
        {
            SetNear(ref instruction);
            return;
        }

        instruction.MemoryBase = first + (
            random.Next(16) == 0 ? random.Next(bitness == 64 ? 16 : 8) : pointers[random.Next(pointers.Length)]);
        if (random.Next(5) == 0)
        {
            int index = bitness == 64 ? Values[random.Next(Values.Length)] : NarrowValues[random.Next(NarrowValues.Length)];
            instruction.MemoryIndex = first + index;
            instruction.MemoryIndexScale = 1 << random.Next(4);
        }

        int displacement = random.Next(8) switch { < 4 => 0, < 7 => random.Next(-128, 128), _ => random.Next(-8192, 8192) };
        instruction.MemoryDisplSize = displacement is 0 ? 0 : displacement is >= -128 and < 128 ? 1 : bitness == 64 && !narrow ? 8 : 4;
        instruction.MemoryDisplacement64 = bitness == 64 && !narrow ? (ulong)displacement : (uint)displacement;
        instruction.SegmentPrefix = random.Next(16) switch { 0 => Register.FS, 1 => Register.GS, 2 => Register.SS, _ => Register.None };
        _near = narrow ? default : instruction;
    }

    /// <summary>Addresses from a base and a vector of indices, which seldom are small.</summary>
    private void SetVectorMemory(ref Instruction instruction, Register first)
    {
        int[] pointers = bitness == 64 ? Pointers : NarrowPointers;
        instruction.MemoryBase = (bitness == 64 ? Register.RAX : Register.EAX) + pointers[random.Next(pointers.Length)];
        instruction.MemoryIndex = first + random.Next(bitness == 64 ? 16 : 8);
        instruction.MemoryIndexScale = 1 << random.Next(4);
    }

    /// <summary>An address of 16 bits; its registers hold pointers, of which only the lower halves count.</summary>
    private void SetMemory16(ref Instruction instruction)
    {
        (instruction.MemoryBase, instruction.MemoryIndex) = random.Next(8) switch
        {
            0 => (Register.BX, Register.SI),
            1 => (Register.BX, Register.DI),
            2 => (Register.BP, Register.SI),
            3 => (Register.BP, Register.DI),
            4 => (Register.SI, Register.None),
            5 => (Register.DI, Register.None),
            6 => (Register.BP, Register.None),
            _ => (Register.BX, Register.None),
        };
        int displacement = random.Next(8) switch { < 4 => 0, < 7 => random.Next(-128, 128), _ => random.Next(0x10000) };
        instruction.MemoryDisplSize = displacement is 0 ? 0 : displacement is >= -128 and < 128 ? 1 : 2;
        instruction.MemoryDisplacement64 = (ushort)displacement;
        instruction.SegmentPrefix = SegmentPrefix();
    }

    private Register SegmentPrefix() => random.Next(16) switch
    {
        0 => Register.FS,
        1 => Register.GS,
        2 => Register.SS,
        3 => Register.CS,
        4 => Register.ES,
        _ => Register.None,
    };

    /// <summary>Near what an instruction before it accesses: by the same registers, as the fields of a structure are.</summary>
    private void SetNear(ref Instruction instruction)
    {
        instruction.MemoryBase = _near.MemoryBase;
        instruction.MemoryIndex = _near.MemoryIndex;
        instruction.MemoryIndexScale = _near.MemoryIndexScale;
        int displacement = (int)_near.MemoryDisplacement64 + random.Next(-64, 64);
        instruction.MemoryDisplSize = bitness == 64 ? 8 : 4;
        instruction.MemoryDisplacement64 = bitness == 64 ? (ulong)displacement : (uint)displacement;
    }

    /// <summary>An address without registers: mostly among the data, in 32-bit code seldom at the end of memory.</summary>
    private void SetAbsolute(ref Instruction instruction, ulong target)
    {
        ulong address = random.Next(8) switch
        {
            0 => target,
            1 when bitness == 32 => uint.MaxValue - (ulong)random.Next(16),
            _ => data + (ulong)random.Next(0x8000),
        };
        instruction.MemoryDisplSize = bitness / 8;
        instruction.MemoryDisplacement64 = bitness == 16 ? (ushort)address : address;
        instruction.SegmentPrefix = random.Next(12) switch { 0 => Register.FS, 1 => Register.GS, 2 => Register.ES, _ => Register.None };
    }

    private bool TrySetImmediate(ref Instruction instruction, int i, OpCodeOperandKind kind)
    {
        (OpKind Kind, long Value)? immediate = kind switch
        {
            OpCodeOperandKind.imm8_const_1 => (OpKind.Immediate8, 1),
            OpCodeOperandKind.imm8 => (OpKind.Immediate8, random.Next(256)),
            OpCodeOperandKind.imm8sex16 => (OpKind.Immediate8to16, random.Next(-128, 128)),
            OpCodeOperandKind.imm8sex32 => (OpKind.Immediate8to32, random.Next(-128, 128)),
            OpCodeOperandKind.imm8sex64 => (OpKind.Immediate8to64, random.Next(-128, 128)),
            OpCodeOperandKind.imm16 => (OpKind.Immediate16, random.Next(0x10000)),
            OpCodeOperandKind.imm32 => (OpKind.Immediate32, random.NextInt64(1L << 32) >> random.Next(32)),
            OpCodeOperandKind.imm32sex64 => (OpKind.Immediate32to64, random.Next(int.MinValue, int.MaxValue) >> random.Next(32)),
            OpCodeOperandKind.imm64 => (OpKind.Immediate64, random.NextInt64() * 2 >> random.Next(64)),
            _ => null,
        };
        if (immediate is not var (opKind, value))
        {
            return false;
        }

        // ENTER's second operand is Iced's second 8-bit immediate.
        instruction.SetOpKind(i, instruction.Mnemonic == Mnemonic.Enter && i == 1 ? OpKind.Immediate8_2nd : opKind);
        instruction.SetImmediate(i, value);
        return true;
    }

    private static bool TrySetBranch(ref Instruction instruction, int i, OpCodeOperandKind kind, ulong target)
    {
        OpKind? branch = kind switch
        {
            OpCodeOperandKind.br16_1 or OpCodeOperandKind.br16_2 => OpKind.NearBranch16,
            OpCodeOperandKind.br32_1 or OpCodeOperandKind.br32_4 => OpKind.NearBranch32,
            OpCodeOperandKind.br64_1 or OpCodeOperandKind.br64_4 => OpKind.NearBranch64,
            _ => null,
        };
        if (branch == null)
        {
            return false;
        }

        instruction.SetOpKind(i, branch.Value);
        instruction.NearBranch64 = target;
        return true;
    }

    private bool TrySetString(ref Instruction instruction, int i, OpCodeOperandKind kind)
    {
        OpKind? operand = kind switch
        {
            OpCodeOperandKind.seg_rSI => _narrowString ? OpKind.MemorySegSI : bitness == 64 ? OpKind.MemorySegRSI : OpKind.MemorySegESI,
            OpCodeOperandKind.es_rDI => _narrowString ? OpKind.MemoryESDI : bitness == 64 ? OpKind.MemoryESRDI : OpKind.MemoryESEDI,
            OpCodeOperandKind.seg_rDI => bitness == 64 ? OpKind.MemorySegRDI : OpKind.MemorySegEDI,
            _ => null,
        };
        if (operand != null)
        {
            instruction.SetOpKind(i, operand.Value);
            return true;
        }

        if (kind == OpCodeOperandKind.seg_rBX_al)
        {
            instruction.SetOpKind(i, OpKind.Memory);
            instruction.MemoryBase = bitness == 64 ? Register.RBX : Register.EBX;
            instruction.MemoryIndex = Register.AL;
            return true;
        }

        return false;
    }
}
