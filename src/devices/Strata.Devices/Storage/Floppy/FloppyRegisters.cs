namespace Strata.Devices.Storage.Floppy;

/// <summary>
/// Registers, commands and status bits. Intel 82077AA data sheet (290166), chapters 2 "Micro-controller interface" and 5 "Command set".
/// <code>
/// 3F2 DOR  7..4 MOT EN3..0   3 DMAGATE#   2 RESET#   1:0 drive select      3F4 DSR  7 S/W RESET   6 PD   4:2 PRECOMP   1:0 DRATE SEL
/// 3F3 TDR  1:0 tape select                                                 3F5 FIFO
/// 3F4 MSR  7 RQM   6 DIO   5 NON DMA   4 CMD BSY   3..0 DRVn BUSY          3F7 DIR  7 DSK CHG   (write) CCR  1:0 DRATE SEL
/// </code>
/// </summary>
internal static class FloppyRegisters
{
    public const int DOR = 2;
    public const int TDR = 3;
    public const int MSR = 4;
    public const int FIFO = 5;

    public const byte DorReset = 1 << 2;
    public const byte DorDmaGate = 1 << 3;
    public const byte DsrReset = 1 << 7;
    public const byte DriveSelect = 3;
    public const byte RateSelect = 3;
    public const byte MsrRqm = 1 << 7;
    public const byte MsrDio = 1 << 6;
    public const byte MsrNonDma = 1 << 5;
    public const byte MsrBusy = 1 << 4;
    public const byte DirChanged = 1 << 7;

    // Commands, without the bits MT, MFM and SK
    public const byte ReadTrack = 0x02;
    public const byte Specify = 0x03;
    public const byte SenseDriveStatus = 0x04;
    public const byte WriteData = 0x05;
    public const byte ReadData = 0x06;
    public const byte Recalibrate = 0x07;
    public const byte SenseInterruptStatus = 0x08;
    public const byte WriteDeletedData = 0x09;
    public const byte ReadId = 0x0A;
    public const byte ReadDeletedData = 0x0C;
    public const byte FormatTrack = 0x0D;
    public const byte DumpReg = 0x0E;
    public const byte Seek = 0x0F;
    public const byte Version = 0x10;
    public const byte PerpendicularMode = 0x12;
    public const byte Configure = 0x13;
    public const byte Lock = 0x14;
    public const byte Verify = 0x16;
    public const byte CommandMask = 0x1F;
    public const byte MT = 1 << 7;
    public const byte SK = 1 << 5;
    public const byte RelativeSeek = 0x8F;
    public const byte RelativeUp = 1 << 6;

    /// <summary>What VERSION answers for an enhanced controller.</summary>
    public const byte EnhancedVersion = 0x90;

    // ST0
    public const byte AbnormalTermination = 0x40;
    public const byte InvalidCommand = 0x80;
    public const byte ReadyChanged = 0xC0;
    public const byte SeekEnd = 1 << 5;
    public const byte EquipmentCheck = 1 << 4;

    // ST1
    public const byte EndOfCylinder = 1 << 7;
    public const byte DataError = 1 << 5;
    public const byte Overrun = 1 << 4;
    public const byte NoData = 1 << 2;
    public const byte NotWritable = 1 << 1;
    public const byte MissingAddressMark = 1 << 0;

    // ST2
    public const byte ControlMark = 1 << 6;
    public const byte DataFieldError = 1 << 5;
    public const byte WrongCylinder = 1 << 4;

    // ST3
    public const byte WriteProtected = 1 << 6;
    public const byte AlwaysOne = (1 << 5) | (1 << 3);
    public const byte TrackZero = 1 << 4;

    // CONFIGURE and SPECIFY
    public const byte ConfigureImpliedSeek = 1 << 6;
    public const byte ConfigurePollDisable = 1 << 4;
    public const byte ConfigureWritable = 0x7F;
    public const byte ConfigureDefault = 1 << 5; // EFIFO: no FIFO, as in an 8272
    public const byte SpecifyNonDma = 1;
}
