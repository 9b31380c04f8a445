namespace Strata.Devices.Storage.Nvme;

/// <summary>
/// Registers, opcodes and status codes. NVM Express Base Specification 1.4, chapters 3 "Controller Registers", 4.6 "Completion Queue
/// Entry", 5 "Admin Command Set" and 6 "NVM Command Set".
/// <code>
/// 00 CAP (64)   63:56 CMBS…   40:37 CSS   35:32 DSTRD   31:24 TO (500 ms)   16 CQR   15:0 MQES
/// 08 VS         0C INTMS   10 INTMC
/// 14 CC         23:20 IOCQES   19:16 IOSQES   15:14 SHN   13:11 AMS   10:7 MPS   6:4 CSS   0 EN
/// 1C CSTS       5 PP   4 NSSRO   3:2 SHST   1 CFS   0 RDY
/// 24 AQA        27:16 ACQS   11:0 ASQS        28 ASQ (64)   30 ACQ (64)   1000 doorbells
/// submission entry, 64 bytes:  0 CID | PSDT | FUSE | OPC   4 NSID   24 PRP1 (64)   32 PRP2 (64)   40 CDW10 … 60 CDW15
/// completion entry, 16 bytes:  0 command specific   8 SQID | SQHD   12 status (31:17) | P (16) | CID
/// </code>
/// </summary>
internal static class NvmeRegisters
{
    public const int CAP = 0x00;
    public const int VS = 0x08;
    public const int INTMS = 0x0C;
    public const int INTMC = 0x10;
    public const int CC = 0x14;
    public const int CSTS = 0x1C;
    public const int AQA = 0x24;
    public const int ASQ = 0x28;
    public const int ACQ = 0x30;
    public const int Doorbells = 0x1000;

    public const uint Version = 0x0001_0400;
    public const int LargestQueue = 1024;
    public const ulong Capabilities = (LargestQueue - 1) | (1UL << 16) | (20UL << 24) | (1UL << 37);

    public const uint CcEnable = 1;
    public const uint CcShutdown = 3 << 14;
    public const uint CcPageAndSets = 0x3FF0;   // AMS, MPS, CSS: all zero is what there is
    public const uint CcWritable = 0x00FF_FFF1;
    public const uint CstsReady = 1;
    public const uint CstsFatal = 1 << 1;
    public const uint CstsShutdown = 3 << 2;
    public const uint CstsShutdownComplete = 2 << 2;
    public const uint AqaWritable = 0x0FFF_0FFF;

    public const int SubmissionSize = 64;
    public const int CompletionSize = 16;
    public const int PageSize = 4096;
    public const int MDTS = 7;
    public const int LargestTransfer = PageSize << MDTS;

    // Admin commands
    public const byte DeleteSubmissionQueue = 0x00;
    public const byte CreateSubmissionQueue = 0x01;
    public const byte GetLogPage = 0x02;
    public const byte DeleteCompletionQueue = 0x04;
    public const byte CreateCompletionQueue = 0x05;
    public const byte Identify = 0x06;
    public const byte Abort = 0x08;
    public const byte SetFeatures = 0x09;
    public const byte GetFeatures = 0x0A;
    public const byte AsynchronousEventRequest = 0x0C;

    // NVM commands
    public const byte Flush = 0x00;
    public const byte Write = 0x01;
    public const byte Read = 0x02;
    public const byte WriteZeroes = 0x08;
    public const byte DatasetManagement = 0x09;

    // Status: code, its type in bits 10:8, and in bit 14 that it will not do to try again
    public const ushort Success = 0;
    public const ushort InvalidOpcode = 0x4001;
    public const ushort InvalidField = 0x4002;
    public const ushort DataTransferError = 0x4004;
    public const ushort InvalidNamespace = 0x400B;
    public const ushort CommandSequenceError = 0x400C;
    public const ushort InvalidPrpOffset = 0x4013;
    public const ushort WriteProtected = 0x4020;
    public const ushort LbaOutOfRange = 0x4080;
    public const ushort CompletionQueueInvalid = 0x4100;
    public const ushort InvalidQueueId = 0x4101;
    public const ushort InvalidQueueSize = 0x4102;
    public const ushort TooManyEventRequests = 0x4105;
    public const ushort InvalidInterruptVector = 0x4108;
    public const ushort InvalidLogPage = 0x4109;
    public const ushort InvalidQueueDeletion = 0x410C;
    public const ushort WriteFault = 0x280;
    public const ushort UnrecoveredReadError = 0x281;

    // Features
    public const byte Arbitration = 0x01;
    public const byte PowerManagement = 0x02;
    public const byte TemperatureThreshold = 0x04;
    public const byte ErrorRecovery = 0x05;
    public const byte VolatileWriteCache = 0x06;
    public const byte NumberOfQueues = 0x07;
    public const byte InterruptCoalescing = 0x08;
    public const byte InterruptVectorConfiguration = 0x09;
    public const byte WriteAtomicity = 0x0A;
    public const byte EventConfiguration = 0x0B;
    public const int FeatureCount = 0x0C;

    public const uint UsualTemperatureThreshold = 353; // K
}
