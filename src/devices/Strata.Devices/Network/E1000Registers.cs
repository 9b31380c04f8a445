namespace Strata.Devices.Network;

/// <summary>
/// Registers of the 82540EM. Intel, <i>PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual</i> (317453), chapters
/// 3 "Receive and Transmit Description", 5 "EEPROM Interface", 8.10 "PHY Registers" and 13 "Register Descriptions".
/// <code>
/// receive descriptor:   0 address (64)   8 length | checksum   12 status | errors | special
/// transmit descriptor:  0 address (64)   8 length (15:0)  CSO (23:16)  CMD (31:24)   12 STA (3:0)  CSS (15:8)  special (31:16)
/// context (DTYP 0): 0 IPCSS 1 IPCSO 2 IPCSE (16) 4 TUCSS 5 TUCSO 6 TUCSE (16) 8 PAYLEN (19:0) DTYP TUCMD 12 STA HDRLEN MSS (31:16)
///   data    (DTYP 1):   0 address (64)   8 DTALEN (19:0)  DTYP (23:20)  DCMD (31:24)   12 STA  POPTS (15:8)  special
/// </code>
/// </summary>
internal static class E1000Registers
{
    /// <summary>Bytes of the register file that hold something.</summary>
    public const int FileSize = 0x6000;

    public const int CTRL = 0x0000;
    public const int STATUS = 0x0008;
    public const int EECD = 0x0010;
    public const int EERD = 0x0014;
    public const int MDIC = 0x0020;
    public const int VET = 0x0038;
    public const int ICR = 0x00C0;
    public const int ITR = 0x00C4;
    public const int ICS = 0x00C8;
    public const int IMS = 0x00D0;
    public const int IMC = 0x00D8;
    public const int RCTL = 0x0100;
    public const int TCTL = 0x0400;
    public const int PBA = 0x1000;
    public const int RDBAL = 0x2800;
    public const int RDBAH = 0x2804;
    public const int RDLEN = 0x2808;
    public const int RDH = 0x2810;
    public const int RDT = 0x2818;
    public const int TDBAL = 0x3800;
    public const int TDBAH = 0x3804;
    public const int TDLEN = 0x3808;
    public const int TDH = 0x3810;
    public const int TDT = 0x3818;
    public const int Statistics = 0x4000;
    public const int StatisticsEnd = 0x4100;
    public const int MPC = 0x4010;
    public const int GPRC = 0x4074;
    public const int BPRC = 0x4078;
    public const int MPRC = 0x407C;
    public const int GPTC = 0x4080;
    public const int GORCL = 0x4088;
    public const int GOTCL = 0x4090;
    public const int TPR = 0x40D0;
    public const int TPT = 0x40D4;
    public const int MTA = 0x5200;
    public const int MtaEnd = 0x5400;
    public const int RAL = 0x5400;
    public const int RaEnd = 0x5480;
    public const int VFTA = 0x5600;

    public const uint CtrlReset = 1 << 26;
    public const uint CtrlPhyReset = 1u << 31;
    public const uint CtrlVlan = 1 << 30;       // VME
    public const uint CtrlDefault = 0x0014_0240;
    public const uint StatusLinkUp = 1 << 1;
    public const uint StatusDefault = 0x8000_0781; // full duplex, 1000 Mbit/s, memory of a PCI bus
    public const uint PbaDefault = 0x0010_0030;

    public const uint IcrTransmitted = 1;        // TXDW
    public const uint IcrQueueEmpty = 1 << 1;    // TXQE
    public const uint IcrLinkChange = 1 << 2;    // LSC
    public const uint IcrFewDescriptors = 1 << 4; // RXDMT0
    public const uint IcrOverrun = 1 << 6;       // RXO
    public const uint IcrReceived = 1 << 7;      // RXT0
    public const uint IcrManagement = 1 << 9;    // MDAC
    public const uint IcrAsserted = 1u << 31;
    public const uint IcrCauses = 0x0001_FFFF;

    public const uint RctlEnable = 1 << 1;
    public const uint RctlUnicastAll = 1 << 3;
    public const uint RctlMulticastAll = 1 << 4;
    public const uint RctlLong = 1 << 5;
    public const uint RctlBroadcast = 1 << 15;
    public const uint RctlVlanFilter = 1 << 18;
    public const uint RctlLargeBuffers = 1 << 25; // BSEX
    public const uint RctlStripCrc = 1 << 26;
    public const uint TctlEnable = 1 << 1;

    public const int DescriptorSize = 16;
    public const int CrcSize = 4;
    public const int SmallestFrame = 60;

    public const byte RxDone = 1;
    public const byte RxEndOfPacket = 1 << 1;
    public const byte RxIgnoreChecksum = 1 << 2;
    public const byte RxVlan = 1 << 3;

    public const uint TxEndOfPacket = 1u << 24;
    public const uint TxInsertChecksum = 1u << 26; // IC of a legacy descriptor
    public const uint TxSegment = 1u << 26;        // TSE of the others
    public const uint TxReportStatus = 1u << 27;
    public const uint TxExtended = 1u << 29;       // DEXT
    public const uint TxVlan = 1u << 30;           // VLE
    public const uint TxInternet = 1u << 25;       // IP of a context: version 4
    public const uint TxTcp = 1u << 24;            // TCP of a context
    public const byte OptionInternetChecksum = 1;  // IXSM
    public const byte OptionTransportChecksum = 2; // TXSM

    // EECD
    public const uint EecdClock = 1;
    public const uint EecdSelect = 1 << 1;
    public const uint EecdDataIn = 1 << 2;
    public const uint EecdDataOut = 1 << 3;
    public const uint EecdRequest = 1 << 6;
    public const uint EecdGrant = 1 << 7;
    public const uint EecdPresent = 1 << 8;
    public const uint EecdWritable = 0x77;

    // MDIC
    public const uint MdicWrite = 1 << 26;
    public const uint MdicRead = 2 << 26;
    public const uint MdicReady = 1 << 28;
    public const uint MdicInterrupt = 1 << 29;
    public const uint MdicError = 1 << 30;
}
