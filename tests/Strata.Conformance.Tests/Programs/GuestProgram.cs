using Iced.Intel;
using Strata.X86.Interpreter.Tests.Harness;

namespace Strata.Conformance.Tests.Programs;

/// <summary>Random code: where it lies, its instructions, and the interrupts that arrive while it runs. A seed makes it again.</summary>
internal sealed class GuestProgram
{
    private const int LongestProgram = 24;
    private const int BytesPerInstruction = 16;

    public GuestProgram(GuestSetting setting, int seed)
    {
        Setting = setting;
        Seed = seed;
        Random random = new(seed);
        int length = 1 + random.Next(LongestProgram);
        ulong window = setting.Entry & ~0xFFFUL;

        // Often near the end of a page, so that instructions and loops lie in both.
        Start = random.Next(3) == 0 ? window + 0x1000 - (ulong)random.Next(1, 64) : window + (ulong)random.Next(0xE00);
        EncodingTable table = setting.Bitness switch
        {
            64 => EncodingTable.Long,
            32 => EncodingTable.Protected32,
            _ => EncodingTable.Sixteen,
        };
        InstructionWriter writer = new(random, setting.Bitness, setting.Data - setting.CodeBase);
        ulong rip = Start;
        while (Chunks.Count < length)
        {
            byte[] bytes = random.Next(12) == 0
                ? RawEncoding.Next(random)
                : writer.Write(table.Next(random), rip - setting.CodeBase, Target(random, rip) - setting.CodeBase);
            if (bytes.Length > 0)
            {
                Chunks.Add(Mutate(bytes, random));
                rip += (ulong)Chunks[^1].Length;
            }
        }

        Chunks.Add([0xF4]);
        InterruptAt = random.Next(4) == 0 ? random.Next(LongestProgram) : -1;
        Vector = (byte)random.Next(32, 256);
    }

    private GuestProgram(GuestProgram other, int chunk)
    {
        (Setting, Seed, Start, InterruptAt, Vector) = (other.Setting, other.Seed, other.Start, other.InterruptAt, other.Vector);
        Chunks.AddRange(other.Chunks);
        Chunks[chunk] = [.. Enumerable.Repeat((byte)0x90, Chunks[chunk].Length)];
    }

    public GuestSetting Setting { get; }

    public int Seed { get; }

    /// <summary>Physical address of the first byte.</summary>
    public ulong Start { get; }

    public List<byte[]> Chunks { get; } = [];

    /// <summary>The instruction before which an interrupt arrives, counted from 0, or −1.</summary>
    public int InterruptAt { get; }

    public byte Vector { get; }

    /// <summary>The same with one instruction turned into NOPs.</summary>
    public GuestProgram Without(int chunk) => new(this, chunk);

    public bool IsNop(int chunk) => Chunks[chunk].All(b => b == 0x90);

    public IEnumerable<string> Disassemble()
    {
        ulong rip = Start - Setting.CodeBase;
        foreach (byte[] chunk in Chunks)
        {
            Iced.Intel.Decoder decoder = Iced.Intel.Decoder.Create(Setting.Bitness, chunk, rip);
            decoder.Decode(out Instruction instruction);
            if (!chunk.All(b => b == 0x90))
            {
                yield return $"{rip:X5}  {Convert.ToHexString(chunk),-30}  {instruction}";
            }

            rip += (ulong)chunk.Length;
        }
    }

    /// <summary>An address in or near the program: instruction starts, their middles, and the page behind.</summary>
    private ulong Target(Random random, ulong rip) => random.Next(8) switch
    {
        0 => Start,
        1 => Start + (ulong)random.Next(LongestProgram * BytesPerInstruction / 2),
        _ => rip + (ulong)random.Next(2, 24),
    };

    private static byte[] Mutate(byte[] bytes, Random random)
    {
        switch (random.Next(40))
        {
            case 0:
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                return bytes;
            case 1:
                return [(byte)(random.Next(2) == 0 ? 0x66 : 0x67), .. bytes];
            case 2:
                return [(byte)(random.Next(2) == 0 ? 0xF2 : 0xF3), .. bytes];
            case 3:
                return [(byte)(0x40 + random.Next(16)), .. bytes];
            default:
                return bytes;
        }
    }
}
