using Iced.Intel;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>
/// Enumerates the encodings of instructions and builds them with random operands, from Iced's opcode tables. Operands are
/// general registers other than RSP, immediates and memory.
/// </summary>
internal static class InstructionForms
{
    private const int Rsp = 4;

    /// <summary>CMOVcc and SETcc.</summary>
    public static Mnemonic[] Conditional { get; } = [.. Enum.GetValues<Mnemonic>().Where(IsConditional)];

    /// <summary>One row for each 64-bit encoding of the mnemonics and each form that it has and the host can run.</summary>
    public static TheoryData<Code, OperandForm> Of(params Mnemonic[] mnemonics)
    {
        TheoryData<Code, OperandForm> rows = [];
        foreach (Code code in Enum.GetValues<Code>().Where(c => mnemonics.Contains(c.Mnemonic()) && IsCandidate(c)))
        {
            foreach (OperandForm form in Enum.GetValues<OperandForm>().Where(f => HasForm(code, f)))
            {
                rows.Add(code, form);
            }
        }

        return rows;
    }

    public static OpCodeOperandKind[] OperandKinds(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return [.. Enumerable.Range(0, info.OpCount).Select(info.GetOpKind)];
    }

    /// <summary>
    /// A random instance. Memory operands have a base, maybe an index, scale and displacement; a few addresses have 32 bits.
    /// </summary>
    public static Instruction Build(Code code, OperandForm form, Random random)
    {
        Instruction instruction = new() { Code = code, CodeSize = CodeSize.Code64, HasLockPrefix = form == OperandForm.Locked };
        OpCodeOperandKind[] kinds = OperandKinds(code);
        bool rex = form != OperandForm.HighByte && random.Next(2) == 0;
        for (int i = 0; i < kinds.Length; i++)
        {
            SetOperand(ref instruction, i, kinds[i], form, rex, random);
        }

        return instruction;
    }

    /// <summary>The same memory operand with 32-bit registers.</summary>
    public static void MakeAddress32(ref Instruction instruction)
    {
        instruction.MemoryBase = Register.EAX + (instruction.MemoryBase.GetFullRegister() - Register.RAX);
        if (instruction.MemoryIndex != Register.None)
        {
            instruction.MemoryIndex = Register.EAX + (instruction.MemoryIndex.GetFullRegister() - Register.RAX);
        }

        instruction.MemoryDisplSize = instruction.MemoryDisplSize == 8 ? 4 : instruction.MemoryDisplSize;
        instruction.MemoryDisplacement64 = (uint)instruction.MemoryDisplacement64;
    }

    public static byte[] Encode(in Instruction instruction)
    {
        using MemoryStream stream = new();
        Encoder encoder = Encoder.Create(64, new StreamCodeWriter(stream));
        encoder.Encode(instruction, 0);
        return stream.ToArray();
    }

    /// <summary>BSWAP of 16 bits has an undefined result.</summary>
    private static bool IsCandidate(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return info.Mode64 && code != Code.Bswap_r16 && info.IsInstruction && info.Encoding is EncodingKind.Legacy or EncodingKind.VEX
            && HostFeatures.Has(code) && OperandKinds(code).All(IsSupported);
    }

    private static bool IsSupported(OpCodeOperandKind kind) =>
        IsMemory(kind) || RegisterBits(kind) != 0 || Fixed(kind) != Register.None || ImmediateKind(kind) != null;

    private static bool IsConditional(Mnemonic mnemonic)
    {
        string name = mnemonic.ToString();
        return name.StartsWith("Cmov", StringComparison.Ordinal) || name.StartsWith("Set", StringComparison.Ordinal);
    }

    private static bool HasForm(Code code, OperandForm form)
    {
        OpCodeOperandKind[] kinds = OperandKinds(code);
        return form switch
        {
            OperandForm.Register => !kinds.Contains(OpCodeOperandKind.mem),
            OperandForm.HighByte => kinds.Any(k => RegisterBits(k) == 8) && !kinds.Any(k => RegisterBits(k) == 64),
            OperandForm.Memory => kinds.Any(IsMemory),
            _ => kinds.Any(IsMemory) && code.ToOpCode().CanUseLockPrefix && IsMemory(kinds[0]),
        };
    }

    private static void SetOperand(ref Instruction instruction, int i, OpCodeOperandKind kind, OperandForm form, bool rex, Random random)
    {
        if (ImmediateKind(kind) is OpKind immediate)
        {
            instruction.SetOpKind(i, immediate);
            instruction.SetImmediate(i, Immediate(kind, random));
        }
        else if (IsMemory(kind) && (form is OperandForm.Memory or OperandForm.Locked || RegisterBits(kind) == 0))
        {
            instruction.SetOpKind(i, OpKind.Memory);
            SetMemory(ref instruction, rex, random);
        }
        else
        {
            instruction.SetOpKind(i, OpKind.Register);
            instruction.SetOpRegister(
                i, Fixed(kind) is var register and not Register.None ? register : Any(RegisterBits(kind), form, rex, random));
        }
    }

    private static void SetMemory(ref Instruction instruction, bool rex, Random random)
    {
        instruction.MemoryBase = Any(64, OperandForm.Register, rex, random);
        Register index = Any(64, OperandForm.Register, rex, random);
        if (random.Next(2) == 0 && index != instruction.MemoryBase)
        {
            instruction.MemoryIndex = index;
            instruction.MemoryIndexScale = 1 << random.Next(4);
        }

        int displacement = random.Next(3) switch { 0 => 0, 1 => random.Next(-128, 128), _ => random.Next(int.MinValue, int.MaxValue) };
        instruction.MemoryDisplSize = displacement is 0 ? 0 : displacement is >= -128 and < 128 ? 1 : 8;
        instruction.MemoryDisplacement64 = (ulong)(long)displacement;
        if (random.Next(4) == 0)
        {
            MakeAddress32(ref instruction);
        }
    }

    private static Register Any(int bits, OperandForm form, bool rex, Random random)
    {
        if (bits == 8)
        {
            if (form == OperandForm.HighByte)
            {
                return Register.AH + random.Next(4);
            }

            // AL..BL, then past AH..BH and SPL.
            int low = random.Next(rex ? 15 : 4);
            return low < 4 ? Register.AL + low : Register.BPL + (low - 4);
        }

        Register first = bits switch { 16 => Register.AX, 32 => Register.EAX, _ => Register.RAX };
        int number = random.Next(rex ? 15 : 7);
        return first + (number < Rsp ? number : number + 1);
    }

    private static long Immediate(OpCodeOperandKind kind, Random random) => kind switch
    {
        OpCodeOperandKind.imm8_const_1 => 1,
        OpCodeOperandKind.imm8 => random.Next(256),
        OpCodeOperandKind.imm8sex16 or OpCodeOperandKind.imm8sex32 or OpCodeOperandKind.imm8sex64 => random.Next(-128, 128),
        OpCodeOperandKind.imm16 => random.Next(0x10000) >> random.Next(16),
        OpCodeOperandKind.imm32 => random.Next() * 2L >> random.Next(32),
        OpCodeOperandKind.imm32sex64 => random.Next(int.MinValue, int.MaxValue) >> random.Next(32),
        _ => random.NextInt64() * 2 >> random.Next(64),
    };

    private static OpKind? ImmediateKind(OpCodeOperandKind kind) => kind switch
    {
        OpCodeOperandKind.imm8_const_1 or OpCodeOperandKind.imm8 => OpKind.Immediate8,
        OpCodeOperandKind.imm8sex16 => OpKind.Immediate8to16,
        OpCodeOperandKind.imm8sex32 => OpKind.Immediate8to32,
        OpCodeOperandKind.imm8sex64 => OpKind.Immediate8to64,
        OpCodeOperandKind.imm16 => OpKind.Immediate16,
        OpCodeOperandKind.imm32 => OpKind.Immediate32,
        OpCodeOperandKind.imm32sex64 => OpKind.Immediate32to64,
        OpCodeOperandKind.imm64 => OpKind.Immediate64,
        _ => null,
    };

    private static Register Fixed(OpCodeOperandKind kind) => kind switch
    {
        OpCodeOperandKind.al => Register.AL,
        OpCodeOperandKind.cl => Register.CL,
        OpCodeOperandKind.ax => Register.AX,
        OpCodeOperandKind.eax => Register.EAX,
        OpCodeOperandKind.rax => Register.RAX,
        _ => Register.None,
    };

    private static bool IsMemory(OpCodeOperandKind kind) => kind is OpCodeOperandKind.mem or OpCodeOperandKind.r8_or_mem
        or OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r64_or_mem;

    /// <summary>Width of a register that the encoding lets one choose, or 0.</summary>
    private static int RegisterBits(OpCodeOperandKind kind) => kind switch
    {
        OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r8_reg or OpCodeOperandKind.r8_opcode => 8,
        OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r16_reg or OpCodeOperandKind.r16_opcode => 16,
        OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r32_reg or OpCodeOperandKind.r32_opcode or OpCodeOperandKind.r32_vvvv => 32,
        OpCodeOperandKind.r64_or_mem or OpCodeOperandKind.r64_reg or OpCodeOperandKind.r64_opcode or OpCodeOperandKind.r64_vvvv => 64,
        _ => 0,
    };
}
