using System.Numerics;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>SSE4.2 string comparison and the SSE4.1 leftovers. Intel SDM Vol. 1, "String and Text Processing Instructions".</summary>
internal static unsafe class SseTextInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Pcmpistri, &CompareStrings);
        table.Add(Mnemonic.Pcmpistrm, &CompareStrings);
        table.Add(Mnemonic.Pcmpestri, &CompareStrings);
        table.Add(Mnemonic.Pcmpestrm, &CompareStrings);
        table.Add(Mnemonic.Pcmpestri64, &CompareStrings);
        table.Add(Mnemonic.Pcmpestrm64, &CompareStrings);
        table.Add(Mnemonic.Ptest, &Test);
        table.Add(Mnemonic.Phminposuw, &MinimumPosition);
        table.Add(Mnemonic.Mpsadbw, &MultipleDifferences);
        table.Add(Mnemonic.Pblendw, &BlendImmediate);
        table.Add(Mnemonic.Blendps, &BlendImmediate);
        table.Add(Mnemonic.Blendpd, &BlendImmediate);
        table.Add(Mnemonic.Pblendvb, &BlendVariable);
        table.Add(Mnemonic.Blendvps, &BlendVariable);
        table.Add(Mnemonic.Blendvpd, &BlendVariable);
        table.Add(Mnemonic.Insertps, &InsertSingle);
    }

    private static int Element(Vector128<byte> v, int index, int control) => (control & 3) switch
    {
        0 => v[index],
        1 => v.AsUInt16()[index],
        2 => v.AsSByte()[index],
        _ => v.AsInt16()[index],
    };

    private static int Length(X86Cpu cpu, Mnemonic mnemonic, int register, Vector128<byte> v, int lanes, int control, bool explicitLength)
    {
        if (!explicitLength)
        {
            for (int i = 0; i < lanes; i++)
            {
                if (Element(v, i, control) == 0)
                {
                    return i;
                }
            }

            return lanes;
        }

        bool wide = mnemonic is Mnemonic.Pcmpestri64 or Mnemonic.Pcmpestrm64;
        long value = wide ? (long)cpu.Register(register) : (int)cpu.Register(register);
        ulong magnitude = value < 0 ? 0UL - (ulong)value : (ulong)value;
        return (int)Math.Min(magnitude, (ulong)lanes);
    }

    private static void CompareStrings(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryReadVector(cpu, op, 1, aligned: false, out Vector128<byte> b))
        {
            return;
        }

        Compare(cpu, (Mnemonic)op->Mnemonic, (byte)op->Imm, Operands.Xmm(cpu, op->Reg0), b);
    }

    /// <param name="mnemonic">Of the legacy encoding.</param>
    /// <param name="control">The immediate.</param>
    public static void Compare(X86Cpu cpu, Mnemonic mnemonic, int control, Vector128<byte> a, Vector128<byte> b)
    {
        bool explicitLength = mnemonic is not (Mnemonic.Pcmpistri or Mnemonic.Pcmpistrm);
        bool wantsIndex = mnemonic is Mnemonic.Pcmpistri or Mnemonic.Pcmpestri or Mnemonic.Pcmpestri64;
        int lanes = (control & 1) != 0 ? 8 : 16;
        int lengthA = Length(cpu, mnemonic, Gpr.Rax, a, lanes, control, explicitLength);
        int lengthB = Length(cpu, mnemonic, Gpr.Rdx, b, lanes, control, explicitLength);
        uint result = Aggregate(a, b, lengthA, lengthB, lanes, control);
        uint all = (1u << lanes) - 1;
        result = ((control >> 4) & 3) switch
        {
            1 => ~result & all,
            3 => result ^ ((1u << lengthB) - 1),
            _ => result,
        };
        if (wantsIndex)
        {
            int index = result == 0
                ? lanes
                : (control & 0x40) != 0
                ? 31 - BitOperations.LeadingZeroCount(result)
                : BitOperations.TrailingZeroCount(result);
            cpu.Register(Gpr.Rcx) = (ulong)index;
        }
        else
        {
            cpu.Xmm0() = ToMask(result, lanes, (control & 0x40) != 0);
        }

        ulong flags = (result != 0 ? RFlags.CF : 0) | (lengthB < lanes ? RFlags.ZF : 0) | (lengthA < lanes ? RFlags.SF : 0)
            | ((result & 1) != 0 ? RFlags.OF : 0);
        (cpu.Context->LazyResult, cpu.Context->LazyAux) = LazyFlags.FromRflags(flags);
    }

    /// <summary>IntRes1: one bit an element of the second string.</summary>
    private static uint Aggregate(Vector128<byte> a, Vector128<byte> b, int lengthA, int lengthB, int lanes, int control)
    {
        uint result = 0;
        for (int j = 0; j < lanes; j++)
        {
            bool bit = ((control >> 2) & 3) switch
            {
                0 => j < lengthB && AnyEqual(a, b, lengthA, j, control),
                1 => j < lengthB && InRanges(a, b, lengthA, j, control),
                2 => EachEqual(a, b, lengthA, lengthB, j, control),
                _ => EqualOrdered(a, b, lengthA, lengthB, j, lanes, control),
            };
            result |= bit ? 1u << j : 0;
        }

        return result;
    }

    private static bool AnyEqual(Vector128<byte> a, Vector128<byte> b, int lengthA, int j, int control)
    {
        for (int i = 0; i < lengthA; i++)
        {
            if (Element(a, i, control) == Element(b, j, control))
            {
                return true;
            }
        }

        return false;
    }

    private static bool InRanges(Vector128<byte> a, Vector128<byte> b, int lengthA, int j, int control)
    {
        int value = Element(b, j, control);
        for (int i = 0; i + 1 < lengthA; i += 2)
        {
            if (value >= Element(a, i, control) && value <= Element(a, i + 1, control))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Two invalid elements count as equal, one alone as different.</summary>
    private static bool EachEqual(Vector128<byte> a, Vector128<byte> b, int lengthA, int lengthB, int j, int control)
    {
        bool validA = j < lengthA;
        bool validB = j < lengthB;
        return validA && validB ? Element(a, j, control) == Element(b, j, control) : validA == validB;
    }

    private static bool EqualOrdered(Vector128<byte> a, Vector128<byte> b, int lengthA, int lengthB, int j, int lanes, int control)
    {
        for (int i = 0; i < lengthA && i + j < lanes; i++)
        {
            if (i + j >= lengthB || Element(a, i, control) != Element(b, i + j, control))
            {
                return false;
            }
        }

        return true;
    }

    private static Vector128<byte> ToMask(uint bits, int lanes, bool expand)
    {
        if (!expand)
        {
            return Vector128.Create((ulong)bits, 0).AsByte();
        }

        Vector128<byte> result = default;
        for (int i = 0; i < 16; i++)
        {
            ((byte*)&result)[i] = (bits & (1u << (i * lanes / 16))) != 0 ? (byte)0xFF : (byte)0;
        }

        return result;
    }

    private static ref Vector128<byte> Xmm0(this X86Cpu cpu) => ref *(Vector128<byte>*)&cpu.Context->State.Vectors[0];

    private static void Test(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> b))
        {
            Vector128<byte> a = Operands.Xmm(cpu, op->Reg0);
            ulong flags = ((a & b) == Vector128<byte>.Zero ? RFlags.ZF : 0) | ((~a & b) == Vector128<byte>.Zero ? RFlags.CF : 0);
            (cpu.Context->LazyResult, cpu.Context->LazyAux) = LazyFlags.FromRflags(flags);
        }
    }

    private static void MinimumPosition(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> b))
        {
            return;
        }

        int best = 0;
        for (int i = 1; i < 8; i++)
        {
            best = b.AsUInt16()[i] < b.AsUInt16()[best] ? i : best;
        }

        Operands.Xmm(cpu, op->Reg0) = Vector128.Create(b.AsUInt16()[best] | ((ulong)best << 16), 0).AsByte();
    }

    private static void MultipleDifferences(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> b))
        {
            return;
        }

        Vector128<byte> a = Operands.Xmm(cpu, op->Reg0);
        int offsetB = ((int)op->Imm & 3) * 4;
        int offsetA = ((int)op->Imm & 4) != 0 ? 4 : 0;
        Vector128<byte> result = default;
        for (int i = 0; i < 8; i++)
        {
            int sum = 0;
            for (int k = 0; k < 4; k++)
            {
                sum += Math.Abs(((byte*)&a)[offsetA + i + k] - ((byte*)&b)[offsetB + k]);
            }

            ((ushort*)&result)[i] = (ushort)sum;
        }

        Operands.Xmm(cpu, op->Reg0) = result;
    }

    private static void BlendImmediate(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> b))
        {
            return;
        }

        int size = (Mnemonic)op->Mnemonic switch { Mnemonic.Pblendw => 2, Mnemonic.Blendps => 4, _ => 8 };
        Vector128<byte> result = Operands.Xmm(cpu, op->Reg0);
        for (int i = 0; i < 16; i++)
        {
            ((byte*)&result)[i] = (op->Imm & (1UL << (i / size))) != 0 ? ((byte*)&b)[i] : ((byte*)&result)[i];
        }

        Operands.Xmm(cpu, op->Reg0) = result;
    }

    /// <summary>The mask is XMM0's sign bits.</summary>
    private static void BlendVariable(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> b))
        {
            return;
        }

        int size = (Mnemonic)op->Mnemonic switch { Mnemonic.Pblendvb => 1, Mnemonic.Blendvps => 4, _ => 8 };
        Vector128<byte> mask = cpu.Xmm0();
        Vector128<byte> result = Operands.Xmm(cpu, op->Reg0);
        for (int i = 0; i < 16; i++)
        {
            bool take = (((byte*)&mask)[(i / size * size) + size - 1] & 0x80) != 0;
            ((byte*)&result)[i] = take ? ((byte*)&b)[i] : ((byte*)&result)[i];
        }

        Operands.Xmm(cpu, op->Reg0) = result;
    }

    private static void InsertSingle(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op))
        {
            return;
        }

        int from = ((int)op->Imm >> 6) & 3;
        ulong value;
        if (op->Kind1 == OperandKind.Memory)
        {
            if (!Operands.TryLoadMemory(cpu, op, 4, out value))
            {
                return;
            }
        }
        else
        {
            value = Operands.Xmm(cpu, op->Reg1).AsUInt32()[from];
        }

        Vector128<byte> result = Operands.Xmm(cpu, op->Reg0);
        ((uint*)&result)[((int)op->Imm >> 4) & 3] = (uint)value;
        for (int i = 0; i < 4; i++)
        {
            ((uint*)&result)[i] = (op->Imm & (1UL << i)) != 0 ? 0 : ((uint*)&result)[i];
        }

        Operands.Xmm(cpu, op->Reg0) = result;
    }
}
