namespace Strata.Devices.Usb;

#pragma warning disable CA1707, SA1310 // Names are the specification's.

/// <summary>
/// Registers and structures of an xHCI controller. eXtensible Host Controller Interface for USB 1.2, chapters 5 and 6.
/// <code>
/// 0000  capabilities   CAPLENGTH HCIVERSION | HCSPARAMS1..3 | HCCPARAMS1 | DBOFF | RTSOFF
/// 0040  operation      USBCMD USBSTS PAGESIZE .. DNCTRL CRCR .. DCBAAP CONFIG
/// 0440  a port each    PORTSC PORTPMSC PORTLI PORTHLPMC
/// 0800  extended       supported protocols: USB 2.0 of ports 1 and 2, USB 3.0 of ports 3 and 4
/// 1000  run time       MFINDEX, at 1020 the interrupter: IMAN IMOD ERSTSZ - ERSTBA ERDP
/// 2000  doorbells      the command ring's, and one for each slot
///
/// TRB:  parameter (64)  |  status: code 31..24, length 23..0  |  control: slot 31..24, endpoint 20..16, type 15..10, flags, cycle 0
/// </code>
/// </summary>
internal static class XhciRegisters
{
    public const int SlotCount = 8;
    public const int PortCount = 4;
    public const int Usb2Ports = 2;
    public const int EndpointCount = 32; // by the device context's index; 0 is none

    public const int CapabilityLength = 0x40;
    public const int USBCMD = 0x40;
    public const int USBSTS = 0x44;
    public const int PAGESIZE = 0x48;
    public const int DNCTRL = 0x54;
    public const int CRCR = 0x58;
    public const int DCBAAP = 0x70;
    public const int CONFIG = 0x78;
    public const int Ports = 0x440;
    public const int PortStride = 0x10;
    public const int Extended = 0x800;
    public const int Runtime = 0x1000;
    public const int IMAN = 0x1020;
    public const int IMOD = 0x1024;
    public const int ERSTSZ = 0x1028;
    public const int ERSTBA = 0x1030;
    public const int ERDP = 0x1038;
    public const int Doorbells = 0x2000;

    public const uint HciVersion = 0x0100 << 16;
    public const uint StructuralParameters1 = SlotCount | (1 << 8) | (PortCount << 24);
    public const uint CapabilityParameters = 1 | ((Extended / 4) << 16); // 64-bit addresses, contexts of 32 bytes

    public const uint CmdRun = 1 << 0;
    public const uint CmdReset = 1 << 1;
    public const uint CmdInterrupts = 1 << 2;
    public const uint CmdRestore = 1 << 9;
    public const uint CmdWritable = CmdRun | CmdInterrupts | (1 << 3) | (1 << 10);

    public const uint StsHalted = 1 << 0;
    public const uint StsEvent = 1 << 3;
    public const uint StsPortChange = 1 << 4;
    public const uint StsRestoreError = 1 << 10;
    public const uint StsClearable = (1 << 2) | StsEvent | StsPortChange | StsRestoreError;

    public const uint CrcrRunning = 1 << 3;
    public const uint CrcrStop = 3 << 1; // stop, abort

    public const uint PortConnected = 1 << 0;
    public const uint PortEnabled = 1 << 1;
    public const uint PortReset = 1 << 4;
    public const int PortLinkShift = 5;
    public const uint PortLink = 0xF << PortLinkShift;
    public const uint PortPower = 1 << 9;
    public const int PortSpeedShift = 10;
    public const uint PortLinkStrobe = 1 << 16;
    public const uint PortConnectChange = 1 << 17;
    public const uint PortResetChange = 1 << 21;
    public const uint PortLinkChange = 1 << 22;
    public const uint PortChanges = 0x7F << 17;
    public const uint PortWake = 7 << 25;
    public const uint LinkOn = 0;
    public const uint LinkSuspended = 3;
    public const uint LinkDisconnected = 5;
    public const uint LinkPolling = 7;
    public const uint LinkResume = 15;
    public const uint FullSpeed = 1;

    public const uint InterruptPending = 1 << 0;
    public const uint InterruptEnable = 1 << 1;
    public const ulong HandlerBusy = 1 << 3;

    public const int TrbSize = 16;
    public const uint TrbCycle = 1 << 0;
    public const uint TrbToggle = 1 << 1;
    public const uint TrbShortPacket = 1 << 2;
    public const uint TrbChain = 1 << 4;
    public const uint TrbComplete = 1 << 5;
    public const uint TrbImmediate = 1 << 6;
    public const uint TrbBlockAddress = 1 << 9;
    public const uint TrbDirectionIn = 1 << 16;

    public const int ContextSize = 32;
    public const uint EndpointStateMask = 7;
}

/// <summary>Kinds of TRBs.</summary>
internal enum TrbType
{
    Normal = 1,
    Setup = 2,
    Data = 3,
    Status = 4,
    Link = 6,
    EventData = 7,
    NoOp = 8,
    EnableSlot = 9,
    DisableSlot = 10,
    AddressDevice = 11,
    ConfigureEndpoint = 12,
    EvaluateContext = 13,
    ResetEndpoint = 14,
    StopEndpoint = 15,
    SetDequeuePointer = 16,
    ResetDevice = 17,
    NoOpCommand = 23,
    TransferEvent = 32,
    CommandCompletion = 33,
    PortStatusChange = 34,
}

/// <summary>How a command or a transfer ended.</summary>
internal enum CompletionCode
{
    Success = 1,
    TransactionError = 4,
    TrbError = 5,
    Stall = 6,
    NoSlots = 9,
    SlotNotEnabled = 11,
    EndpointNotEnabled = 12,
    ShortPacket = 13,
    ParameterError = 17,
    ContextStateError = 19,
    CommandRingStopped = 24,
    Stopped = 26,
}

/// <summary>States of slots, as in their contexts.</summary>
internal enum SlotState : byte
{
    Enabled = 0,
    Default = 1,
    Addressed = 2,
    Configured = 3,
}

/// <summary>States of endpoints, as in their contexts.</summary>
internal enum EndpointState : byte
{
    Disabled = 0,
    Running = 1,
    Halted = 2,
    Stopped = 3,
}

/// <summary>A transfer request block.</summary>
internal readonly record struct Trb(ulong Address, ulong Parameter, uint Status, uint Control)
{
    public TrbType Type => (TrbType)((Control >> 10) & 0x3F);

    public int Length => (int)(Status & 0x1_FFFF);

    public int Slot => (int)(Control >> 24);

    public int Endpoint => (int)(Control >> 16) & 0x1F;
}

/// <summary>Where a ring is read, and the cycle bit of what is the reader's there.</summary>
internal record struct TrbRing(ulong Dequeue, bool Cycle)
{
    /// <param name="pointer">With the cycle bit in bit 0.</param>
    public static TrbRing From(ulong pointer) => new(pointer & ~0xFUL, (pointer & 1) != 0);
}
