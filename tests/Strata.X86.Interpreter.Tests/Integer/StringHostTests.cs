using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>
/// String instructions against the host: every width, no prefix, REP and REPNE, both directions, overlapping operands, and
/// operands that cross pages which are not neighbours in physical memory.
/// </summary>
public sealed unsafe class StringHostTests
{
    private const byte OperandSize = 0x66;
    private const byte AddressSize = 0x67;
    private const byte Repne = 0xF2;
    private const byte Rep = 0xF3;
    private const byte RexW = 0x48;
    private const int Rounds = 400;

    /// <summary>Bytes that one operand covers at most.</summary>
    private const int Span = 1000;

    /// <summary>Name, opcode of the byte form, prefix or 0, bytes an element, bits of the address.</summary>
    public static TheoryData<string, byte, byte, int, int> Forms
    {
        get
        {
            TheoryData<string, byte, byte, int, int> rows = [];
            foreach ((string name, byte opcode, byte[] prefixes) in ((string, byte, byte[])[])
                [
                    ("movs", 0xA4, [0, Rep]), ("cmps", 0xA6, [0, Rep, Repne]), ("stos", 0xAA, [0, Rep]), ("lods", 0xAC, [0, Rep]),
                    ("scas", 0xAE, [0, Rep, Repne]),
                ])
            {
                foreach (byte prefix in prefixes)
                {
                    foreach (int size in (int[])[1, 2, 4, 8])
                    {
                        rows.Add(name, opcode, prefix, size, 64);
                        rows.Add(name, opcode, prefix, size, 32);
                    }
                }
            }

            return rows;
        }
    }

    [HostTheory]
    [MemberData(nameof(Forms))]
    public void String_RandomRuns_MatchesHost(string name, byte opcode, byte prefix, int size, int addressBits)
    {
        using HostDifference difference = new(opcode + (prefix * 256) + size + addressBits);
        byte[] code = addressBits == 32 ? [AddressSize, .. Encode(opcode, prefix, size)] : Encode(opcode, prefix, size);
        using ProcessorPair pair = difference.Pair(code);
        for (int i = 0; i < Rounds; i++)
        {
            Arrange(pair, difference.Operands, size, prefix != 0);
            if (addressBits == 32)
            {
                AddNoise(pair, difference.Operands, prefix != 0);
            }

            string result = pair.Run(undefinedFlags: 0);
            if (result.Length != 0)
            {
                difference.Report($"{name} {Convert.ToHexString(code)} memory={(ulong)pair.Memory:X} {pair.DescribeInputs(null)}", result);
            }
        }

        difference.AssertNone();
    }

    private static byte[] Encode(byte opcode, byte prefix, int size)
    {
        byte[] repeat = prefix == 0 ? [] : [prefix];
        byte[] element = size switch
        {
            1 => [opcode],
            2 => [OperandSize, (byte)(opcode + 1)],
            4 => [(byte)(opcode + 1)],
            _ => [RexW, (byte)(opcode + 1)],
        };

        // REX must be the last prefix, 66h may stand before or behind F3h.
        return [.. repeat, .. element];
    }

    private static void Arrange(ProcessorPair pair, IntegerOperands operands, int size, bool repeated)
    {
        Random random = operands.Random;
        for (int i = 0; i < 16; i++)
        {
            pair.Gprs[i] = operands.Next();
        }

        bool down = random.Next(2) != 0;
        pair.Rflags = operands.NextFlags() | (down ? RFlags.DF : 0);
        if (repeated)
        {
            pair.Gprs[Gpr.Rcx] = (ulong)(random.Next(4) == 0 ? random.Next(4) : random.Next((Span / size) + 1));
        }

        // Up to twice the span apart, or so close that a copy overlaps itself.
        int source = Span + random.Next(ProcessorPair.MemorySize - (2 * Span));
        int destination = random.Next(2) == 0
            ? Span + random.Next(ProcessorPair.MemorySize - (2 * Span))
            : Math.Clamp(source + random.Next(-40, 40), Span, ProcessorPair.MemorySize - Span - 1);
        pair.Gprs[Gpr.Rsi] = (ulong)pair.Memory + (ulong)source;
        pair.Gprs[Gpr.Rdi] = (ulong)pair.Memory + (ulong)destination;
        FillMemory(pair, random, source, destination, size, down);
    }

    /// <summary>
    /// Gives what 32-bit addresses do not use any value. With a count of zero that is nothing: models differ in whether RCX, RSI and RDI
    /// then lose their upper halves (an AMD EPYC zeroes those of the pointers, an Intel Xeon of the fourth generation keeps them).
    /// </summary>
    private static void AddNoise(ProcessorPair pair, IntegerOperands operands, bool repeated)
    {
        ulong source = operands.Next() << 32;
        ulong destination = operands.Next() << 32;
        if (repeated && pair.Gprs[Gpr.Rcx] == 0)
        {
            pair.Gprs[Gpr.Rsi] = (uint)pair.Gprs[Gpr.Rsi];
            pair.Gprs[Gpr.Rdi] = (uint)pair.Gprs[Gpr.Rdi];
            return;
        }

        pair.Gprs[Gpr.Rsi] |= source;
        pair.Gprs[Gpr.Rdi] |= destination;
        if (repeated)
        {
            pair.Gprs[Gpr.Rcx] |= operands.Next() << 32;
        }
    }

    /// <summary>Noise, or one byte value with few exceptions, so that comparisons run for a while before they end.</summary>
    private static void FillMemory(ProcessorPair pair, Random random, int source, int destination, int size, bool down)
    {
        int kind = random.Next(4);
        if (kind == 0)
        {
            random.NextBytes(pair.MemoryBytes);
            return;
        }

        byte common = (byte)random.Next(256);
        pair.MemoryBytes.Fill(common);
        if (kind == 1)
        {
            pair.Gprs[Gpr.Rax] = common * 0x0101010101010101UL;
        }

        int distance = random.Next(Span);
        int at = (random.Next(2) == 0 ? source : destination) + (down ? -distance : distance);
        pair.Memory[Math.Clamp(at, 0, ProcessorPair.MemorySize - 8)] ^= (byte)random.Next(256);
        if (kind == 3)
        {
            // What SCAS looks for stands at a whole number of elements from where it starts.
            int element = destination + ((down ? -1 : 1) * (distance / size * size));
            *(ulong*)(pair.Memory + Math.Clamp(element, 0, ProcessorPair.MemorySize - 8)) = pair.Gprs[Gpr.Rax];
        }
    }
}
