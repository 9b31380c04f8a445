namespace Strata.Devices.Storage;

/// <summary>
/// Names of the ATA and ATAPI registers, bits and commands. ANSI INCITS 361 (ATA/ATAPI-6), "Interface register definitions and
/// descriptions" and "Command descriptions".
/// <code>
/// command block: 0 data (16)  1 error R, features W  2 sector count  3 LBA low  4 LBA mid  5 LBA high  6 device  7 status R, command W
/// control block: 0 alternate status R, device control W
/// status:  7 BSY  6 DRDY  5 DF  4 DSC  3 DRQ  0 ERR        device control: 7 HOB  2 SRST  1 nIEN
/// </code>
/// </summary>
internal static class Ata
{
    public const int SectorSize = 512;

    public const byte StatusBusy = 0x80;
    public const byte StatusReady = 0x40;
    public const byte StatusFault = 0x20;
    public const byte StatusSeekDone = 0x10;
    public const byte StatusDataRequest = 0x08;
    public const byte StatusError = 0x01;

    public const byte ErrorAborted = 0x04;
    public const byte ErrorIdNotFound = 0x10;
    public const byte ErrorUncorrectable = 0x40;
    public const byte DiagnosticPassed = 0x01;

    public const byte ControlHighOrder = 0x80;
    public const byte ControlReset = 0x04;
    public const byte ControlNoInterrupt = 0x02;

    public const byte DeviceSlave = 0x10;
    public const byte DeviceLba = 0x40;
    public const byte DeviceObsolete = 0xA0; // always one

    // Interrupt reason of ATAPI, in the sector count register
    public const byte ReasonCommand = 0x01; // C/D
    public const byte ReasonToHost = 0x02;  // I/O

    public const byte Nop = 0x00;
    public const byte DataSetManagement = 0x06;
    public const byte DeviceReset = 0x08;
    public const byte ReadSectors = 0x20;
    public const byte ReadSectorsOld = 0x21;
    public const byte ReadSectorsExt = 0x24;
    public const byte ReadDmaExt = 0x25;
    public const byte ReadNativeMaxExt = 0x27;
    public const byte ReadMultipleExt = 0x29;
    public const byte WriteSectors = 0x30;
    public const byte WriteSectorsOld = 0x31;
    public const byte WriteSectorsExt = 0x34;
    public const byte WriteDmaExt = 0x35;
    public const byte WriteMultipleExt = 0x39;
    public const byte WriteDmaFuaExt = 0x3D;
    public const byte Verify = 0x40;
    public const byte VerifyOld = 0x41;
    public const byte VerifyExt = 0x42;
    public const byte Diagnostic = 0x90;
    public const byte InitializeParameters = 0x91;
    public const byte Packet = 0xA0;
    public const byte IdentifyPacket = 0xA1;
    public const byte ReadMultiple = 0xC4;
    public const byte WriteMultiple = 0xC5;
    public const byte SetMultiple = 0xC6;
    public const byte ReadDma = 0xC8;
    public const byte ReadDmaOld = 0xC9;
    public const byte WriteDma = 0xCA;
    public const byte WriteDmaOld = 0xCB;
    public const byte WriteMultipleFuaExt = 0xCE;
    public const byte CheckPowerMode = 0xE5;
    public const byte FlushCache = 0xE7;
    public const byte FlushCacheExt = 0xEA;
    public const byte Identify = 0xEC;
    public const byte SetFeatures = 0xEF;
    public const byte ReadNativeMax = 0xF8;
}
