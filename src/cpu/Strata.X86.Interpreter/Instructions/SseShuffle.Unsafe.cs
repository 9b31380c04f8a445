using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>SIMD that moves whole elements between lanes: shuffles, alignment, duplication.</summary>
internal static unsafe class SseShuffleInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Pshufb, &Simd.Run<ShuffleBytes>);
        table.Add(Mnemonic.Pshufd, &Simd.Run<ShuffleDwords>);
        table.Add(Mnemonic.Pshuflw, &Simd.Run<ShuffleLowWords>);
        table.Add(Mnemonic.Pshufhw, &Simd.Run<ShuffleHighWords>);
        table.Add(Mnemonic.Pshufw, &Simd.Run<ShuffleLowWords>);
        table.Add(Mnemonic.Shufps, &Simd.Run<ShuffleSingles>);
        table.Add(Mnemonic.Shufpd, &Simd.Run<ShuffleDoubles>);
        table.Add(Mnemonic.Palignr, &Simd.Run<Align>);
        table.Add(Mnemonic.Movddup, &DuplicateDouble);
        table.Add(Mnemonic.Movsldup, &Simd.Run<DuplicateEven>);
        table.Add(Mnemonic.Movshdup, &Simd.Run<DuplicateOdd>);
    }

    private static void DuplicateDouble(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Operands.TryRead(cpu, op, 1, 8, out ulong value))
        {
            Operands.Xmm(cpu, op->Reg0) = Vector128.Create(value).AsByte();
        }
    }

    internal readonly struct ShuffleBytes : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n; i++)
            {
                r[i] = (b[i] & 0x80) != 0 ? (byte)0 : a[b[i] & (n - 1)];
            }
        }
    }

    internal readonly struct ShuffleDwords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < 4; i++)
            {
                ((uint*)r)[i] = ((uint*)b)[(immediate >> (2 * i)) & 3];
            }
        }
    }

    internal readonly struct ShuffleLowWords : ISpanOperation
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

    internal readonly struct ShuffleHighWords : ISpanOperation
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

    internal readonly struct ShuffleSingles : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < 4; i++)
            {
                ((uint*)r)[i] = ((uint*)(i < 2 ? a : b))[(immediate >> (2 * i)) & 3];
            }
        }
    }

    internal readonly struct ShuffleDoubles : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            ((ulong*)r)[0] = ((ulong*)a)[immediate & 1];
            ((ulong*)r)[1] = ((ulong*)b)[(immediate >> 1) & 1];
        }
    }

    internal readonly struct Align : ISpanOperation
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

    internal readonly struct DuplicateEven : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* from = (uint*)b;
            ((uint*)r)[0] = ((uint*)r)[1] = from[0];
            ((uint*)r)[2] = ((uint*)r)[3] = from[2];
        }
    }

    internal readonly struct DuplicateOdd : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* from = (uint*)b;
            ((uint*)r)[0] = ((uint*)r)[1] = from[1];
            ((uint*)r)[2] = ((uint*)r)[3] = from[3];
        }
    }
}
