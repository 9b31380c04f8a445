using Iced.Intel;

namespace Strata.X86.Direct.Spaces;

/// <summary>
/// Finds CPUID in code. The CPU would tell the host's processor; having it fault costs a write of a model-specific register at each switch
/// of the host between a stub and anything else, which is more than all the rest of an event where the host is a virtual machine.
/// </summary>
internal static class IdentificationSearch
{
    private const byte Escape = 0x0F;
    private const byte Opcode = 0xA2;

    /// <summary>Decoders fall into step within a few instructions wherever they begin.</summary>
    private const int Approach = 64;
    private const int Beginnings = 16;

    /// <summary>Whether a page has the instruction.</summary>
    /// <param name="page">Its bytes.</param>
    /// <param name="next">First byte behind it; null if that is not known.</param>
    public static bool IsIn(ReadOnlySpan<byte> page, byte? next)
    {
        ReadOnlySpan<byte> pair = [Escape, Opcode];
        for (int from = 0; from < page.Length;)
        {
            int found = page[from..].IndexOf(pair);
            if (found < 0)
            {
                break;
            }

            if (IsInstruction(page, from + found))
            {
                return true;
            }

            from += found + 1;
        }

        return page[^1] == Escape && (next ?? Opcode) == Opcode;
    }

    /// <summary>
    /// Whether the two bytes are the instruction and not a part of another one: most decoders that begin at some place before say so.
    /// </summary>
    private static bool IsInstruction(ReadOnlySpan<byte> page, int at)
    {
        if (at < Beginnings)
        {
            return true; // too little before it to tell
        }

        int first = Math.Max(0, at - Approach);
        byte[] code = page[first..(at + 2)].ToArray();
        int yes = 0;
        for (int begin = 0; begin < Beginnings; begin++)
        {
            ByteArrayCodeReader reader = new(code, begin, code.Length - begin);
            Decoder decoder = Decoder.Create(64, reader);
            Instruction last = default;
            while (reader.CanReadByte)
            {
                last = decoder.Decode();
            }

            yes += last.Code == Code.Cpuid ? 1 : 0;
        }

        return yes * 2 >= Beginnings;
    }
}
