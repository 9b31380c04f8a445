using Iced.Intel;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>One assembled instruction under test; a memory operand is [RBX + <see cref="Displacement"/>].</summary>
internal sealed record SimdEncoding(Instruction Instruction, byte[] Bytes, int Displacement)
{
    public bool HasMemory =>
        Instruction.OpCount > 0 && Enumerable.Range(0, Instruction.OpCount).Any(i => Instruction.GetOpKind(i) == OpKind.Memory);

    /// <summary>Bytes of the memory operand.</summary>
    public int MemoryBytes => Instruction.MemorySize.GetSize();

    public bool UsesMmx => Enumerable.Range(0, Instruction.OpCount).Any(i => Instruction.GetOpRegister(i).IsMM());

    public bool UsesXmm => Enumerable.Range(0, Instruction.OpCount)
        .Any(i => Instruction.GetOpRegister(i) is var register && (register.IsXMM() || register.IsYMM()));
}

/// <summary>
/// Every 64-bit legacy encoding of a CPUID feature, taken from the decoder's own tables so that none is forgotten, in its
/// register forms (plain, REX, both operands the same) and its memory form.
/// </summary>
internal static class SimdEncodings
{
    private static readonly Register[] General = [Register.RAX, Register.RSI, Register.R9];

    /// <summary>Moves of whole state and control transfer have tests of their own; x87 and cache control do not compare.</summary>
    private static readonly Mnemonic[] Elsewhere =
    [
        Mnemonic.Fisttp, Mnemonic.Emms, Mnemonic.Ldmxcsr, Mnemonic.Stmxcsr, Mnemonic.Rcpps, Mnemonic.Rcpss, Mnemonic.Rsqrtps,
        Mnemonic.Rsqrtss, Mnemonic.Vldmxcsr, Mnemonic.Vstmxcsr, Mnemonic.Vrcpps, Mnemonic.Vrcpss, Mnemonic.Vrsqrtps, Mnemonic.Vrsqrtss,
    ];

    public static IEnumerable<Code> CodesOf(CpuidFeature feature, EncodingKind encoding = EncodingKind.Legacy) =>
        Enum.GetValues<Code>().Where(code => IsTested(code, encoding) && code.CpuidFeatures().Contains(feature));

    /// <summary>All forms of an instruction; an immediate is drawn for each.</summary>
    public static IEnumerable<SimdEncoding> FormsOf(Code code, Random random, int displacement)
    {
        for (int form = 0; form < 4; form++)
        {
            if (TryEncode(code, form, (byte)random.Next(256), displacement, out SimdEncoding? encoding))
            {
                yield return encoding;
            }
        }
    }

    /// <summary>Form 0 has low registers, 1 has R8 and up, 2 the same register twice, 3 memory.</summary>
    public static bool TryEncode(
        Code code, int form, byte immediate, int displacement,
        [global::System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out SimdEncoding? encoding)
    {
        encoding = null;
        OpCodeInfo info = code.ToOpCode();
        Instruction instruction = new() { Code = code };
        bool memory = false;
        bool alternatives = info.OpCount == 0;
        for (int i = 0; i < info.OpCount; i++)
        {
            OpCodeOperandKind kind = info.GetOpKind(i);
            alternatives |= HasRegisterForm(kind);
            memory |= IsMemory(kind, form);
            SetOperand(ref instruction, i, kind, form, immediate, displacement);
        }

        // A form that says nothing new: an instruction without memory in form 3, or only memory in forms 1 and 2.
        bool onlyMemory = memory && form < 3;
        if ((form == 3 && !memory) || (form is 1 or 2 && (onlyMemory || !alternatives)) || (form == 0 && onlyMemory))
        {
            return false;
        }

        BytesWriter writer = new();
        if (!Encoder.Create(64, writer).TryEncode(instruction, 0, out _, out string? error))
        {
            throw new InvalidOperationException($"{code} form {form}: {error}");
        }

        encoding = new SimdEncoding(instruction, [.. writer.Bytes], memory ? displacement : 0);
        return true;
    }

    private static bool IsTested(Code code, EncodingKind encoding)
    {
        OpCodeInfo info = code.ToOpCode();
        return info is { IsInstruction: true, Mode64: true }
            && info.Encoding == encoding
            && !info.IsReservedNop
            && !info.OpKindsOf().Any(kind => kind.ToString().StartsWith("mem_vsib", StringComparison.Ordinal))
            && !Elsewhere.Contains(code.Mnemonic());
    }

    private static bool HasRegisterForm(OpCodeOperandKind kind) => kind.ToString().Contains("_reg", StringComparison.Ordinal)
        || kind.ToString().Contains("_rm", StringComparison.Ordinal) || kind.ToString().Contains("_or_mem", StringComparison.Ordinal);

    private static bool IsMemory(OpCodeOperandKind kind, int form) =>
        kind == OpCodeOperandKind.mem || (form == 3 && kind.ToString().EndsWith("_or_mem", StringComparison.Ordinal));

    private static void SetOperand(ref Instruction instruction, int i, OpCodeOperandKind kind, int form, byte immediate, int displacement)
    {
        if (IsMemory(kind, form))
        {
            instruction.SetOpKind(i, OpKind.Memory);
            instruction.MemoryBase = Register.RBX;
            instruction.MemoryDisplacement64 = (ulong)displacement;
            instruction.MemoryDisplSize = displacement != 0 ? 8 : 0;
            return;
        }

        string name = kind.ToString();
        int number = form switch { 0 or 3 => 2 + (3 * i), 1 => 9 + (2 * i), _ => 6 };
        if (kind == OpCodeOperandKind.imm8)
        {
            instruction.SetOpKind(i, OpKind.Immediate8);
            instruction.Immediate8 = immediate;
        }
        else if (kind == OpCodeOperandKind.seg_rDI)
        {
            instruction.SetOpKind(i, OpKind.MemorySegRDI);
        }
        else if (name.StartsWith("xmm", StringComparison.Ordinal))
        {
            instruction.SetOpRegister(i, Register.XMM0 + number);
        }
        else if (name.StartsWith("ymm", StringComparison.Ordinal))
        {
            instruction.SetOpRegister(i, Register.YMM0 + number);
        }
        else if (name.StartsWith("mm_", StringComparison.Ordinal))
        {
            instruction.SetOpRegister(i, Register.MM0 + (number & 7));
        }
        else
        {
            instruction.SetOpRegister(i, Sized(General[form switch { 0 or 3 => i, 1 => 2 - i, _ => 1 }], name));
        }
    }

    /// <summary>The part of a general register that an operand kind names; AH..BH stand between BL and SPL.</summary>
    private static Register Sized(Register register, string kind) => kind switch
    {
        _ when kind.StartsWith("r8", StringComparison.Ordinal) =>
            register - Register.RAX + Register.AL + (register >= Register.RSP ? 4 : 0),
        _ when kind.StartsWith("r16", StringComparison.Ordinal) => register - Register.RAX + Register.AX,
        _ when kind.StartsWith("r32", StringComparison.Ordinal) => register.GetFullRegister32(),
        _ when kind.StartsWith("r64", StringComparison.Ordinal) => register,
        _ => throw new InvalidOperationException($"operand kind {kind} is not known"),
    };

    private sealed class BytesWriter : CodeWriter
    {
        public List<byte> Bytes { get; } = [];

        public override void WriteByte(byte value) => Bytes.Add(value);
    }
}

internal static class OpCodeInfoExtensions
{
    public static IEnumerable<OpCodeOperandKind> OpKindsOf(this OpCodeInfo info) =>
        Enumerable.Range(0, info.OpCount).Select(info.GetOpKind);
}
