using Iced.Intel;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Averages, absolute values and changes of sign of integer elements.</summary>
internal static unsafe class SseAbsoluteInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Pavgb, &Simd.Run<AverageBytes>);
        table.Add(Mnemonic.Pavgw, &Simd.Run<AverageWords>);
        table.Add(Mnemonic.Pabsb, &Simd.Run<Absolute1>);
        table.Add(Mnemonic.Pabsw, &Simd.Run<Absolute2>);
        table.Add(Mnemonic.Pabsd, &Simd.Run<Absolute4>);
        table.Add(Mnemonic.Psignb, &Simd.Run<Sign1>);
        table.Add(Mnemonic.Psignw, &Simd.Run<Sign2>);
        table.Add(Mnemonic.Psignd, &Simd.Run<Sign4>);
    }

    internal readonly struct AverageBytes : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n; i++)
            {
                r[i] = (byte)((a[i] + b[i] + 1) >> 1);
            }
        }
    }

    internal readonly struct AverageWords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                ((ushort*)r)[i] = (ushort)((((ushort*)a)[i] + ((ushort*)b)[i] + 1) >> 1);
            }
        }
    }

    internal readonly struct Absolute1 : ISpanOperation
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

    internal readonly struct Sign1 : ISpanOperation
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

    internal readonly struct Absolute2 : ISpanOperation
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

    internal readonly struct Sign2 : ISpanOperation
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

    internal readonly struct Absolute4 : ISpanOperation
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

    internal readonly struct Sign4 : ISpanOperation
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
}
