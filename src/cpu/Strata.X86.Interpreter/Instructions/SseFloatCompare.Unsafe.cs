using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using static Strata.X86.Interpreter.Instructions.SseFloatOperands;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Floating-point comparisons: into RFLAGS, and into masks.</summary>
internal static unsafe class SseFloatCompareInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Ucomiss, &CompareUnordered32);
        table.Add(Mnemonic.Ucomisd, &CompareUnordered64);
        table.Add(Mnemonic.Comiss, &CompareOrdered32);
        table.Add(Mnemonic.Comisd, &CompareOrdered64);
        table.Add(Mnemonic.Cmpps, &ComparePacked);
        table.Add(Mnemonic.Cmppd, &ComparePacked);
        table.Add(Mnemonic.Cmpss, &ComparePacked);
        table.Add(Code.Cmpsd_xmm_xmmm64_imm8, &ComparePacked);
    }

    private static void CompareUnordered32(X86Cpu cpu, Op* op) => Compare32(cpu, op, signaling: false);

    private static void CompareOrdered32(X86Cpu cpu, Op* op) => Compare32(cpu, op, signaling: true);

    private static void CompareUnordered64(X86Cpu cpu, Op* op) => Compare64(cpu, op, signaling: false);

    private static void CompareOrdered64(X86Cpu cpu, Op* op) => Compare64(cpu, op, signaling: true);

    private static void Compare32(X86Cpu cpu, Op* op, bool signaling)
    {
        if (Simd.Begin(cpu, op) && Operands.TryRead(cpu, op, 1, 4, out ulong b))
        {
            FloatContext c = Context(cpu);
            FloatRelation relation = Float32.Compare(*Singles(cpu, op->Reg0), (uint)b, signaling, ref c);
            SetRelation(cpu, c, relation);
        }
    }

    private static void Compare64(X86Cpu cpu, Op* op, bool signaling)
    {
        if (Simd.Begin(cpu, op) && Operands.TryRead(cpu, op, 1, 8, out ulong b))
        {
            FloatContext c = Context(cpu);
            FloatRelation relation = Float64.Compare(*Doubles(cpu, op->Reg0), b, signaling, ref c);
            SetRelation(cpu, c, relation);
        }
    }

    private static void SetRelation(X86Cpu cpu, in FloatContext c, FloatRelation relation)
    {
        if (!Simd.Post(cpu, c))
        {
            return;
        }

        ulong flags = relation switch
        {
            FloatRelation.Unordered => Registers.RFlags.ZF | Registers.RFlags.PF | Registers.RFlags.CF,
            FloatRelation.Less => Registers.RFlags.CF,
            FloatRelation.Equal => Registers.RFlags.ZF,
            _ => 0,
        };
        (cpu.Context->LazyResult, cpu.Context->LazyAux) = LazyFlags.FromRflags(flags);
    }

    /// <summary>CMPPS, CMPPD, CMPSS and CMPSD: predicates 0..7.</summary>
    private static void ComparePacked(X86Cpu cpu, Op* op)
    {
        Mnemonic mnemonic = (Mnemonic)op->Mnemonic;
        bool scalar = mnemonic is Mnemonic.Cmpss or Mnemonic.Cmpsd;
        bool wide = mnemonic is Mnemonic.Cmpsd or Mnemonic.Cmppd;
        if (!Simd.Begin(cpu, op) || !TryReadSource(cpu, op, scalar, wide, out Vector128<byte> source))
        {
            return;
        }

        int predicate = (int)op->Imm & 7;
        bool signaling = (predicate & 3) is 1 or 2;
        FloatContext c = Context(cpu);
        Vector128<byte> result = Operands.Xmm(cpu, op->Reg0);
        int lanes = scalar ? 1 : wide ? 2 : 4;
        for (int i = 0; i < lanes; i++)
        {
            FloatRelation relation = wide
                ? Float64.Compare(((ulong*)&result)[i], ((ulong*)&source)[i], signaling, ref c)
                : Float32.Compare(((uint*)&result)[i], ((uint*)&source)[i], signaling, ref c);
            bool holds = (predicate & 3) switch
            {
                0 => relation == FloatRelation.Equal,
                1 => relation == FloatRelation.Less,
                2 => relation is FloatRelation.Less or FloatRelation.Equal,
                _ => relation == FloatRelation.Unordered,
            };
            holds ^= (predicate & 4) != 0;
            if (wide)
            {
                ((ulong*)&result)[i] = holds ? ulong.MaxValue : 0;
            }
            else
            {
                ((uint*)&result)[i] = holds ? uint.MaxValue : 0;
            }
        }

        Finish(cpu, op, c, result);
    }
}
