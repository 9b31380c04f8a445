namespace Strata.X86.Translator.Blocks;

/// <summary>
/// The fields of one guest instruction, taken from its bytes: what re-encoding for 64-bit mode needs. Intel SDM Vol. 2, "Instruction
/// Format". The instruction has been decoded before, so the bytes are known to be valid.
/// </summary>
internal unsafe partial struct GuestEncoding
{
    public bool Prefix66;

    /// <summary>0xF2, 0xF3 or zero; the last one counts.</summary>
    public byte Repeat;
    public bool Lock;

    /// <summary>The REX prefix, or zero.</summary>
    public byte Rex;

    public bool IsVex;

    /// <summary>0 one-byte, 1 0F, 2 0F 38, 3 0F 3A.</summary>
    public byte Map;
    public byte Opcode;
    public bool HasModRm;
    public byte ModRm;

    /// <summary>VEX fields; registers are not inverted.</summary>
    public byte VexPrefix;
    public bool VexW;
    public bool VexL;
    public byte Vvvv;

    public byte* Immediate;
    public int ImmediateSize;

    /// <summary>An address-size prefix is there.</summary>
    public bool Prefix67;

    /// <summary>ModRM.reg with its extension bit.</summary>
    public int Reg;

    /// <summary>ModRM.rm with its extension bit; a register only if <see cref="IsRegisterForm"/>.</summary>
    public int Rm;

    public readonly bool IsRegisterForm => HasModRm && ModRm >= 0xC0;

    public readonly bool W => IsVex ? VexW : (Rex & 8) != 0;

    /// <summary>VBLENDVPS and its kin: the fourth register is in the immediate.</summary>
    public readonly bool NamesRegisterInImmediate => IsVex && Map == 3 && Opcode is >= 0x4A and <= 0x4C;

    /// <summary>Register in the low opcode bits.</summary>
    public readonly int OpcodeRegister => (Opcode & 7) | ((Rex & 1) << 3);

    public static GuestEncoding Parse(byte* at, int length, CodeMode mode)
    {
        GuestEncoding e = default;
        byte* end = at + length;
        at = e.ReadPrefixes(at, hasRex: mode == CodeMode.Code64);
        if (*at is 0xC4 or 0xC5)
        {
            at = e.ReadVex(at);
        }
        else
        {
            at = e.ReadOpcode(at);
        }

        if (e.HasModRm)
        {
            e.ModRm = *at++;
            e.Reg |= (e.ModRm >> 3) & 7;
            e.Rm |= e.ModRm & 7;
            at += mode.IsSegmented() && (mode == CodeMode.Code16) != e.Prefix67 ? AddressBytes16(e.ModRm) : AddressBytes(e.ModRm, at);
        }

        e.Immediate = at;
        e.ImmediateSize = (int)(end - at);
        if (mode != CodeMode.Code64)
        {
            e.Modernize();
        }

        return e;
    }

    /// <summary>
    /// Whether the instruction is one of those that exist twice, with the operand in ModRM.rm as the first and as the second, or
    /// that do not care: between two registers both do the same. MOV, TEST and the eight of ADD to CMP.
    /// </summary>
    public readonly bool CanExchange => IsRegisterForm && !IsVex && Map == 0
        && (Opcode is 0x88 or 0x89 or 0x8A or 0x8B or 0x84 or 0x85 || (Opcode < 0x40 && (Opcode & 7) < 4));

    /// <summary>The same with the registers in each other's fields.</summary>
    public readonly GuestEncoding Exchanged() => this with
    {
        Opcode = Opcode is 0x84 or 0x85 ? Opcode : (byte)(Opcode ^ 2),
        Reg = Rm,
        Rm = Reg,
        Rex = (byte)((Rex & ~5) | ((Rex & 1) << 2) | ((Rex & 4) >> 2)),
    };

    /// <param name="hasRex">40..4F are REX prefixes; in 32-bit code they are INC and DEC.</param>
    private byte* ReadPrefixes(byte* at, bool hasRex)
    {
        while (true)
        {
            switch (*at)
            {
                case 0x66:
                    Prefix66 = true;
                    break;
                case 0xF2 or 0xF3:
                    Repeat = *at;
                    break;
                case 0xF0:
                    Lock = true;
                    break;
                case 0x67:
                    Prefix67 = true;
                    break;
                case 0x26 or 0x2E or 0x36 or 0x3E or 0x64 or 0x65:
                    break;
                case >= 0x40 and <= 0x4F when hasRex:
                    // Counts only right before the opcode; an earlier one is followed by another prefix.
                    if (at[1] is not (
                        0x66 or 0xF2 or 0xF3 or 0xF0 or 0x26 or 0x2E or 0x36 or 0x3E or 0x64 or 0x65 or 0x67 or (>= 0x40 and <= 0x4F)))
                    {
                        Rex = *at;
                        Reg = (Rex & 4) << 1;
                        Rm = (Rex & 1) << 3;
                        return at + 1;
                    }

                    break;
                default:
                    return at;
            }

            at++;
        }
    }

    private byte* ReadOpcode(byte* at)
    {
        if (*at != 0x0F)
        {
            Opcode = *at;
            HasModRm = OneByteHasModRm(Opcode);
            return at + 1;
        }

        if (at[1] is 0x38 or 0x3A)
        {
            Map = at[1] == 0x38 ? (byte)2 : (byte)3;
            Opcode = at[2];
            HasModRm = true;
            return at + 3;
        }

        Map = 1;
        Opcode = at[1];
        HasModRm = TwoByteHasModRm(Opcode);
        return at + 2;
    }

    private byte* ReadVex(byte* at)
    {
        IsVex = true;
        bool three = at[0] == 0xC4;
        byte first = at[1];
        byte last = three ? at[2] : at[1];
        Reg = (first & 0x80) == 0 ? 8 : 0;
        Rm = three && (first & 0x20) == 0 ? 8 : 0;
        Map = three ? (byte)(first & 0x1F) : (byte)1;
        VexW = three && (last & 0x80) != 0;
        Vvvv = (byte)((~last >> 3) & 0xF);
        VexL = (last & 4) != 0;
        VexPrefix = (byte)(last & 3);
        Opcode = at[three ? 3 : 2];
        HasModRm = Map != 1 || Opcode != 0x77; // VZEROUPPER and VZEROALL
        return at + (three ? 4 : 3);
    }

    /// <summary>SIB and displacement bytes behind a ModRM byte.</summary>
    private static int AddressBytes(byte modRm, byte* next)
    {
        int mod = modRm >> 6;
        if (mod == 3)
        {
            return 0;
        }

        bool sib = (modRm & 7) == 4;
        int size = sib ? 1 : 0;
        bool noBase = mod == 0 && (sib ? (*next & 7) == 5 : (modRm & 7) == 5);
        return size + (noBase || mod == 2 ? 4 : mod == 1 ? 1 : 0);
    }

    /// <summary>Displacement bytes behind a ModRM byte with an address of 16 bits.</summary>
    private static int AddressBytes16(byte modRm) => (modRm >> 6) switch
    {
        0 => (modRm & 7) == 6 ? 2 : 0,
        1 => 1,
        2 => 2,
        _ => 0,
    };

    private static bool OneByteHasModRm(byte opcode) =>
        (opcode < 0x40 && (opcode & 7) < 4)
        || opcode is 0x63 or 0x69 or 0x6B or (>= 0x80 and <= 0x8F) or 0xC0 or 0xC1 or 0xC6 or 0xC7
            or (>= 0xD0 and <= 0xD3) or (>= 0xD8 and <= 0xDF) or 0xF6 or 0xF7 or 0xFE or 0xFF;

    private static bool TwoByteHasModRm(byte opcode) =>
        opcode is not (0x05 or 0x06 or 0x07 or 0x08 or 0x09 or 0x0B or 0x0E or (>= 0x30 and <= 0x37) or 0x77 or (>= 0x80 and <= 0x8F)
            or 0xA0 or 0xA1 or 0xA2 or 0xA8 or 0xA9 or 0xAA or (>= 0xC8 and <= 0xCF));
}
