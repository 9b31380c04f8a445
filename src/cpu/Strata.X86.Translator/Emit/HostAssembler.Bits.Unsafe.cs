namespace Strata.X86.Translator.Emit;

/// <summary>Bits, bytes and products: what only the stubs need.</summary>
internal unsafe ref partial struct HostAssembler
{
    /// <summary>CMP byte [base + displacement], imm8.</summary>
    public void CompareByte(int @base, int displacement, int value)
    {
        if (@base >= 8)
        {
            Byte(0x41);
        }

        Byte(0x80);
        Memory(7, @base, displacement);
        Byte(value);
    }

    /// <summary>CMP byte [base + index], imm8; both below R8.</summary>
    public void CompareByteIndexed(int @base, int index, int value)
    {
        Byte(0x80);
        Memory(7, @base, index, 0, 0);
        Byte(value);
    }

    /// <summary>MOV byte [base + index], imm8; both below R8.</summary>
    public void StoreByteIndexed(int @base, int index, int value)
    {
        Byte(0xC6);
        Memory(0, @base, index, 0, 0);
        Byte(value);
    }

    /// <summary>Sets a bit of the bit string at [base].</summary>
    /// <param name="bit">Register with its number: any below 2^63.</param>
    public void SetBit(int @base, int bit)
    {
        Byte(0x48 | ((bit >> 3) << 2) | (@base >> 3));
        Byte(0x0F);
        Byte(0xAB);
        Memory(bit, @base, 0);
    }

    /// <summary>The carry flag from bit <paramref name="bit"/> modulo 32 of a register; both below R8.</summary>
    public void TestBit(int register, int bit)
    {
        Byte(0x0F);
        Byte(0xA3);
        Byte(0xC0 | (bit << 3) | register);
    }

    /// <summary>IMUL r64, r64.</summary>
    public void Multiply64(int register, int by)
    {
        Byte(0x48 | ((register >> 3) << 2) | (by >> 3));
        Byte(0x0F);
        Byte(0xAF);
        Byte(0xC0 | ((register & 7) << 3) | (by & 7));
    }

    /// <summary>Adds one to qword [base + displacement].</summary>
    public void Increment(int @base, int displacement) => Op64(0xFF, 0, @base, displacement);
}
