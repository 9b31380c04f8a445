namespace Strata.Devices.Network;

/// <summary>
/// The transceiver's registers, a Marvell 88E1011's as far as drivers look: the link is at 1000 Mbit/s, full duplex, as soon as there is
/// one. 82540EM manual, "PHY Registers". Under the card's lock.
/// </summary>
internal sealed class E1000Phy
{
    public const int Registers = 32;

    private const int Control = 0;
    private const int StatusRegister = 1;
    private const int SpecificStatus = 17;
    private const ushort ControlReset = 1 << 15;
    private const ushort ControlRestart = 1 << 9;
    private const ushort StatusLink = 1 << 2;
    private const ushort StatusNegotiated = 1 << 5;
    private const ushort SpecificLink = 1 << 10;

    /// <summary>What can be written, and what it is after a reset.</summary>
    public ushort[] Values { get; } = new ushort[Registers];

    public E1000Phy() => Reset();

    public void Reset()
    {
        Array.Clear(Values);
        Values[Control] = 0x1140;
        Values[StatusRegister] = 0x7949;
        (Values[2], Values[3]) = (0x0141, 0x0C20);
        (Values[4], Values[5], Values[6]) = (0x0DE1, 0x45E1, 0x0001);
        (Values[9], Values[10]) = (0x0E00, 0x3C00);
        (Values[15], Values[16], Values[SpecificStatus], Values[20]) = (0x3000, 0x0360, 0xA800, 0x0D60);
    }

    public ushort Read(int register, bool isLinkUp) => register switch
    {
        StatusRegister when isLinkUp => (ushort)(Values[register] | StatusLink | StatusNegotiated),
        SpecificStatus when isLinkUp => (ushort)(Values[register] | SpecificLink),
        _ => Values[register],
    };

    /// <returns>Whether the link is negotiated anew.</returns>
    public bool Write(int register, ushort value)
    {
        switch (register)
        {
            case Control:
                if ((value & ControlReset) != 0)
                {
                    Reset();
                    return true;
                }

                Values[Control] = (ushort)(value & ~ControlRestart);
                return (value & ControlRestart) != 0;
            case 4 or 7 or 9 or 16 or 18 or 20 or 24 or 29 or 30 or 31:
                Values[register] = value;
                return false;
            default:
                return false; // read-only
        }
    }
}
