using Iced.Intel;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.Floating;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;
using IcedDecoder = Iced.Intel.Decoder;

namespace Strata.X86.Interpreter.Tests.X87;

/// <summary>
/// Every x87 encoding on random register stacks, masks and operands, against the host: registers, tags, status, control
/// word, flags, memory. Transcendental results may differ by one unit in the last place.
/// </summary>
public sealed unsafe class X87HostConformanceTests
{
    private const int Rounds = 250;
    private const int MemoryCompared = 128;

    [HostTheory]
    [InlineData(0xD8)]
    [InlineData(0xD9)]
    [InlineData(0xDA)]
    [InlineData(0xDB)]
    [InlineData(0xDC)]
    [InlineData(0xDD)]
    [InlineData(0xDE)]
    [InlineData(0xDF)]
    public void Execute_EveryEncoding_MatchesHost(int opcode)
    {
        using GuestProcessor guest = new();
        List<string> failures = [];
        FloatOperands operands = new(opcode);
        ulong at = GuestProcessor.Code;
        foreach (byte modrm in Encodings())
        {
            byte[] code = [(byte)opcode, modrm];
            IcedDecoder decoder = IcedDecoder.Create(64, [.. code, .. new byte[14]]);
            decoder.Decode(out Instruction instruction);
            if (instruction.Code == Code.INVALID)
            {
                continue;
            }

            guest.Place(at, code);
            using HostInstruction host = new(code);
            int before = failures.Count;
            for (int i = 0; i < Rounds && failures.Count < before + 2; i++)
            {
                RunOne(guest, host, operands, instruction, at, failures);
            }

            at += 16;
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures.Take(40)));
    }

    /// <summary>[RBX] with every extension, and all register forms.</summary>
    private static IEnumerable<byte> Encodings() =>
        Enumerable.Range(0, 8).Select(reg => (byte)((reg << 3) | 3)).Concat(Enumerable.Range(0xC0, 0x40).Select(m => (byte)m));

    private static void RunOne(
        GuestProcessor guest, HostInstruction host, FloatOperands operands, in Instruction instruction, ulong at, List<string> failures)
    {
        Arrange(guest, host, operands, instruction, at);
        string inputs = $"{instruction} | {Describe(guest.State)} mem={Hex(host.Memory, 10)}";
        guest.Run();
        host.Run();
        X86CpuState actual = guest.State;
        string difference = Compare(host, guest, IsTranscendental(instruction.Mnemonic), actual);
        if (difference.Length != 0)
        {
            failures.Add($"{inputs}\n    {difference}");
        }
    }

    private static void Arrange(GuestProcessor guest, HostInstruction host, FloatOperands o, in Instruction instruction, ulong at)
    {
        host.Reset();
        Random random = o.Random;
        int masks = random.Next(3) == 0 ? random.Next(64) : 63;
        int precision = random.Next(3) switch { 0 => 0, 1 => 2, _ => 3 };
        int top = random.Next(8);
        host.Fcw = (ushort)(masks | 0x40 | (precision << 8) | (random.Next(4) << 10));

        // Sticky flags may only be set where masked: a pending exception would kill the host process.
        host.Fsw = (ushort)((random.Next(64) & masks & -random.Next(2)) | (random.Next(0x10000) & 0x4700) | (top << 11));
        host.Ftw = (byte)(random.Next(3) switch { 0 => random.Next(256), 1 => 0xFF, _ => ~(1 << ((top + 7) & 7)) });
        Float80 previous = default;
        for (int i = 0; i < 8; i++)
        {
            Float80 value = i == 0 ? o.Next80() : o.Near80(previous);
            if (IsTranscendental(instruction.Mnemonic) && random.Next(2) == 0)
            {
                value = new Float80(value.Significand | Float80.IntegerBit, (ushort)(value.Sign | (16383 - 1 - random.Next(8))));
            }

            if (instruction.Mnemonic is Mnemonic.F2xm1 or Mnemonic.Fyl2xp1 && i == 0)
            {
                value = new Float80(value.Significand | Float80.IntegerBit, (ushort)(value.Sign | (16383 - 2 - random.Next(60))));
            }

            previous = value;
            host.StSignificand(i) = value.Significand;
            host.StExponent(i) = value.SignExponent;
        }

        FillMemory(host.Memory, o, instruction);
        host.Rflags = 0x202 | ((ulong)random.Next(0x1000) & 0x8D5);
        ToGuest(guest, host, at);
    }

    private static void FillMemory(byte* memory, FloatOperands o, in Instruction instruction)
    {
        o.Random.NextBytes(new Span<byte>(memory, MemoryCompared));
        switch (instruction.MemorySize)
        {
            case MemorySize.Float32:
                *(uint*)memory = o.Next32();
                break;
            case MemorySize.Float64:
                *(ulong*)memory = o.Next64();
                break;
            case MemorySize.Float80:
                (*(ulong*)memory, *(ushort*)(memory + 8)) = (o.Next80().Significand, o.Next80().SignExponent);
                break;
            case MemorySize.Int16 or MemorySize.Int32 or MemorySize.Int64:
                *(long*)memory = o.NextInteger();
                break;
            case MemorySize.Bcd:
                for (int i = 0; i < 9; i++)
                {
                    memory[i] = (byte)((o.Random.Next(10) << 4) | o.Random.Next(10));
                }

                break;
            default:
                break;
        }
    }

    private static void ToGuest(GuestProcessor guest, HostInstruction host, ulong at)
    {
        X86CpuState state = GuestProcessor.LongMode();
        state.Rip = at;
        state.Rflags = host.Rflags;
        state.Fcw = host.Fcw;
        state.Fsw = host.Fsw;
        int top = (host.Fsw >> 11) & 7;
        state.Ftw = 0;
        for (int i = 0; i < 8; i++)
        {
            int register = (top + i) & 7;
            state.FpuRegisters[2 * register] = host.StSignificand(i);
            state.FpuRegisters[(2 * register) + 1] = host.StExponent(i);
            state.Ftw |= (ushort)(Tag(host, i, register) << (2 * register));
        }

        guest.State = state;
        Buffer.MemoryCopy(host.Memory, guest.At(GuestProcessor.Data), MemoryCompared, MemoryCompared);
    }

    private static int Tag(HostInstruction host, int i, int register)
    {
        Float80 value = new(host.StSignificand(i), host.StExponent(i));
        return (host.Ftw & (1 << register)) == 0 ? 3 : value.IsZero ? 1 : value.IsNormal ? 0 : 2;
    }

    private static string Compare(HostInstruction host, GuestProcessor guest, bool approximate, in X86CpuState actual)
    {
        List<string> differences = [];
        if (guest.Fault >= 0)
        {
            differences.Add($"fault {guest.Fault}");
        }

        // C1 is the rounding direction, which is not promised for transcendental results.
        int ignored = approximate ? 0x200 : 0;
        Check(differences, "FSW", host.Fsw & ~ignored, actual.Fsw & ~ignored);
        Check(differences, "FCW", host.Fcw, actual.Fcw);
        Check(differences, "flags", (int)(host.Rflags & 0x8D5), (int)(actual.Rflags & 0x8D5));
        Check(differences, "AX", (int)host.Gprs[0] & 0xFFFF, (int)actual.Gprs[0] & 0xFFFF);
        int top = (host.Fsw >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int register = (top + i) & 7;
            Float80 expected = new(host.StSignificand(i), host.StExponent(i));
            X86CpuState state = actual;
            Float80 found = new(state.FpuRegisters[2 * register], (ushort)state.FpuRegisters[(2 * register) + 1]);
            bool close = approximate && Int128.Abs(Position(expected) - Position(found)) <= 1;
            if (expected != found && !close)
            {
                differences.Add(
                    $"R{register}: host {expected.SignExponent:X4}:{expected.Significand:X16} ours " +
                    $"{found.SignExponent:X4}:{found.Significand:X16}");
            }

            int tag = (actual.Ftw >> (2 * register)) & 3;
            if (!approximate || tag == 3)
            {
                Check(differences, $"tag{register}", Tag(host, i, register), tag);
            }
        }

        if (!new Span<byte>(host.Memory, MemoryCompared).SequenceEqual(new Span<byte>(guest.At(GuestProcessor.Data), MemoryCompared)))
        {
            differences.Add($"memory: host {Hex(host.Memory, 28)} ours {Hex(guest.At(GuestProcessor.Data), 28)}");
        }

        return string.Join(", ", differences);
    }

    /// <summary>Neighbouring numbers have neighbouring positions.</summary>
    private static Int128 Position(Float80 a) =>
        (((Int128)a.Exponent << 63) + (Int128)(a.Significand & ~Float80.IntegerBit)) * (a.IsNegative ? -1 : 1);

    private static void Check(List<string> differences, string name, int expected, int actual)
    {
        if (expected != actual)
        {
            differences.Add($"{name}: host {expected:X4} ours {actual:X4}");
        }
    }

    private static bool IsTranscendental(Mnemonic mnemonic) => mnemonic
        is Mnemonic.Fsin or Mnemonic.Fcos or Mnemonic.Fsincos or Mnemonic.Fptan or Mnemonic.Fpatan
        or Mnemonic.F2xm1 or Mnemonic.Fyl2x or Mnemonic.Fyl2xp1;

    private static string Describe(X86CpuState state)
    {
        int top = (state.Fsw >> 11) & 7;
        string text = $"fcw={state.Fcw:X4} fsw={state.Fsw:X4} ftw={state.Ftw:X4}";
        for (int i = 0; i < 2; i++)
        {
            int register = (top + i) & 7;
            text += $" st{i}={state.FpuRegisters[(2 * register) + 1]:X4}:{state.FpuRegisters[2 * register]:X16}";
        }

        return text;
    }

    private static string Hex(byte* memory, int count) => Convert.ToHexString(new Span<byte>(memory, count));
}
