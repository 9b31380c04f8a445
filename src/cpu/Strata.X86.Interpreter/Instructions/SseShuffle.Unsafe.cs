using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// Integer SIMD that moves elements between lanes or widths: shuffles, packs, unpacks, shifts, multiplications, extensions.
/// Written over byte spans of 8 (MMX) or 16, so that one routine serves both.
/// </summary>
internal static unsafe class SseShuffleInstructions
{
    /// <summary>An operation on destination and source of <c>n</c> bytes; the result goes to <c>r</c>.</summary>
    private interface ISpanOperation
    {
        static abstract void Apply(byte* r, byte* a, byte* b, int n, int immediate);
    }

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Punpcklbw, &Run<UnpackLow1>);
        table.Add(Mnemonic.Punpcklwd, &Run<UnpackLow2>);
        table.Add(Mnemonic.Punpckldq, &Run<UnpackLow4>);
        table.Add(Mnemonic.Punpcklqdq, &Run<UnpackLow8>);
        table.Add(Mnemonic.Unpcklps, &Run<UnpackLow4>);
        table.Add(Mnemonic.Unpcklpd, &Run<UnpackLow8>);
        table.Add(Mnemonic.Punpckhbw, &Run<UnpackHigh1>);
        table.Add(Mnemonic.Punpckhwd, &Run<UnpackHigh2>);
        table.Add(Mnemonic.Punpckhdq, &Run<UnpackHigh4>);
        table.Add(Mnemonic.Punpckhqdq, &Run<UnpackHigh8>);
        table.Add(Mnemonic.Unpckhps, &Run<UnpackHigh4>);
        table.Add(Mnemonic.Unpckhpd, &Run<UnpackHigh8>);
        table.Add(Mnemonic.Packsswb, &Run<PackSignedWords>);
        table.Add(Mnemonic.Packuswb, &Run<PackUnsignedWords>);
        table.Add(Mnemonic.Packssdw, &Run<PackSignedDwords>);
        table.Add(Mnemonic.Packusdw, &Run<PackUnsignedDwords>);
        table.Add(Mnemonic.Pshufb, &Run<ShuffleBytes>);
        table.Add(Mnemonic.Pshufd, &Run<ShuffleDwords>);
        table.Add(Mnemonic.Pshuflw, &Run<ShuffleLowWords>);
        table.Add(Mnemonic.Pshufhw, &Run<ShuffleHighWords>);
        table.Add(Mnemonic.Pshufw, &Run<ShuffleLowWords>);
        table.Add(Mnemonic.Shufps, &Run<ShuffleSingles>);
        table.Add(Mnemonic.Shufpd, &Run<ShuffleDoubles>);
        table.Add(Mnemonic.Palignr, &Run<Align>);
        table.Add(Mnemonic.Pmulhw, &Run<MultiplyHigh>);
        table.Add(Mnemonic.Pmulhuw, &Run<MultiplyHighUnsigned>);
        table.Add(Mnemonic.Pmulhrsw, &Run<MultiplyHighRounded>);
        table.Add(Mnemonic.Pmuludq, &Run<MultiplyUnsignedDwords>);
        table.Add(Mnemonic.Pmuldq, &Run<MultiplySignedDwords>);
        table.Add(Mnemonic.Pmaddwd, &Run<MultiplyAddWords>);
        table.Add(Mnemonic.Pmaddubsw, &Run<MultiplyAddBytes>);
        table.Add(Mnemonic.Psadbw, &Run<SumDifferences>);
        table.Add(Mnemonic.Pavgb, &Run<AverageBytes>);
        table.Add(Mnemonic.Pavgw, &Run<AverageWords>);
        table.Add(Mnemonic.Pabsb, &Run<Absolute1>);
        table.Add(Mnemonic.Pabsw, &Run<Absolute2>);
        table.Add(Mnemonic.Pabsd, &Run<Absolute4>);
        table.Add(Mnemonic.Psignb, &Run<Sign1>);
        table.Add(Mnemonic.Psignw, &Run<Sign2>);
        table.Add(Mnemonic.Psignd, &Run<Sign4>);
        table.Add(Mnemonic.Phaddw, &Run<HorizontalAdd2>);
        table.Add(Mnemonic.Phaddd, &Run<HorizontalAdd4>);
        table.Add(Mnemonic.Phaddsw, &Run<HorizontalAddSaturated>);
        table.Add(Mnemonic.Phsubw, &Run<HorizontalSubtract2>);
        table.Add(Mnemonic.Phsubd, &Run<HorizontalSubtract4>);
        table.Add(Mnemonic.Phsubsw, &Run<HorizontalSubtractSaturated>);
        table.Add(Mnemonic.Pslldq, &ShiftBytesLeft);
        table.Add(Mnemonic.Psrldq, &ShiftBytesRight);
        foreach ((Mnemonic m, int _) in Shifts)
        {
            table.Add(m, &Shift);
        }

        table.Add(Mnemonic.Pmovmskb, &MoveMask1);
        table.Add(Mnemonic.Movmskps, &MoveMask4);
        table.Add(Mnemonic.Movmskpd, &MoveMask8);
        table.Add(Mnemonic.Pextrb, &Extract);
        table.Add(Mnemonic.Pextrw, &Extract);
        table.Add(Mnemonic.Pextrd, &Extract);
        table.Add(Mnemonic.Pextrq, &Extract);
        table.Add(Mnemonic.Extractps, &Extract);
        table.Add(Mnemonic.Pinsrb, &Insert);
        table.Add(Mnemonic.Pinsrw, &Insert);
        table.Add(Mnemonic.Pinsrd, &Insert);
        table.Add(Mnemonic.Pinsrq, &Insert);
        table.Add(Mnemonic.Movddup, &DuplicateDouble);
        table.Add(Mnemonic.Movsldup, &Run<DuplicateEven>);
        table.Add(Mnemonic.Movshdup, &Run<DuplicateOdd>);
    }

    /// <summary>Element size of each shift mnemonic.</summary>
    private static readonly (Mnemonic Mnemonic, int Size)[] Shifts =
    [
        (Mnemonic.Psllw, 2), (Mnemonic.Pslld, 4), (Mnemonic.Psllq, 8),
        (Mnemonic.Psrlw, 2), (Mnemonic.Psrld, 4), (Mnemonic.Psrlq, 8),
        (Mnemonic.Psraw, 2), (Mnemonic.Psrad, 4),
    ];

    private static void Run<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : ISpanOperation
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        Vector128<byte> destination = Simd.Destination(cpu, op);
        Vector128<byte> result = destination;
        TOperation.Apply((byte*)&result, (byte*)&destination, (byte*)&source, op->Kind0 == OperandKind.Mmx ? 8 : 16, (byte)op->Imm);
        Simd.WriteDestination(cpu, op, result);
    }

    private static void Unpack(byte* r, byte* a, byte* b, int n, int size, int start)
    {
        for (int i = 0; i < n / 2; i += size)
        {
            Buffer.MemoryCopy(a + start + i, r + (2 * i), size, size);
            Buffer.MemoryCopy(b + start + i, r + (2 * i) + size, size, size);
        }
    }

    private static void Shift(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op))
        {
            return;
        }

        ulong count;
        if (op->Kind1 == OperandKind.Immediate)
        {
            count = (byte)op->Imm;
        }
        else if (Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            count = source.AsUInt64().ToScalar();
        }
        else
        {
            return;
        }

        int n = (int)Math.Min(count, 64);
        Vector128<byte> a = Simd.Destination(cpu, op);
        Vector128<byte> r = (Mnemonic)op->Mnemonic switch
        {
            Mnemonic.Psllw => n > 15 ? default : (a.AsUInt16() << n).AsByte(),
            Mnemonic.Pslld => n > 31 ? default : (a.AsUInt32() << n).AsByte(),
            Mnemonic.Psllq => n > 63 ? default : (a.AsUInt64() << n).AsByte(),
            Mnemonic.Psrlw => n > 15 ? default : (a.AsUInt16() >>> n).AsByte(),
            Mnemonic.Psrld => n > 31 ? default : (a.AsUInt32() >>> n).AsByte(),
            Mnemonic.Psrlq => n > 63 ? default : (a.AsUInt64() >>> n).AsByte(),
            Mnemonic.Psraw => (a.AsInt16() >> Math.Min(n, 15)).AsByte(),
            _ => (a.AsInt32() >> Math.Min(n, 31)).AsByte(),
        };
        Simd.WriteDestination(cpu, op, r);
    }

    private static void ShiftBytesLeft(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            UInt128 value = new(Operands.Xmm(cpu, op->Reg0).AsUInt64()[1], Operands.Xmm(cpu, op->Reg0).AsUInt64()[0]);
            WriteWide(cpu, op, (byte)op->Imm > 15 ? 0 : value << ((byte)op->Imm * 8));
        }
    }

    private static void ShiftBytesRight(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            UInt128 value = new(Operands.Xmm(cpu, op->Reg0).AsUInt64()[1], Operands.Xmm(cpu, op->Reg0).AsUInt64()[0]);
            WriteWide(cpu, op, (byte)op->Imm > 15 ? 0 : value >> ((byte)op->Imm * 8));
        }
    }

    private static void WriteWide(X86Cpu cpu, Op* op, UInt128 value) =>
        Operands.Xmm(cpu, op->Reg0) = Vector128.Create((ulong)value, (ulong)(value >> 64)).AsByte();

    private static void MoveMask1(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> value))
        {
            Operands.WriteGpr(cpu, op->Reg0, 8, value.ExtractMostSignificantBits());
            Simd.FinishMmxSource(cpu, op);
        }
    }

    private static void MoveMask4(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            Operands.WriteGpr(cpu, op->Reg0, 8, Operands.Xmm(cpu, op->Reg1).AsUInt32().ExtractMostSignificantBits());
        }
    }

    private static void MoveMask8(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            Operands.WriteGpr(cpu, op->Reg0, 8, Operands.Xmm(cpu, op->Reg1).AsUInt64().ExtractMostSignificantBits());
        }
    }

    private static int ElementSize(Op* op) => (Mnemonic)op->Mnemonic switch
    {
        Mnemonic.Pextrb or Mnemonic.Pinsrb => 1,
        Mnemonic.Pextrw or Mnemonic.Pinsrw => 2,
        Mnemonic.Pextrq or Mnemonic.Pinsrq => 8,
        _ => 4,
    };

    private static void Extract(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op))
        {
            return;
        }

        int size = ElementSize(op);
        int lanes = (op->Kind1 == OperandKind.Mmx ? 8 : 16) / size;
        ulong value = Operands.ReadGpr(cpu, (ushort)(op->Reg1 + ((int)(op->Imm & (ulong)(lanes - 1)) * size)), size);
        if (op->Kind0 == OperandKind.Memory)
        {
            Operands.TryStoreMemory(cpu, op, size, value);
        }
        else
        {
            Operands.WriteGpr(cpu, op->Reg0, 8, value);
            Simd.FinishMmxSource(cpu, op);
        }
    }

    private static void Insert(X86Cpu cpu, Op* op)
    {
        int size = ElementSize(op);
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, size, out ulong value))
        {
            return;
        }

        Vector128<byte> r = Simd.Destination(cpu, op);
        int lanes = (op->Kind0 == OperandKind.Mmx ? 8 : 16) / size;
        byte* at = (byte*)&r + ((int)(op->Imm & (ulong)(lanes - 1)) * size);
        Buffer.MemoryCopy(&value, at, size, size);
        Simd.WriteDestination(cpu, op, r);
    }

    private static void DuplicateDouble(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Operands.TryRead(cpu, op, 1, 8, out ulong value))
        {
            Operands.Xmm(cpu, op->Reg0) = Vector128.Create(value).AsByte();
        }
    }

    private static short Saturate16(int value) => (short)Math.Clamp(value, short.MinValue, short.MaxValue);

    private readonly struct UnpackLow1 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 1, 0);
        }
    }

    private readonly struct UnpackHigh1 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 1, n / 2);
        }
    }

    private readonly struct UnpackLow2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 2, 0);
        }
    }

    private readonly struct UnpackHigh2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 2, n / 2);
        }
    }

    private readonly struct UnpackLow4 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 4, 0);
        }
    }

    private readonly struct UnpackHigh4 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 4, n / 2);
        }
    }

    private readonly struct UnpackLow8 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 8, 0);
        }
    }

    private readonly struct UnpackHigh8 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 8, n / 2);
        }
    }

    private readonly struct PackSignedWords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 2;
            for (int i = 0; i < count; i++)
            {
                ((sbyte*)r)[i] = (sbyte)Math.Clamp((int)((short*)a)[i], sbyte.MinValue, sbyte.MaxValue);
                ((sbyte*)r)[count + i] = (sbyte)Math.Clamp((int)((short*)b)[i], sbyte.MinValue, sbyte.MaxValue);
            }
        }
    }

    private readonly struct PackUnsignedWords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 2;
            for (int i = 0; i < count; i++)
            {
                ((byte*)r)[i] = (byte)Math.Clamp((int)((short*)a)[i], 0, 255);
                ((byte*)r)[count + i] = (byte)Math.Clamp((int)((short*)b)[i], 0, 255);
            }
        }
    }

    private readonly struct PackSignedDwords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 4;
            for (int i = 0; i < count; i++)
            {
                ((short*)r)[i] = (short)Math.Clamp((int)((int*)a)[i], short.MinValue, short.MaxValue);
                ((short*)r)[count + i] = (short)Math.Clamp((int)((int*)b)[i], short.MinValue, short.MaxValue);
            }
        }
    }

    private readonly struct PackUnsignedDwords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 4;
            for (int i = 0; i < count; i++)
            {
                ((ushort*)r)[i] = (ushort)Math.Clamp((int)((int*)a)[i], 0, 65535);
                ((ushort*)r)[count + i] = (ushort)Math.Clamp((int)((int*)b)[i], 0, 65535);
            }
        }
    }

    private readonly struct ShuffleBytes : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n; i++)
            {
                r[i] = (b[i] & 0x80) != 0 ? (byte)0 : a[b[i] & (n - 1)];
            }
        }
    }

    private readonly struct ShuffleDwords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < 4; i++)
            {
                ((uint*)r)[i] = ((uint*)b)[(immediate >> (2 * i)) & 3];
            }
        }
    }

    private readonly struct ShuffleLowWords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < 4; i++)
            {
                ((ushort*)r)[i] = ((ushort*)b)[(immediate >> (2 * i)) & 3];
            }
            
            ((ulong*)r)[1] = n == 16 ? ((ulong*)b)[1] : 0;
        }
    }

    private readonly struct ShuffleHighWords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < 4; i++)
            {
                ((ushort*)r)[4 + i] = ((ushort*)b)[4 + ((immediate >> (2 * i)) & 3)];
            }
            
            ((ulong*)r)[0] = ((ulong*)b)[0];
        }
    }

    private readonly struct ShuffleSingles : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < 4; i++)
            {
                ((uint*)r)[i] = ((uint*)(i < 2 ? a : b))[(immediate >> (2 * i)) & 3];
            }
        }
    }

    private readonly struct ShuffleDoubles : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            ((ulong*)r)[0] = ((ulong*)a)[immediate & 1];
            ((ulong*)r)[1] = ((ulong*)b)[(immediate >> 1) & 1];
        }
    }

    private readonly struct Align : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n; i++)
            {
                int from = i + immediate;
                r[i] = from < n ? b[from] : from < 2 * n ? a[from - n] : (byte)0;
            }
        }
    }

    private readonly struct MultiplyHigh : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                int x = ((short*)a)[i];
                int y = ((short*)b)[i];
                ((short*)r)[i] = (short)((x * y) >> 16);
            }
        }
    }

    private readonly struct MultiplyHighUnsigned : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                int x = ((ushort*)a)[i];
                int y = ((ushort*)b)[i];
                ((short*)r)[i] = (short)((int)((uint)x * (uint)y >> 16));
            }
        }
    }

    private readonly struct MultiplyHighRounded : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                int x = ((short*)a)[i];
                int y = ((short*)b)[i];
                ((short*)r)[i] = (short)((((x * y) >> 14) + 1) >> 1);
            }
        }
    }

    private readonly struct MultiplyUnsignedDwords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 8; i++)
            {
                ((ulong*)r)[i] = (ulong)((uint*)a)[2 * i] * ((uint*)b)[2 * i];
            }
        }
    }

    private readonly struct MultiplySignedDwords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 8; i++)
            {
                ((long*)r)[i] = (long)((int*)a)[2 * i] * ((int*)b)[2 * i];
            }
        }
    }

    private readonly struct MultiplyAddWords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 4; i++)
            {
                ((int*)r)[i] = (((short*)a)[2 * i] * ((short*)b)[2 * i]) + (((short*)a)[(2 * i) + 1] * ((short*)b)[(2 * i) + 1]);
            }
        }
    }

    private readonly struct MultiplyAddBytes : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                ((short*)r)[i] = Saturate16((a[2 * i] * ((sbyte*)b)[2 * i]) + (a[(2 * i) + 1] * ((sbyte*)b)[(2 * i) + 1]));
            }
        }
    }

    private readonly struct SumDifferences : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int half = 0; half < n / 8; half++)
            {
                int sum = 0;
                for (int i = half * 8; i < (half + 1) * 8; i++)
                {
                    sum += Math.Abs(a[i] - b[i]);
                }
            
                ((ulong*)r)[half] = (ulong)sum;
            }
        }
    }

    private readonly struct AverageBytes : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n; i++)
            {
                r[i] = (byte)((a[i] + b[i] + 1) >> 1);
            }
        }
    }

    private readonly struct AverageWords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                ((ushort*)r)[i] = (ushort)((((ushort*)a)[i] + ((ushort*)b)[i] + 1) >> 1);
            }
        }
    }

    private readonly struct Absolute1 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 1; i++)
            {
                sbyte x = ((sbyte*)b)[i];
                ((sbyte*)r)[i] = (sbyte)(x < 0 ? -x : x);
            }
        }
    }

    private readonly struct Sign1 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 1; i++)
            {
                sbyte x = ((sbyte*)a)[i];
                sbyte y = ((sbyte*)b)[i];
                ((sbyte*)r)[i] = y < 0 ? (sbyte)-x : y == 0 ? (sbyte)0 : x;
            }
        }
    }

    private readonly struct Absolute2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                short x = ((short*)b)[i];
                ((short*)r)[i] = (short)(x < 0 ? -x : x);
            }
        }
    }

    private readonly struct Sign2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                short x = ((short*)a)[i];
                short y = ((short*)b)[i];
                ((short*)r)[i] = y < 0 ? (short)-x : y == 0 ? (short)0 : x;
            }
        }
    }

    private readonly struct Absolute4 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 4; i++)
            {
                int x = ((int*)b)[i];
                ((int*)r)[i] = (int)(x < 0 ? -x : x);
            }
        }
    }

    private readonly struct Sign4 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 4; i++)
            {
                int x = ((int*)a)[i];
                int y = ((int*)b)[i];
                ((int*)r)[i] = y < 0 ? (int)-x : y == 0 ? (int)0 : x;
            }
        }
    }

    private readonly struct HorizontalAdd2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 4;
            short* x = (short*)a;
            short* y = (short*)b;
            for (int i = 0; i < count; i++)
            {
                ((short*)r)[i] = (short)(x[2 * i] + x[(2 * i) + 1]);
                ((short*)r)[count + i] = (short)(y[2 * i] + y[(2 * i) + 1]);
            }
        }
    }

    private readonly struct HorizontalAdd4 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 8;
            int* x = (int*)a;
            int* y = (int*)b;
            for (int i = 0; i < count; i++)
            {
                ((int*)r)[i] = x[2 * i] + x[(2 * i) + 1];
                ((int*)r)[count + i] = y[2 * i] + y[(2 * i) + 1];
            }
        }
    }

    private readonly struct HorizontalAddSaturated : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 4;
            short* x = (short*)a;
            short* y = (short*)b;
            for (int i = 0; i < count; i++)
            {
                ((short*)r)[i] = Saturate16(x[2 * i] + x[(2 * i) + 1]);
                ((short*)r)[count + i] = Saturate16(y[2 * i] + y[(2 * i) + 1]);
            }
        }
    }

    private readonly struct HorizontalSubtract2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 4;
            short* x = (short*)a;
            short* y = (short*)b;
            for (int i = 0; i < count; i++)
            {
                ((short*)r)[i] = (short)(x[2 * i] - x[(2 * i) + 1]);
                ((short*)r)[count + i] = (short)(y[2 * i] - y[(2 * i) + 1]);
            }
        }
    }

    private readonly struct HorizontalSubtract4 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 8;
            int* x = (int*)a;
            int* y = (int*)b;
            for (int i = 0; i < count; i++)
            {
                ((int*)r)[i] = x[2 * i] - x[(2 * i) + 1];
                ((int*)r)[count + i] = y[2 * i] - y[(2 * i) + 1];
            }
        }
    }

    private readonly struct HorizontalSubtractSaturated : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 4;
            short* x = (short*)a;
            short* y = (short*)b;
            for (int i = 0; i < count; i++)
            {
                ((short*)r)[i] = Saturate16(x[2 * i] - x[(2 * i) + 1]);
                ((short*)r)[count + i] = Saturate16(y[2 * i] - y[(2 * i) + 1]);
            }
        }
    }

    private readonly struct DuplicateEven : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* from = (uint*)b;
            ((uint*)r)[0] = ((uint*)r)[1] = from[0];
            ((uint*)r)[2] = ((uint*)r)[3] = from[2];
        }
    }

    private readonly struct DuplicateOdd : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* from = (uint*)b;
            ((uint*)r)[0] = ((uint*)r)[1] = from[1];
            ((uint*)r)[2] = ((uint*)r)[3] = from[3];
        }
    }
}
