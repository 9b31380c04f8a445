using System.Numerics;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// The SHA extensions: rounds and message schedules of SHA-1 and SHA-256 (FIPS 180-4). Intel SDM Vol. 2B, "SHA1RNDS4" and its kin.
/// Elements are named as the manual does: the highest is the first in time.
/// </summary>
internal static unsafe class ShaInstructions
{
    private static readonly uint[] Sha1Constants = [0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6];

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Sha1rnds4, &Simd.Run<Sha1Rounds>);
        table.Add(Mnemonic.Sha1nexte, &Simd.Run<Sha1NextE>);
        table.Add(Mnemonic.Sha1msg1, &Simd.Run<Sha1Message1>);
        table.Add(Mnemonic.Sha1msg2, &Simd.Run<Sha1Message2>);
        table.Add(Mnemonic.Sha256rnds2, &Sha256Rounds);
        table.Add(Mnemonic.Sha256msg1, &Simd.Run<Sha256Message1>);
        table.Add(Mnemonic.Sha256msg2, &Simd.Run<Sha256Message2>);
    }

    private static uint Choose(uint x, uint y, uint z) => (x & y) ^ (~x & z);

    private static uint Majority(uint x, uint y, uint z) => (x & y) ^ (x & z) ^ (y & z);

    private static uint LargeSigma0(uint x) =>
        BitOperations.RotateRight(x, 2) ^ BitOperations.RotateRight(x, 13) ^ BitOperations.RotateRight(x, 22);

    private static uint LargeSigma1(uint x) =>
        BitOperations.RotateRight(x, 6) ^ BitOperations.RotateRight(x, 11) ^ BitOperations.RotateRight(x, 25);

    private static uint SmallSigma0(uint x) => BitOperations.RotateRight(x, 7) ^ BitOperations.RotateRight(x, 18) ^ (x >> 3);

    private static uint SmallSigma1(uint x) => BitOperations.RotateRight(x, 17) ^ BitOperations.RotateRight(x, 19) ^ (x >> 10);

    /// <summary>Two rounds; round constants and message words come together in XMM0.</summary>
    private static void Sha256Rounds(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        Vector128<uint> abef = source.AsUInt32();
        Vector128<uint> cdgh = Operands.Xmm(cpu, op->Reg0).AsUInt32();
        (uint a, uint b, uint e, uint f) = (abef[3], abef[2], abef[1], abef[0]);
        (uint c, uint d, uint g, uint h) = (cdgh[3], cdgh[2], cdgh[1], cdgh[0]);
        for (int i = 0; i < 2; i++)
        {
            uint word = *((uint*)&cpu.Context->State.Vectors[0] + i);
            uint t1 = h + LargeSigma1(e) + Choose(e, f, g) + word;
            uint t2 = LargeSigma0(a) + Majority(a, b, c);
            (h, g, f, e, d, c, b, a) = (g, f, e, d + t1, c, b, a, t1 + t2);
        }

        Operands.Xmm(cpu, op->Reg0) = Vector128.Create(f, e, b, a).AsByte();
    }

    internal readonly struct Sha1Rounds : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* state = (uint*)a;
            uint* words = (uint*)b;
            (uint x, uint y, uint z, uint w) = (state[3], state[2], state[1], state[0]);
            uint e = 0; // the first word brings it along
            for (int i = 0; i < 4; i++)
            {
                uint f = (immediate & 3) switch { 0 => Choose(y, z, w), 2 => Majority(y, z, w), _ => y ^ z ^ w };
                uint next = f + BitOperations.RotateLeft(x, 5) + words[3 - i] + e + Sha1Constants[immediate & 3];
                (e, w, z, y, x) = (w, z, BitOperations.RotateLeft(y, 30), x, next);
            }

            uint* to = (uint*)r;
            (to[3], to[2], to[1], to[0]) = (x, y, z, w);
        }
    }

    internal readonly struct Sha1NextE : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint e = BitOperations.RotateLeft(((uint*)a)[3], 30);
            *(Vector128<byte>*)r = *(Vector128<byte>*)b;
            ((uint*)r)[3] += e;
        }
    }

    internal readonly struct Sha1Message1 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* x = (uint*)a;
            uint* y = (uint*)b;
            uint* to = (uint*)r;
            (to[3], to[2], to[1], to[0]) = (x[3] ^ x[1], x[2] ^ x[0], x[1] ^ y[3], x[0] ^ y[2]);
        }
    }

    internal readonly struct Sha1Message2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* x = (uint*)a;
            uint* y = (uint*)b;
            uint* to = (uint*)r;
            uint first = BitOperations.RotateLeft(x[3] ^ y[2], 1);
            (to[3], to[2], to[1], to[0]) = (first, BitOperations.RotateLeft(x[2] ^ y[1], 1), BitOperations.RotateLeft(x[1] ^ y[0], 1),
                BitOperations.RotateLeft(x[0] ^ first, 1));
        }
    }

    internal readonly struct Sha256Message1 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* x = (uint*)a;
            uint* to = (uint*)r;
            (to[3], to[2], to[1], to[0]) = (
                x[3] + SmallSigma0(*(uint*)b), x[2] + SmallSigma0(x[3]), x[1] + SmallSigma0(x[2]), x[0] + SmallSigma0(x[1]));
        }
    }

    internal readonly struct Sha256Message2 : ISpanOperation
    {
        public static void Apply(byte* r, byte* a, byte* b, int n, int immediate)
        {
            uint* x = (uint*)a;
            uint* y = (uint*)b;
            uint* to = (uint*)r;
            uint w16 = x[0] + SmallSigma1(y[2]);
            uint w17 = x[1] + SmallSigma1(y[3]);
            (to[3], to[2], to[1], to[0]) = (x[3] + SmallSigma1(w17), x[2] + SmallSigma1(w16), w17, w16);
        }
    }
}
