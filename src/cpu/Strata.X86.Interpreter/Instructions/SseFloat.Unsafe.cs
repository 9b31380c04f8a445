using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>SSE and SSE2 arithmetic on the software floating point: scalar and packed, single and double.</summary>
internal static unsafe class SseFloatInstructions
{
    /// <summary>An operation on two floats as a type argument.</summary>
    private interface IFloatOperation
    {
        static abstract uint Apply(uint a, uint b, ref FloatContext c);

        static abstract ulong Apply(ulong a, ulong b, ref FloatContext c);
    }

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Addss, &Scalar32<Add>);
        table.Add(Mnemonic.Addsd, &Scalar64<Add>);
        table.Add(Mnemonic.Addps, &Packed32<Add>);
        table.Add(Mnemonic.Addpd, &Packed64<Add>);
        table.Add(Mnemonic.Subss, &Scalar32<Subtract>);
        table.Add(Mnemonic.Subsd, &Scalar64<Subtract>);
        table.Add(Mnemonic.Subps, &Packed32<Subtract>);
        table.Add(Mnemonic.Subpd, &Packed64<Subtract>);
        table.Add(Mnemonic.Mulss, &Scalar32<Multiply>);
        table.Add(Mnemonic.Mulsd, &Scalar64<Multiply>);
        table.Add(Mnemonic.Mulps, &Packed32<Multiply>);
        table.Add(Mnemonic.Mulpd, &Packed64<Multiply>);
        table.Add(Mnemonic.Divss, &Scalar32<Divide>);
        table.Add(Mnemonic.Divsd, &Scalar64<Divide>);
        table.Add(Mnemonic.Divps, &Packed32<Divide>);
        table.Add(Mnemonic.Divpd, &Packed64<Divide>);
        table.Add(Mnemonic.Sqrtss, &Scalar32<SquareRoot>);
        table.Add(Mnemonic.Sqrtsd, &Scalar64<SquareRoot>);
        table.Add(Mnemonic.Sqrtps, &Packed32<SquareRoot>);
        table.Add(Mnemonic.Sqrtpd, &Packed64<SquareRoot>);
        table.Add(Mnemonic.Minss, &Scalar32<Minimum>);
        table.Add(Mnemonic.Minsd, &Scalar64<Minimum>);
        table.Add(Mnemonic.Minps, &Packed32<Minimum>);
        table.Add(Mnemonic.Minpd, &Packed64<Minimum>);
        table.Add(Mnemonic.Maxss, &Scalar32<Maximum>);
        table.Add(Mnemonic.Maxsd, &Scalar64<Maximum>);
        table.Add(Mnemonic.Maxps, &Packed32<Maximum>);
        table.Add(Mnemonic.Maxpd, &Packed64<Maximum>);
        table.Add(Mnemonic.Addsubps, &AddSubtract32);
        table.Add(Mnemonic.Addsubpd, &AddSubtract64);
        table.Add(Mnemonic.Haddps, &HorizontalAdd32);
        table.Add(Mnemonic.Haddpd, &HorizontalAdd64);
        table.Add(Mnemonic.Hsubps, &HorizontalSubtract32);
        table.Add(Mnemonic.Hsubpd, &HorizontalSubtract64);
        table.Add(Mnemonic.Ucomiss, &CompareUnordered32);
        table.Add(Mnemonic.Ucomisd, &CompareUnordered64);
        table.Add(Mnemonic.Comiss, &CompareOrdered32);
        table.Add(Mnemonic.Comisd, &CompareOrdered64);
        table.Add(Mnemonic.Cmpps, &ComparePacked);
        table.Add(Mnemonic.Cmppd, &ComparePacked);
        table.Add(Mnemonic.Cmpss, &ComparePacked);
        table.Add(Code.Cmpsd_xmm_xmmm64_imm8, &ComparePacked);
        table.Add(Mnemonic.Roundss, &Round);
        table.Add(Mnemonic.Roundsd, &Round);
        table.Add(Mnemonic.Roundps, &Round);
        table.Add(Mnemonic.Roundpd, &Round);
        table.Add(Mnemonic.Rcpss, &Reciprocal);
        table.Add(Mnemonic.Rcpps, &Reciprocal);
        table.Add(Mnemonic.Rsqrtss, &ReciprocalRoot);
        table.Add(Mnemonic.Rsqrtps, &ReciprocalRoot);
        table.Add(Mnemonic.Dpps, &DotProduct32);
        table.Add(Mnemonic.Dppd, &DotProduct64);
    }

    private static FloatContext Context(X86Cpu cpu) => FloatContext.FromMxcsr(cpu.State.Mxcsr);

    private static uint* Singles(X86Cpu cpu, ushort offset) => (uint*)((byte*)cpu.Context + offset);

    private static ulong* Doubles(X86Cpu cpu, ushort offset) => (ulong*)((byte*)cpu.Context + offset);

    private static void Scalar32<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, 4, out ulong b))
        {
            return;
        }

        FloatContext c = Context(cpu);
        uint r = TOperation.Apply(*Singles(cpu, op->Reg0), (uint)b, ref c);
        if (Simd.Post(cpu, c))
        {
            *Singles(cpu, op->Reg0) = r;
        }
    }

    private static void Scalar64<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, 8, out ulong b))
        {
            return;
        }

        FloatContext c = Context(cpu);
        ulong r = TOperation.Apply(*Doubles(cpu, op->Reg0), b, ref c);
        if (Simd.Post(cpu, c))
        {
            *Doubles(cpu, op->Reg0) = r;
        }
    }

    private static void Packed32<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        Vector128<byte> result = default;
        for (int i = 0; i < 4; i++)
        {
            ((uint*)&result)[i] = TOperation.Apply(Singles(cpu, op->Reg0)[i], ((uint*)&source)[i], ref c);
        }

        Finish(cpu, op, c, result);
    }

    private static void Packed64<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        Vector128<byte> result = default;
        for (int i = 0; i < 2; i++)
        {
            ((ulong*)&result)[i] = TOperation.Apply(Doubles(cpu, op->Reg0)[i], ((ulong*)&source)[i], ref c);
        }

        Finish(cpu, op, c, result);
    }

    private static void Finish(X86Cpu cpu, Op* op, in FloatContext c, Vector128<byte> result)
    {
        if (Simd.Post(cpu, c))
        {
            Operands.Xmm(cpu, op->Reg0) = result;
        }
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

    private static void HorizontalAdd32(X86Cpu cpu, Op* op) => Horizontal32<Add>(cpu, op);

    private static void HorizontalSubtract32(X86Cpu cpu, Op* op) => Horizontal32<Subtract>(cpu, op);

    private static void HorizontalAdd64(X86Cpu cpu, Op* op) => Horizontal64<Add>(cpu, op);

    private static void HorizontalSubtract64(X86Cpu cpu, Op* op) => Horizontal64<Subtract>(cpu, op);

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

    /// <summary>A scalar source is 4 or 8 bytes of memory, without alignment; a packed one 16.</summary>
    private static bool TryReadSource(X86Cpu cpu, Op* op, bool scalar, bool wide, out Vector128<byte> source)
    {
        if (!scalar)
        {
            return Simd.TryRead(cpu, op, 1, out source);
        }

        source = default;
        if (!Operands.TryRead(cpu, op, 1, wide ? 8 : 4, out ulong value))
        {
            return false;
        }

        source = Vector128.Create(value, 0).AsByte();
        return true;
    }

    private static void Round(X86Cpu cpu, Op* op)
    {
        Mnemonic mnemonic = (Mnemonic)op->Mnemonic;
        bool scalar = mnemonic is Mnemonic.Roundss or Mnemonic.Roundsd;
        bool wide = mnemonic is Mnemonic.Roundsd or Mnemonic.Roundpd;
        if (!Simd.Begin(cpu, op) || !TryReadSource(cpu, op, scalar, wide, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        RoundingMode mode = (op->Imm & 4) != 0 ? c.Rounding : (RoundingMode)(op->Imm & 3);
        bool quiet = (op->Imm & 8) != 0;
        Vector128<byte> result = Operands.Xmm(cpu, op->Reg0);
        int lanes = scalar ? 1 : wide ? 2 : 4;
        for (int i = 0; i < lanes; i++)
        {
            if (wide)
            {
                ((ulong*)&result)[i] = Float64.RoundToIntegral(((ulong*)&source)[i], mode, quiet, ref c);
            }
            else
            {
                ((uint*)&result)[i] = Float32.RoundToIntegral(((uint*)&source)[i], mode, quiet, ref c);
            }
        }

        Finish(cpu, op, c, result);
    }

    /// <summary>
    /// 1/x with a relative error below 1.5 * 2^-12: the correctly rounded value cut to 12 bits of significand. No flags.
    /// </summary>
    private static void Reciprocal(X86Cpu cpu, Op* op) => Approximate(cpu, op, (Mnemonic)op->Mnemonic == Mnemonic.Rcpss, &ReciprocalOf);

    private static void ReciprocalRoot(X86Cpu cpu, Op* op) =>
        Approximate(cpu, op, (Mnemonic)op->Mnemonic == Mnemonic.Rsqrtss, &ReciprocalRootOf);

    private static void Approximate(X86Cpu cpu, Op* op, bool scalar, delegate*<uint, uint> function)
    {
        if (!Simd.Begin(cpu, op) || !TryReadSource(cpu, op, scalar, wide: false, out Vector128<byte> source))
        {
            return;
        }

        Vector128<byte> result = Operands.Xmm(cpu, op->Reg0);
        for (int i = 0; i < (scalar ? 1 : 4); i++)
        {
            ((uint*)&result)[i] = function(((uint*)&source)[i]);
        }

        Operands.Xmm(cpu, op->Reg0) = result;
    }

    private const uint SignBit = 0x80000000;
    private const uint Infinity = 0x7F800000;
    private const uint QuietBit = 0x00400000;

    private static uint Truncate(uint value) => (value + 0x800) & 0xFFFFF000;

    private static bool IsNaN(uint value) => (value & ~SignBit) > Infinity;

    /// <summary>Denormals count as zero and results that would be denormal become zero.</summary>
    private static uint ReciprocalOf(uint a)
    {
        if (IsNaN(a))
        {
            return a | QuietBit;
        }

        if ((a & Infinity) == 0)
        {
            return (a & SignBit) | Infinity;
        }

        uint r = BitConverter.SingleToUInt32Bits((float)(1.0 / BitConverter.UInt32BitsToSingle(a)));
        return (r & Infinity) == 0 ? r & SignBit : Truncate(r);
    }

    private static uint ReciprocalRootOf(uint a)
    {
        if (IsNaN(a))
        {
            return a | QuietBit;
        }

        if ((a & Infinity) == 0)
        {
            return (a & SignBit) | Infinity;
        }

        if ((a & SignBit) != 0)
        {
            return 0xFFC00000;
        }

        return Truncate(BitConverter.SingleToUInt32Bits((float)(1.0 / Math.Sqrt(BitConverter.UInt32BitsToSingle(a)))));
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

    private readonly struct Add : IFloatOperation
    {
        public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Add(a, b, ref c);

        public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Add(a, b, ref c);
    }

    private readonly struct Subtract : IFloatOperation
    {
        public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Sub(a, b, ref c);

        public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Sub(a, b, ref c);
    }

    private readonly struct Multiply : IFloatOperation
    {
        public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Mul(a, b, ref c);

        public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Mul(a, b, ref c);
    }

    private readonly struct Divide : IFloatOperation
    {
        public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Div(a, b, ref c);

        public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Div(a, b, ref c);
    }

    private readonly struct SquareRoot : IFloatOperation
    {
        public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Sqrt(b, ref c);

        public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Sqrt(b, ref c);
    }

    private readonly struct Minimum : IFloatOperation
    {
        public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Min(a, b, ref c);

        public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Min(a, b, ref c);
    }

    private readonly struct Maximum : IFloatOperation
    {
        public static uint Apply(uint a, uint b, ref FloatContext c) => Float32.Max(a, b, ref c);

        public static ulong Apply(ulong a, ulong b, ref FloatContext c) => Float64.Max(a, b, ref c);
    }
}
