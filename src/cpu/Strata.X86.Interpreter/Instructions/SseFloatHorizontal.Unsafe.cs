using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using static Strata.X86.Interpreter.Instructions.SseFloatOperands;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Floating-point SIMD whose elements meet or are treated differently: SSE3's sums, SSE4.1's dot products.</summary>
internal static unsafe class SseFloatHorizontalInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Addsubps, &AddSubtract32);
        table.Add(Mnemonic.Addsubpd, &AddSubtract64);
        table.Add(Mnemonic.Haddps, &HorizontalAdd32);
        table.Add(Mnemonic.Haddpd, &HorizontalAdd64);
        table.Add(Mnemonic.Hsubps, &HorizontalSubtract32);
        table.Add(Mnemonic.Hsubpd, &HorizontalSubtract64);
        table.Add(Mnemonic.Dpps, &DotProduct32);
        table.Add(Mnemonic.Dppd, &DotProduct64);
    }

    private static void AddSubtract32(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        Vector128<byte> result = default;
        for (int i = 0; i < 4; i++)
        {
            uint a = Singles(cpu, op->Reg0)[i];
            uint b = ((uint*)&source)[i];
            ((uint*)&result)[i] = (i & 1) != 0 ? Float32.Add(a, b, ref c) : Float32.Sub(a, b, ref c);
        }

        Finish(cpu, op, c, result);
    }

    private static void AddSubtract64(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        ulong low = Float64.Sub(Doubles(cpu, op->Reg0)[0], source.AsUInt64()[0], ref c);
        ulong high = Float64.Add(Doubles(cpu, op->Reg0)[1], source.AsUInt64()[1], ref c);
        Finish(cpu, op, c, Vector128.Create(low, high).AsByte());
    }

    private static void HorizontalAdd32(X86Cpu cpu, Op* op) => Horizontal32<FloatAdd>(cpu, op);

    private static void HorizontalSubtract32(X86Cpu cpu, Op* op) => Horizontal32<FloatSubtract>(cpu, op);

    private static void HorizontalAdd64(X86Cpu cpu, Op* op) => Horizontal64<FloatAdd>(cpu, op);

    private static void HorizontalSubtract64(X86Cpu cpu, Op* op) => Horizontal64<FloatSubtract>(cpu, op);

    private static void Horizontal32<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        Vector128<byte> result = default;
        uint* a = Singles(cpu, op->Reg0);
        uint* b = (uint*)&source;
        uint* r = (uint*)&result;
        r[0] = TOperation.Apply(a[0], a[1], ref c);
        r[1] = TOperation.Apply(a[2], a[3], ref c);
        r[2] = TOperation.Apply(b[0], b[1], ref c);
        r[3] = TOperation.Apply(b[2], b[3], ref c);
        Finish(cpu, op, c, result);
    }

    private static void Horizontal64<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        ulong* a = Doubles(cpu, op->Reg0);
        ulong low = TOperation.Apply(a[0], a[1], ref c);
        ulong high = TOperation.Apply(source.AsUInt64()[0], source.AsUInt64()[1], ref c);
        Finish(cpu, op, c, Vector128.Create(low, high).AsByte());
    }

    private static void DotProduct32(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        uint* terms = stackalloc uint[4];
        for (int i = 0; i < 4; i++)
        {
            terms[i] = (op->Imm & (0x10UL << i)) != 0 ? Float32.Mul(Singles(cpu, op->Reg0)[i], ((uint*)&source)[i], ref c) : 0;
        }

        uint sum = Float32.Add(Float32.Add(terms[0], terms[1], ref c), Float32.Add(terms[2], terms[3], ref c), ref c);
        Vector128<byte> result = default;
        for (int i = 0; i < 4; i++)
        {
            ((uint*)&result)[i] = (op->Imm & (1UL << i)) != 0 ? sum : 0;
        }

        Finish(cpu, op, c, result);
    }

    private static void DotProduct64(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        ulong* a = Doubles(cpu, op->Reg0);
        ulong low = (op->Imm & 0x10) != 0 ? Float64.Mul(a[0], source.AsUInt64()[0], ref c) : 0;
        ulong high = (op->Imm & 0x20) != 0 ? Float64.Mul(a[1], source.AsUInt64()[1], ref c) : 0;
        ulong sum = Float64.Add(low, high, ref c);
        Finish(cpu, op, c, Vector128.Create((op->Imm & 1) != 0 ? sum : 0, (op->Imm & 2) != 0 ? sum : 0).AsByte());
    }
}
