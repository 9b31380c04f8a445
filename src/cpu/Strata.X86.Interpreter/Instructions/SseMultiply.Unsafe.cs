using Iced.Intel;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Integer SIMD multiplications whose results have another width than their factors, or are sums of products.</summary>
internal static unsafe class SseMultiplyInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Pmulhw, &Simd.Run<MultiplyHigh>);
        table.Add(Mnemonic.Pmulhuw, &Simd.Run<MultiplyHighUnsigned>);
        table.Add(Mnemonic.Pmulhrsw, &Simd.Run<MultiplyHighRounded>);
        table.Add(Mnemonic.Pmuludq, &Simd.Run<MultiplyUnsignedDwords>);
        table.Add(Mnemonic.Pmuldq, &Simd.Run<MultiplySignedDwords>);
        table.Add(Mnemonic.Pmaddwd, &Simd.Run<MultiplyAddWords>);
        table.Add(Mnemonic.Pmaddubsw, &Simd.Run<MultiplyAddBytes>);
    }

    internal readonly struct MultiplyHigh : ISpanOperation
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

    internal readonly struct MultiplyHighUnsigned : ISpanOperation
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

    internal readonly struct MultiplyHighRounded : ISpanOperation
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

    internal readonly struct MultiplyUnsignedDwords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 8; i++)
            {
                ((ulong*)r)[i] = (ulong)((uint*)a)[2 * i] * ((uint*)b)[2 * i];
            }
        }
    }

    internal readonly struct MultiplySignedDwords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 8; i++)
            {
                ((long*)r)[i] = (long)((int*)a)[2 * i] * ((int*)b)[2 * i];
            }
        }
    }

    internal readonly struct MultiplyAddWords : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 4; i++)
            {
                ((int*)r)[i] = (((short*)a)[2 * i] * ((short*)b)[2 * i]) + (((short*)a)[(2 * i) + 1] * ((short*)b)[(2 * i) + 1]);
            }
        }
    }

    internal readonly struct MultiplyAddBytes : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            for (int i = 0; i < n / 2; i++)
            {
                ((short*)r)[i] = Simd.Saturate16((a[2 * i] * ((sbyte*)b)[2 * i]) + (a[(2 * i) + 1] * ((sbyte*)b)[(2 * i) + 1]));
            }
        }
    }
}
