using Iced.Intel;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Integer SIMD that changes the width of elements: packs with saturation, unpacks of two sources.</summary>
internal static unsafe class SsePackInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Punpcklbw, &Simd.Run<UnpackLow1>);
        table.Add(Mnemonic.Punpcklwd, &Simd.Run<UnpackLow2>);
        table.Add(Mnemonic.Punpckldq, &Simd.Run<UnpackLow4>);
        table.Add(Mnemonic.Punpcklqdq, &Simd.Run<UnpackLow8>);
        table.Add(Mnemonic.Unpcklps, &Simd.Run<UnpackLow4>);
        table.Add(Mnemonic.Unpcklpd, &Simd.Run<UnpackLow8>);
        table.Add(Mnemonic.Punpckhbw, &Simd.Run<UnpackHigh1>);
        table.Add(Mnemonic.Punpckhwd, &Simd.Run<UnpackHigh2>);
        table.Add(Mnemonic.Punpckhdq, &Simd.Run<UnpackHigh4>);
        table.Add(Mnemonic.Punpckhqdq, &Simd.Run<UnpackHigh8>);
        table.Add(Mnemonic.Unpckhps, &Simd.Run<UnpackHigh4>);
        table.Add(Mnemonic.Unpckhpd, &Simd.Run<UnpackHigh8>);
        table.Add(Mnemonic.Packsswb, &Simd.Run<PackSignedWords>);
        table.Add(Mnemonic.Packuswb, &Simd.Run<PackUnsignedWords>);
        table.Add(Mnemonic.Packssdw, &Simd.Run<PackSignedDwords>);
        table.Add(Mnemonic.Packusdw, &Simd.Run<PackUnsignedDwords>);
    }

    private static void Unpack(byte* r, byte* a, byte* b, int n, int size, int start)
    {
        for (int i = 0; i < n / 2; i += size)
        {
            Buffer.MemoryCopy(a + start + i, r + (2 * i), size, size);
            Buffer.MemoryCopy(b + start + i, r + (2 * i) + size, size, size);
        }
    }

    internal readonly struct UnpackLow1 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 1, 0);
        }
    }

    internal readonly struct UnpackHigh1 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 1, n / 2);
        }
    }

    internal readonly struct UnpackLow2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 2, 0);
        }
    }

    internal readonly struct UnpackHigh2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 2, n / 2);
        }
    }

    internal readonly struct UnpackLow4 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 4, 0);
        }
    }

    internal readonly struct UnpackHigh4 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 4, n / 2);
        }
    }

    internal readonly struct UnpackLow8 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 8, 0);
        }
    }

    internal readonly struct UnpackHigh8 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            Unpack(r, a, b, n, 8, n / 2);
        }
    }

    internal readonly struct PackSignedWords : ISpanOperation
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

    internal readonly struct PackUnsignedWords : ISpanOperation
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

    internal readonly struct PackSignedDwords : ISpanOperation
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

    internal readonly struct PackUnsignedDwords : ISpanOperation
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
}
