using Strata.X86.Registers;

namespace Strata.X86.Kvm.State;

/// <summary>
/// x87, MXCSR and vector registers in the standard form of XSAVE with 64-bit pointers. Intel SDM Vol. 1, "XSAVE Area" and
/// "Layout of the 64-bit-mode FXSAVE64 Map".
/// </summary>
internal static unsafe class XsaveImage
{
    private const int X87Registers = 32;
    private const int XmmRegisters = 160;
    private const int Header = 512;
    private const int YmmHighHalves = 576;
    private const ulong X87AndSse = 3;
    private const ulong Avx = 4;
    private const uint MxcsrMask = 0xFFFF;
    private const int TagValid = 0;
    private const int TagZero = 1;
    private const int TagSpecial = 2;
    private const int TagEmpty = 3;
    private const ulong IntegerBit = 1UL << 63;

    /// <summary>Fills an image of 4 KiB that is zero.</summary>
    public static void Store(in X86CpuState s, byte* image)
    {
        *(ushort*)image = s.Fcw;
        *(ushort*)(image + 2) = s.Fsw;
        *(ushort*)(image + 6) = s.Fop;
        *(ulong*)(image + 8) = s.FpuIp;
        *(ulong*)(image + 16) = s.FpuDp;
        *(uint*)(image + 24) = s.Mxcsr;
        *(uint*)(image + 28) = MxcsrMask;
        int top = (s.Fsw >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            image[4] |= (byte)(((s.Ftw >> (2 * i)) & 3) != TagEmpty ? 1 << i : 0);
            int physical = (top + i) & 7;
            *(ulong*)(image + X87Registers + (i * 16)) = s.FpuRegisters[physical * 2];
            *(ulong*)(image + X87Registers + (i * 16) + 8) = (ushort)s.FpuRegisters[(physical * 2) + 1];
        }

        bool avx = (s.Xcr0 & Avx) != 0;
        *(ulong*)(image + Header) = X87AndSse | (avx ? Avx : 0);
        for (int i = 0; i < 16; i++)
        {
            Copy(s, i * 4, image + XmmRegisters + (i * 16));
            if (avx)
            {
                Copy(s, (i * 4) + 2, image + YmmHighHalves + (i * 16));
            }
        }
    }

    public static void Load(ref X86CpuState s, byte* image)
    {
        s.Fcw = *(ushort*)image;
        s.Fsw = *(ushort*)(image + 2);
        s.Fop = *(ushort*)(image + 6);
        s.FpuIp = *(ulong*)(image + 8);
        s.FpuDp = *(ulong*)(image + 16);
        s.FpuCs = s.FpuDs = 0;
        s.Mxcsr = *(uint*)(image + 24);
        int top = (s.Fsw >> 11) & 7;
        int tags = 0;
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            ulong significand = *(ulong*)(image + X87Registers + (i * 16));
            ushort exponent = *(ushort*)(image + X87Registers + (i * 16) + 8);
            s.FpuRegisters[physical * 2] = significand;
            s.FpuRegisters[(physical * 2) + 1] = exponent;
            bool used = (image[4] & (1 << physical)) != 0;
            tags |= (used ? TagOf(significand, exponent) : TagEmpty) << (2 * physical);
        }

        s.Ftw = (ushort)tags;
        bool avx = (s.Xcr0 & Avx) != 0;
        for (int i = 0; i < 16; i++)
        {
            s.Vectors[i * 4] = *(ulong*)(image + XmmRegisters + (i * 16));
            s.Vectors[(i * 4) + 1] = *(ulong*)(image + XmmRegisters + (i * 16) + 8);
            if (avx)
            {
                s.Vectors[(i * 4) + 2] = *(ulong*)(image + YmmHighHalves + (i * 16));
                s.Vectors[(i * 4) + 3] = *(ulong*)(image + YmmHighHalves + (i * 16) + 8);
            }
        }
    }

    private static void Copy(in X86CpuState s, int quad, byte* to)
    {
        *(ulong*)to = s.Vectors[quad];
        *(ulong*)(to + 8) = s.Vectors[quad + 1];
    }

    private static int TagOf(ulong significand, ushort signAndExponent)
    {
        int exponent = signAndExponent & 0x7FFF;
        return exponent == 0 && significand == 0 ? TagZero
            : exponent is 0 or 0x7FFF || (significand & IntegerBit) == 0 ? TagSpecial
            : TagValid;
    }
}
