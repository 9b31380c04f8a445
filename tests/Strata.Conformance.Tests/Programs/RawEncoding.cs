namespace Strata.Conformance.Tests.Programs;

/// <summary>Random bytes with the outline of an instruction: prefixes in any order and number, any opcode, ModRM, SIB and more.</summary>
internal static class RawEncoding
{
    private static readonly byte[] Prefixes = [
        0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65, 0x40, 0x41, 0x44, 0x48, 0x49, 0x4C, 0x4F];

    public static byte[] Next(Random random)
    {
        List<byte> bytes = [];
        for (int i = random.Next(4) * random.Next(2); i > 0; i--)
        {
            bytes.Add(Prefixes[random.Next(Prefixes.Length)]);
        }

        switch (random.Next(12))
        {
            case < 5:
                break;
            case < 9:
                bytes.Add(0x0F);
                break;
            case 9:
                bytes.AddRange([0x0F, (byte)(random.Next(2) == 0 ? 0x38 : 0x3A)]);
                break;
            case 10:
                bytes.AddRange([0xC5, (byte)random.Next(256)]);
                break;
            default:
                bytes.AddRange([0xC4, (byte)(random.Next(2) == 0 ? 0xE2 : random.Next(256)), (byte)random.Next(256)]);
                break;
        }

        bytes.Add((byte)random.Next(256));
        bytes.Add(ModRm(random));
        bytes.Add((byte)random.Next(256));
        for (int i = random.Next(5); i > 0; i--)
        {
            bytes.Add((byte)(random.Next(3) * random.Next(86)));
        }

        return [.. bytes];
    }

    /// <summary>Register forms, and memory at RBX, RSI, RDI or RBP with a short displacement, more often than the rest.</summary>
    private static byte ModRm(Random random) => random.Next(4) switch
    {
        0 => (byte)random.Next(256),
        1 => (byte)(0xC0 | random.Next(64)),
        2 => (byte)(0x40 | (random.Next(8) << 3) | (random.Next(2) == 0 ? 3 : 5 + random.Next(3))),
        _ => (byte)((random.Next(8) << 3) | (random.Next(2) == 0 ? 3 : 6 + random.Next(2))),
    };
}
