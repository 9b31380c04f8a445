using static Strata.Devices.Network.E1000Registers;

namespace Strata.Devices.Network;

/// <summary>
/// The 64 words of the card's EEPROM, which cannot be written, and its Microwire interface: the guest drives select, clock and data by bits
/// of EECD. 82540EM manual, chapter 5. Under the card's lock.
/// </summary>
internal sealed class E1000Eeprom
{
    public const int Words = 64;

    private const int CommandBits = 9; // a one, two bits of opcode, six of address
    private const int ReadCommand = 0b110;
    private const ushort Sum = 0xBABA;

    private readonly ushort[] _words = new ushort[Words];

    public E1000Eeprom(ReadOnlySpan<byte> macAddress)
    {
        for (int i = 0; i < 3; i++)
        {
            _words[i] = (ushort)(macAddress[i * 2] | (macAddress[(i * 2) + 1] << 8));
        }

        (_words[0x0A], _words[0x0B], _words[0x0C], _words[0x0D], _words[0x0E]) = (0x4489, 0x001E, 0x8086, 0x100E, 0x8086);
        _words[Words - 1] = (ushort)(Sum - _words.Sum(word => word));
    }

    /// <summary>EECD, as far as it is written.</summary>
    public uint Control { get; set; }

    /// <summary>Bits of the command that have come, the last one lowest.</summary>
    public ushort Command { get; set; }

    /// <summary>How many.</summary>
    public byte Bits { get; set; }

    /// <summary>What is left of the word that is being read, the next bit highest.</summary>
    public ushort Data { get; set; }

    public bool IsReading { get; set; }

    /// <summary>The level of the data output.</summary>
    public bool Output { get; set; } = true;

    public ushort Word(int address) => _words[address & (Words - 1)];

    public void Reset() => (Control, Command, Bits, Data, IsReading, Output) = (0, 0, 0, 0, false, true);

    public uint Read() => Control | EecdPresent | ((Control & EecdRequest) != 0 ? EecdGrant : 0) | (Output ? EecdDataOut : 0);

    public void Write(uint value)
    {
        bool rises = (value & EecdClock) != 0 && (Control & EecdClock) == 0;
        Control = value & EecdWritable;
        if ((value & EecdSelect) == 0)
        {
            (Command, Bits, IsReading, Output) = (0, 0, false, true);
        }
        else if (rises && IsReading)
        {
            Output = (Data & 0x8000) != 0;
            Data <<= 1;
        }
        else if (rises)
        {
            TakeBit((value & EecdDataIn) != 0);
        }
    }

    /// <summary>A command begins with its first one.</summary>
    private void TakeBit(bool bit)
    {
        if (Bits == CommandBits || (Bits == 0 && !bit))
        {
            return;
        }

        Command = (ushort)((Command << 1) | (bit ? 1 : 0));
        Bits++;
        if (Bits == CommandBits && Command >> 6 == ReadCommand)
        {
            (IsReading, Output) = (true, false);
            Data = Word(Command);
        }
    }
}
