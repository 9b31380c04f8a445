namespace Strata.X86.Translator.Blocks;

/// <summary>Encodings of 32-bit code: those that mean something else, or nothing, in 64-bit mode are exchanged for their like.</summary>
internal unsafe partial struct GuestEncoding
{
    /// <summary>After parsing: makes of it what the host has. Intel SDM Vol. 2, "Instructions Not Supported in 64-Bit Mode".</summary>
    private void Modernize()
    {
        if (IsVex)
        {
            // 32-bit code ignores the fourth bits of registers, and W where it would be the width of a general register.
            VexW &= !NamesGeneralRegister();
            Reg &= 7;
            Rm &= 7;
            Vvvv &= 7;
            return;
        }

        if (Map != 0)
        {
            return;
        }

        switch (Opcode)
        {
            case >= 0x40 and <= 0x4F: // INC and DEC of a register: FF /0 and FF /1
                HasModRm = true;
                ModRm = (byte)(0xC0 | (Opcode & 0xF));
                Rm = Opcode & 7;
                Reg = (Opcode >> 3) & 1;
                Opcode = 0xFF;
                break;
            case 0x82: // another 80
                Opcode = 0x80;
                break;
            case >= 0xA0 and <= 0xA3: // MOV between the accumulator and an absolute address: 8A, 8B, 88, 89
                HasModRm = true;
                ModRm = 5;
                Rm = 5;
                Opcode = (byte)(0x88 | ((Opcode & 2) ^ 2) | (Opcode & 1));
                ImmediateSize = 0;
                break;
        }
    }

    /// <summary>A VEX encoding with a general register: BMI, and vector instructions that move or convert one.</summary>
    private readonly bool NamesGeneralRegister() => Map switch
    {
        1 => Opcode is 0x2A or 0x2C or 0x2D or 0x6E || (Opcode == 0x7E && VexPrefix == 1),
        2 => Opcode is >= 0xF2 and <= 0xF7,
        _ => Opcode is 0xF0 or 0x14 or 0x16 or 0x17 or 0x20 or 0x22,
    };
}
