using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>AES-NI (FIPS 197 rounds) and PCLMULQDQ.</summary>
internal static unsafe class AesInstructions
{
    private static readonly byte[] SBox = BuildSBox();
    private static readonly byte[] InverseSBox = BuildInverse(SBox);

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Aesenc, &Encrypt);
        table.Add(Mnemonic.Aesenclast, &EncryptLast);
        table.Add(Mnemonic.Aesdec, &Decrypt);
        table.Add(Mnemonic.Aesdeclast, &DecryptLast);
        table.Add(Mnemonic.Aesimc, &InverseMixColumnsOnly);
        table.Add(Mnemonic.Aeskeygenassist, &KeyAssist);
        table.Add(Mnemonic.Pclmulqdq, &CarrylessMultiply);
    }

    private static void Encrypt(X86Cpu cpu, Op* op) => Round(cpu, op, inverse: false, mix: true);

    private static void EncryptLast(X86Cpu cpu, Op* op) => Round(cpu, op, inverse: false, mix: false);

    private static void Decrypt(X86Cpu cpu, Op* op) => Round(cpu, op, inverse: true, mix: true);

    private static void DecryptLast(X86Cpu cpu, Op* op) => Round(cpu, op, inverse: true, mix: false);

    private static void Round(X86Cpu cpu, Op* op, bool inverse, bool mix)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> key))
        {
            Operands.Xmm(cpu, op->Reg0) = RoundOf(Operands.Xmm(cpu, op->Reg0), key, inverse, mix);
        }
    }

    /// <summary>One round; the last one does not mix columns.</summary>
    public static Vector128<byte> RoundOf(Vector128<byte> state, Vector128<byte> key, bool inverse, bool mix)
    {
        Vector128<byte> r = default;
        byte[] box = inverse ? InverseSBox : SBox;
        for (int i = 0; i < 16; i++)
        {
            // ShiftRows: row i % 4 moves by its number of columns.
            int column = (i / 4) + (inverse ? -(i % 4) : i % 4);
            ((byte*)&r)[i] = box[((byte*)&state)[((column & 3) * 4) + (i % 4)]];
        }

        if (mix)
        {
            r = inverse ? MixColumns(r, 14, 11, 13, 9) : MixColumns(r, 2, 3, 1, 1);
        }

        return r ^ key;
    }

    private static void InverseMixColumnsOnly(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            Operands.Xmm(cpu, op->Reg0) = InverseMixColumns(source);
        }
    }

    public static Vector128<byte> InverseMixColumns(Vector128<byte> state) => MixColumns(state, 14, 11, 13, 9);

    private static void KeyAssist(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            Operands.Xmm(cpu, op->Reg0) = AssistKey(source, (byte)op->Imm);
        }
    }

    public static Vector128<byte> AssistKey(Vector128<byte> source, uint constant)
    {
        uint x1 = Substitute(source.AsUInt32()[1]);
        uint x3 = Substitute(source.AsUInt32()[3]);
        return Vector128.Create(x1, uint.RotateRight(x1, 8) ^ constant, x3, uint.RotateRight(x3, 8) ^ constant).AsByte();
    }

    private static void CarrylessMultiply(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            ulong a = Operands.Xmm(cpu, op->Reg0).AsUInt64()[(int)op->Imm & 1];
            ulong b = source.AsUInt64()[((int)op->Imm >> 4) & 1];
            Operands.Xmm(cpu, op->Reg0) = MultiplyCarryless(a, b);
        }
    }

    public static Vector128<byte> MultiplyCarryless(ulong a, ulong b)
    {
        UInt128 product = 0;
        for (int i = 0; i < 64; i++)
        {
            product ^= ((b >> i) & 1) != 0 ? (UInt128)a << i : 0;
        }

        return Vector128.Create((ulong)product, (ulong)(product >> 64)).AsByte();
    }

    private static uint Substitute(uint word) =>
        SBox[(byte)word] | ((uint)SBox[(byte)(word >> 8)] << 8) | ((uint)SBox[(byte)(word >> 16)] << 16) | ((uint)SBox[word >> 24] << 24);

    private static Vector128<byte> MixColumns(Vector128<byte> state, int m0, int m1, int m2, int m3)
    {
        Vector128<byte> r = default;
        byte* s = (byte*)&state;
        for (int c = 0; c < 16; c += 4)
        {
            for (int i = 0; i < 4; i++)
            {
                ((byte*)&r)[c + i] = (byte)(Multiply(s[c + i], m0) ^ Multiply(s[c + ((i + 1) & 3)], m1)
                    ^ Multiply(s[c + ((i + 2) & 3)], m2) ^ Multiply(s[c + ((i + 3) & 3)], m3));
            }
        }

        return r;
    }

    /// <summary>Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.</summary>
    private static int Multiply(int a, int b)
    {
        int r = 0;
        for (; b != 0; b >>= 1)
        {
            r ^= (b & 1) != 0 ? a : 0;
            a = (a << 1) ^ ((a & 0x80) != 0 ? 0x11B : 0);
        }

        return r;
    }

    private static byte[] BuildSBox()
    {
        byte[] box = new byte[256];
        for (int i = 0; i < 256; i++)
        {
            int inverse = 0;
            for (int j = 1; j < 256 && i != 0; j++)
            {
                if (Multiply(i, j) == 1)
                {
                    inverse = j;
                    break;
                }
            }

            int s = inverse;
            for (int k = 1; k <= 4; k++)
            {
                s ^= ((inverse << k) | (inverse >> (8 - k))) & 0xFF;
            }

            box[i] = (byte)(s ^ 0x63);
        }

        return box;
    }

    private static byte[] BuildInverse(byte[] box)
    {
        byte[] inverse = new byte[256];
        for (int i = 0; i < 256; i++)
        {
            inverse[box[i]] = (byte)i;
        }

        return inverse;
    }
}
