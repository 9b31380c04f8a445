using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using static Strata.X86.Interpreter.Instructions.SseFloatOperands;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Conversions between integers and floats, and the extensions PMOVSX and PMOVZX.</summary>
internal static unsafe class SseConvertInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Cvtsi2ss, &IntegerToSingle);
        table.Add(Mnemonic.Cvtsi2sd, &IntegerToDouble);
        table.Add(Mnemonic.Cvtss2si, &SingleToInteger);
        table.Add(Mnemonic.Cvttss2si, &SingleToInteger);
        table.Add(Mnemonic.Cvtsd2si, &DoubleToInteger);
        table.Add(Mnemonic.Cvttsd2si, &DoubleToInteger);
        table.Add(Mnemonic.Cvtss2sd, &SingleToDouble);
        table.Add(Mnemonic.Cvtsd2ss, &DoubleToSingle);
        table.Add(Mnemonic.Cvtps2pd, &PackedSingleToDouble);
        table.Add(Mnemonic.Cvtpd2ps, &PackedDoubleToSingle);
        table.Add(Mnemonic.Cvtdq2ps, &PackedIntegerToSingle);
        table.Add(Mnemonic.Cvtps2dq, &PackedSingleToInteger);
        table.Add(Mnemonic.Cvttps2dq, &PackedSingleToInteger);
        table.Add(Mnemonic.Cvtdq2pd, &PackedIntegerToDouble);
        table.Add(Mnemonic.Cvtpd2dq, &PackedDoubleToInteger);
        table.Add(Mnemonic.Cvttpd2dq, &PackedDoubleToInteger);
        table.Add(Mnemonic.Cvtpi2ps, &MmxToSingle);
        table.Add(Mnemonic.Cvtpi2pd, &MmxToDouble);
        table.Add(Mnemonic.Cvtps2pi, &SingleToMmx);
        table.Add(Mnemonic.Cvttps2pi, &SingleToMmx);
        table.Add(Mnemonic.Cvtpd2pi, &DoubleToMmx);
        table.Add(Mnemonic.Cvttpd2pi, &DoubleToMmx);
        foreach (Mnemonic m in (ReadOnlySpan<Mnemonic>)[
            Mnemonic.Pmovsxbw, Mnemonic.Pmovsxbd, Mnemonic.Pmovsxbq, Mnemonic.Pmovsxwd, Mnemonic.Pmovsxwq, Mnemonic.Pmovsxdq,
            Mnemonic.Pmovzxbw, Mnemonic.Pmovzxbd, Mnemonic.Pmovzxbq, Mnemonic.Pmovzxwd, Mnemonic.Pmovzxwq, Mnemonic.Pmovzxdq])
        {
            table.Add(m, &Extend);
        }
    }

    private static RoundingMode Mode(Op* op, in FloatContext c) => (Mnemonic)op->Mnemonic is Mnemonic.Cvttss2si or Mnemonic.Cvttsd2si
        or Mnemonic.Cvttps2dq or Mnemonic.Cvttpd2dq or Mnemonic.Cvttps2pi or Mnemonic.Cvttpd2pi
        ? RoundingMode.TowardZero
        : c.Rounding;

    private static void IntegerToSingle(X86Cpu cpu, Op* op)
    {
        int size = op->Width1;
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, size, out ulong value))
        {
            return;
        }

        FloatContext c = Context(cpu);
        uint r = size == 8 ? Float32.FromInt64((long)value, ref c) : Float32.FromInt32((int)value, ref c);
        if (Simd.Post(cpu, c))
        {
            *(uint*)((byte*)cpu.Context + op->Reg0) = r;
        }
    }

    private static void IntegerToDouble(X86Cpu cpu, Op* op)
    {
        int size = op->Width1;
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, size, out ulong value))
        {
            return;
        }

        FloatContext c = Context(cpu);
        ulong r = size == 8 ? Float64.FromInt64((long)value, ref c) : Float64.FromInt32((int)value, ref c);
        if (Simd.Post(cpu, c))
        {
            *(ulong*)((byte*)cpu.Context + op->Reg0) = r;
        }
    }

    private static void SingleToInteger(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, 4, out ulong value))
        {
            return;
        }

        FloatContext c = Context(cpu);
        RoundingMode mode = Mode(op, c);
        ulong r = op->Width == 8 ? (ulong)Float32.ToInt64((uint)value, mode, ref c) : (uint)Float32.ToInt32((uint)value, mode, ref c);
        if (Simd.Post(cpu, c))
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
        }
    }

    private static void DoubleToInteger(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, 8, out ulong value))
        {
            return;
        }

        FloatContext c = Context(cpu);
        RoundingMode mode = Mode(op, c);
        ulong r = op->Width == 8 ? (ulong)Float64.ToInt64(value, mode, ref c) : (uint)Float64.ToInt32(value, mode, ref c);
        if (Simd.Post(cpu, c))
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
        }
    }

    private static void SingleToDouble(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, 4, out ulong value))
        {
            return;
        }

        FloatContext c = Context(cpu);
        ulong r = Float32.ToFloat64((uint)value, ref c);
        if (Simd.Post(cpu, c))
        {
            *(ulong*)((byte*)cpu.Context + op->Reg0) = r;
        }
    }

    private static void DoubleToSingle(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, 8, out ulong value))
        {
            return;
        }

        FloatContext c = Context(cpu);
        uint r = Float64.ToFloat32(value, ref c);
        if (Simd.Post(cpu, c))
        {
            *(uint*)((byte*)cpu.Context + op->Reg0) = r;
        }
    }

    private static void Finish(X86Cpu cpu, Op* op, in FloatContext c, Vector128<byte> result)
    {
        if (Simd.Post(cpu, c))
        {
            Operands.Xmm(cpu, op->Reg0) = result;
        }
    }

    /// <summary>The low 8 bytes of the source, wherever it is.</summary>
    private static bool TryReadHalf(X86Cpu cpu, Op* op, out ulong value)
    {
        value = 0;
        return Simd.Begin(cpu, op) && Operands.TryRead(cpu, op, 1, 8, out value);
    }

    private static void PackedSingleToDouble(X86Cpu cpu, Op* op)
    {
        if (TryReadHalf(cpu, op, out ulong value))
        {
            FloatContext c = Context(cpu);
            ulong low = Float32.ToFloat64((uint)value, ref c);
            ulong high = Float32.ToFloat64((uint)(value >> 32), ref c);
            Finish(cpu, op, c, Vector128.Create(low, high).AsByte());
        }
    }

    private static void PackedIntegerToDouble(X86Cpu cpu, Op* op)
    {
        if (TryReadHalf(cpu, op, out ulong value))
        {
            FloatContext c = Context(cpu);
            Finish(
                cpu, op, c, Vector128.Create(Float64.FromInt32((int)value, ref c), Float64.FromInt32((int)(value >> 32), ref c)).AsByte());
            Simd.FinishMmxSource(cpu, op);
        }
    }

    private static void PackedDoubleToSingle(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            FloatContext c = Context(cpu);
            uint low = Float64.ToFloat32(source.AsUInt64()[0], ref c);
            uint high = Float64.ToFloat32(source.AsUInt64()[1], ref c);
            Finish(cpu, op, c, Vector128.Create(low, high, 0, 0).AsByte());
        }
    }

    private static void PackedDoubleToInteger(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            FloatContext c = Context(cpu);
            RoundingMode mode = Mode(op, c);
            int low = Float64.ToInt32(source.AsUInt64()[0], mode, ref c);
            int high = Float64.ToInt32(source.AsUInt64()[1], mode, ref c);
            Finish(cpu, op, c, Vector128.Create(low, high, 0, 0).AsByte());
        }
    }

    private static void PackedIntegerToSingle(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        Vector128<byte> result = default;
        for (int i = 0; i < 4; i++)
        {
            ((uint*)&result)[i] = Float32.FromInt32(((int*)&source)[i], ref c);
        }

        Finish(cpu, op, c, result);
    }

    private static void PackedSingleToInteger(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        RoundingMode mode = Mode(op, c);
        Vector128<byte> result = default;
        for (int i = 0; i < 4; i++)
        {
            ((int*)&result)[i] = Float32.ToInt32(((uint*)&source)[i], mode, ref c);
        }

        Finish(cpu, op, c, result);
    }

    private static void MmxToSingle(X86Cpu cpu, Op* op)
    {
        if (TryReadHalf(cpu, op, out ulong value))
        {
            FloatContext c = Context(cpu);
            ulong low = Float32.FromInt32((int)value, ref c);
            ulong high = Float32.FromInt32((int)(value >> 32), ref c);
            if (Simd.Post(cpu, c))
            {
                *(ulong*)((byte*)cpu.Context + op->Reg0) = low | (high << 32);
                Simd.FinishMmxSource(cpu, op);
            }
        }
    }

    private static void MmxToDouble(X86Cpu cpu, Op* op) => PackedIntegerToDouble(cpu, op);

    private static void SingleToMmx(X86Cpu cpu, Op* op)
    {
        if (TryReadHalf(cpu, op, out ulong value))
        {
            FloatContext c = Context(cpu);
            RoundingMode mode = Mode(op, c);
            uint low = (uint)Float32.ToInt32((uint)value, mode, ref c);
            uint high = (uint)Float32.ToInt32((uint)(value >> 32), mode, ref c);
            if (Simd.Post(cpu, c))
            {
                Simd.WriteMmx(cpu, op->Reg0, low | ((ulong)high << 32));
            }
        }
    }

    private static void DoubleToMmx(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Operands.TryReadVector(cpu, op, 1, aligned: true, out Vector128<byte> source))
        {
            FloatContext c = Context(cpu);
            RoundingMode mode = Mode(op, c);
            uint low = (uint)Float64.ToInt32(source.AsUInt64()[0], mode, ref c);
            uint high = (uint)Float64.ToInt32(source.AsUInt64()[1], mode, ref c);
            if (Simd.Post(cpu, c))
            {
                Simd.WriteMmx(cpu, op->Reg0, low | ((ulong)high << 32));
            }
        }
    }

    private static (int From, int To) ExtensionOf(Mnemonic mnemonic) => mnemonic switch
    {
        Mnemonic.Pmovsxbw or Mnemonic.Pmovzxbw => (1, 2),
        Mnemonic.Pmovsxbd or Mnemonic.Pmovzxbd => (1, 4),
        Mnemonic.Pmovsxbq or Mnemonic.Pmovzxbq => (1, 8),
        Mnemonic.Pmovsxwd or Mnemonic.Pmovzxwd => (2, 4),
        Mnemonic.Pmovsxwq or Mnemonic.Pmovzxwq => (2, 8),
        _ => (4, 8),
    };

    private static void Extend(X86Cpu cpu, Op* op)
    {
        Mnemonic mnemonic = (Mnemonic)op->Mnemonic;
        (int from, int to) = ExtensionOf(mnemonic);
        int bytes = 16 / to * from;
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, bytes, out ulong source))
        {
            return;
        }

        bool signed = mnemonic is Mnemonic.Pmovsxbw
            or Mnemonic.Pmovsxbd
            or Mnemonic.Pmovsxbq
            or Mnemonic.Pmovsxwd
            or Mnemonic.Pmovsxwq
            or Mnemonic.Pmovsxdq;
        Vector128<byte> result = default;
        for (int i = 0; i < 16 / to; i++)
        {
            ulong raw = source << (64 - ((i + 1) * from * 8));
            ulong value = signed ? (ulong)((long)raw >> (64 - (from * 8))) : raw >> (64 - (from * 8));
            Buffer.MemoryCopy(&value, (byte*)&result + (i * to), to, to);
        }

        Operands.Xmm(cpu, op->Reg0) = result;
    }
}
