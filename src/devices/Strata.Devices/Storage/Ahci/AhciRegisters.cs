namespace Strata.Devices.Storage.Ahci;

/// <summary>
/// Registers and structures. Serial ATA AHCI 1.3.1, chapters 3 "HBA Memory Registers" and 4 "System Memory Structures"; Serial ATA 2.6,
/// "FIS Types".
/// <code>
/// 00 CAP   04 GHC   08 IS   0C PI   10 VS        port n at 100 + 80n:
/// 00 PxCLB (64) 08 PxFB (64) 10 PxIS 14 PxIE 18 PxCMD 20 PxTFD 24 PxSIG 28 PxSSTS 2C PxSCTL 30 PxSERR 34 PxSACT 38 PxCI
/// command header, 32 bytes: 0 PRDTL (31:16)  C (10)  B (9)  R (8)  P (7)  W (6)  A (5)  CFL (4:0)   4 PRDBC   8 CTBA (64)
/// command table: 00 CFIS   40 ACMD   80 PRDT, of which an entry, 16 bytes: 0 DBA (64)   12 I (31)  DBC (21:0)
/// received FISes: 20 PIO setup   40 D2H register   58 set device bits
/// </code>
/// </summary>
internal static class AhciRegisters
{
    public const int PortCount = 6;
    public const int SlotCount = 32;
    public const int FirstPort = 0x100;
    public const int PortStride = 0x80;

    public const int CAP = 0x00;
    public const int GHC = 0x04;
    public const int IS = 0x08;
    public const int PI = 0x0C;
    public const int VS = 0x10;

    public const int PxCLB = 0x00;
    public const int PxCLBU = 0x04;
    public const int PxFB = 0x08;
    public const int PxFBU = 0x0C;
    public const int PxIS = 0x10;
    public const int PxIE = 0x14;
    public const int PxCMD = 0x18;
    public const int PxTFD = 0x20;
    public const int PxSIG = 0x24;
    public const int PxSSTS = 0x28;
    public const int PxSCTL = 0x2C;
    public const int PxSERR = 0x30;
    public const int PxSACT = 0x34;
    public const int PxCI = 0x38;

    /// <summary>64-bit addresses, NCQ, CLO, AHCI only, 3 Gbit/s, 32 slots, 6 ports.</summary>
    public const uint Capabilities = (1u << 31)
        | (1u << 30)
        | (1u << 24)
        | (1u << 18)
        | (2u << 20)
        | ((SlotCount - 1) << 8)
        | (PortCount - 1);

    public const uint Version = 0x0001_0301;
    public const uint GhcReset = 1;
    public const uint GhcInterrupts = 1 << 1;
    public const uint GhcAhci = 1u << 31;

    public const uint CmdStart = 1;
    public const uint CmdSpinUp = 1 << 1;
    public const uint CmdPowerOn = 1 << 2;
    public const uint CmdOverride = 1 << 3;
    public const uint CmdFisEnable = 1 << 4;
    public const uint CmdSlot = 0x1F << 8;
    public const uint CmdFisRunning = 1 << 14;
    public const uint CmdListRunning = 1 << 15;
    public const uint CmdWritable = CmdStart | CmdFisEnable | (1 << 24) | (1 << 25);

    public const uint IsRegister = 1;           // DHRS
    public const uint IsPioSetup = 1 << 1;      // PSS
    public const uint IsDeviceBits = 1 << 3;    // SDBS
    public const uint IsConnect = 1 << 6;       // PCS
    public const uint IsOverflow = 1 << 24;     // OFS
    public const uint IsBusFatal = 1 << 29;     // HBFS
    public const uint IsTaskFile = 1 << 30;     // TFES
    public const uint IeWritable = 0xFDC0_00FF;

    public const uint SerrExchanged = 1 << 26;  // DIAG.X
    public const uint SstsPresent = 0x123;      // active, 3 Gbit/s, device and link
    public const uint SctlDetect = 0xF;
    public const uint TfdReset = 0x0150;        // error 1, ready

    public const uint HeaderWrite = 1 << 6;
    public const uint HeaderPacket = 1 << 5;
    public const int HeaderSize = 32;
    public const int PacketOffset = 0x40;
    public const int TableOffset = 0x80;
    public const int RegionSize = 16;

    public const int PioSetupPlace = 0x20;
    public const int RegisterPlace = 0x40;
    public const int DeviceBitsPlace = 0x58;

    public const byte FisToDevice = 0x27;
    public const byte FisToHost = 0x34;
    public const byte FisPioSetup = 0x5F;
    public const byte FisDeviceBits = 0xA1;

    public const byte ReadQueued = 0x60;
    public const byte WriteQueued = 0x61;
    public const byte ReadLogExt = 0x2F;
    public const byte QueuedErrorLog = 0x10;
}
