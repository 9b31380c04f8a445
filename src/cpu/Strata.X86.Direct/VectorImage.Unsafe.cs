using Strata.X86.Registers;

namespace Strata.X86.Direct;

/// <summary>
/// Vector and x87 registers between the state and an image of XSAVE in the standard form. Intel SDM Vol. 1, "XSAVE Area".
/// </summary>
internal static unsafe class VectorImage
{
    /// <summary>Legacy region, header, and the upper halves of YMM, which both makers' processors have at this offset.</summary>
    public const int Size = Upper + 256;

    private const int Registers = 32; // x87, 16 bytes each, from the top of the stack on
    private const int Lower = 160; // XMM
    private const int Present = 512; // XSTATE_BV
    private const int Upper = 576;

    private const ulong X87 = 1;
    private const ulong Sse = 2;
    private const ulong Avx = 4;

    /// <summary>Bits of MXCSR that exist on every processor: with others LDMXCSR faults.</summary>
    private const uint MxcsrDefined = 0xFFFF;

    /// <summary>Writes an image to be loaded by XRSTOR; what the guest does not have becomes initial.</summary>
    public static void Store(in X86CpuState state, byte* image)
    {
        bool hasUpper = (state.Xcr0 & Avx) != 0;
        new Span<byte>(image, Upper).Clear();
        *(ushort*)image = state.Fcw;
        *(ushort*)(image + 2) = state.Fsw;
        image[4] = AbridgeTags(state.Ftw);
        *(ushort*)(image + 6) = state.Fop;
        *(ulong*)(image + 8) = state.FpuIp;
        *(ulong*)(image + 16) = state.FpuDp;
        *(uint*)(image + 24) = state.Mxcsr & MxcsrDefined;
        int top = (state.Fsw >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            *(ulong*)(image + Registers + (16 * i)) = state.FpuRegisters[2 * physical];
            *(ushort*)(image + Registers + (16 * i) + 8) = (ushort)state.FpuRegisters[(2 * physical) + 1];
        }

        for (int i = 0; i < 16; i++)
        {
            ulong* lower = (ulong*)(image + Lower + (16 * i));
            (lower[0], lower[1]) = (state.Vectors[4 * i], state.Vectors[(4 * i) + 1]);
            if (hasUpper)
            {
                ulong* upper = (ulong*)(image + Upper + (16 * i));
                (upper[0], upper[1]) = (state.Vectors[(4 * i) + 2], state.Vectors[(4 * i) + 3]);
            }
        }

        *(ulong*)(image + Present) = X87 | Sse | (hasUpper ? Avx : 0);
    }

    /// <summary>Takes an image that guest code may have written: any bytes are some state. Components that the guest does not have are
    /// left out.</summary>
    public static void Load(ref X86CpuState state, byte* image)
    {
        ulong present = *(ulong*)(image + Present);
        LoadX87(ref state, image, (present & X87) != 0);
        state.Mxcsr = *(uint*)(image + 24) & MxcsrDefined;
        bool hasUpper = (state.Xcr0 & Avx) != 0;
        for (int i = 0; i < 16; i++)
        {
            ulong* lower = (ulong*)(image + Lower + (16 * i));
            bool isLower = (present & Sse) != 0;
            state.Vectors[4 * i] = isLower ? lower[0] : 0;
            state.Vectors[(4 * i) + 1] = isLower ? lower[1] : 0;
            if (hasUpper)
            {
                ulong* upper = (ulong*)(image + Upper + (16 * i));
                bool isUpper = (present & Avx) != 0;
                state.Vectors[(4 * i) + 2] = isUpper ? upper[0] : 0;
                state.Vectors[(4 * i) + 3] = isUpper ? upper[1] : 0;
            }
        }
    }

    private static void LoadX87(ref X86CpuState state, byte* image, bool isPresent)
    {
        state.Fcw = isPresent ? *(ushort*)image : (ushort)0x37F;
        state.Fsw = isPresent ? *(ushort*)(image + 2) : (ushort)0;
        state.Fop = isPresent ? (ushort)(*(ushort*)(image + 6) & 0x7FF) : (ushort)0;
        state.FpuIp = isPresent ? *(ulong*)(image + 8) : 0;
        state.FpuDp = isPresent ? *(ulong*)(image + 16) : 0;
        state.FpuCs = state.FpuDs = 0;
        byte tags = isPresent ? image[4] : (byte)0;
        int top = (state.Fsw >> 11) & 7;
        ushort full = 0;
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            ulong significand = isPresent ? *(ulong*)(image + Registers + (16 * i)) : 0;
            ushort exponent = isPresent ? *(ushort*)(image + Registers + (16 * i) + 8) : (ushort)0;
            state.FpuRegisters[2 * physical] = significand;
            state.FpuRegisters[(2 * physical) + 1] = exponent;
            int tag = ((tags >> physical) & 1) == 0 ? 3 : TagOf(significand, exponent);
            full |= (ushort)(tag << (2 * physical));
        }

        state.Ftw = full;
    }

    /// <summary>Valid, zero or special.</summary>
    private static int TagOf(ulong significand, ushort exponent) => (exponent & 0x7FFF) switch
    {
        0 => significand == 0 ? 1 : 2,
        0x7FFF => 2,
        _ => (significand >> 63) != 0 ? 0 : 2,
    };

    private static byte AbridgeTags(ushort tags)
    {
        int abridged = 0;
        for (int i = 0; i < 8; i++)
        {
            abridged |= ((tags >> (2 * i)) & 3) == 3 ? 0 : 1 << i;
        }

        return (byte)abridged;
    }
}
