using Iced.Intel;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Integer SIMD across the elements of one source: horizontal sums and differences, sums of absolute differences.</summary>
internal static unsafe class SseHorizontalInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Psadbw, &Simd.Run<SumDifferences>);
        table.Add(Mnemonic.Phaddw, &Simd.Run<HorizontalAdd2>);
        table.Add(Mnemonic.Phaddd, &Simd.Run<HorizontalAdd4>);
        table.Add(Mnemonic.Phaddsw, &Simd.Run<HorizontalAddSaturated>);
        table.Add(Mnemonic.Phsubw, &Simd.Run<HorizontalSubtract2>);
        table.Add(Mnemonic.Phsubd, &Simd.Run<HorizontalSubtract4>);
        table.Add(Mnemonic.Phsubsw, &Simd.Run<HorizontalSubtractSaturated>);
    }

    internal readonly struct SumDifferences : ISpanOperation
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

    internal readonly struct HorizontalAdd2 : ISpanOperation
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

    internal readonly struct HorizontalAdd4 : ISpanOperation
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

    internal readonly struct HorizontalAddSaturated : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 4;
            short* x = (short*)a;
            short* y = (short*)b;
            for (int i = 0; i < count; i++)
            {
                ((short*)r)[i] = Simd.Saturate16(x[2 * i] + x[(2 * i) + 1]);
                ((short*)r)[count + i] = Simd.Saturate16(y[2 * i] + y[(2 * i) + 1]);
            }
        }
    }

    internal readonly struct HorizontalSubtract2 : ISpanOperation
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

    internal readonly struct HorizontalSubtract4 : ISpanOperation
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

    internal readonly struct HorizontalSubtractSaturated : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            int count = n / 4;
            short* x = (short*)a;
            short* y = (short*)b;
            for (int i = 0; i < count; i++)
            {
                ((short*)r)[i] = Simd.Saturate16(x[2 * i] - x[(2 * i) + 1]);
                ((short*)r)[count + i] = Simd.Saturate16(y[2 * i] - y[(2 * i) + 1]);
            }
        }
    }
}
