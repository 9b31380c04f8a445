namespace Strata.Devices.Sound;

#pragma warning disable CA1707, SA1310 // Names are the manuals'.

/// <summary>
/// Registers of an AC '97 controller and its codec. Intel 82801AA data sheet (290655), "AC '97 Audio Controller Registers"; Audio Codec '97
/// 2.3, "Register Interface".
/// <code>
/// channels at 00h (in), 10h (out), 20h (microphone):
///   +0 BDBAR list of 32 buffers | +4 CIV current | +5 LVI last | +6 SR status | +8 PICB samples left | +A PIV next | +B CR control
/// 2Ch GLOB_CNT | 30h GLOB_STA | 34h CAS
///
/// buffer:  address (32)  |  samples 15..0, IOC 31, BUP 30
/// </code>
/// </summary>
internal static class Ac97Registers
{
    public const int ChannelCount = 3;
    public const int ChannelStride = 0x10;
    public const int ChannelRegisters = 0xC;
    public const int OutputChannel = 1;

    public const int CIV = 0x4;
    public const int LVI = 0x5;
    public const int SR = 0x6;
    public const int PICB = 0x8;
    public const int PIV = 0xA;
    public const int CR = 0xB;
    public const int GLOB_CNT = 0x2C;
    public const int GLOB_STA = 0x30;
    public const int CAS = 0x34;

    public const ushort SrHalted = 1 << 0;
    public const ushort SrLast = 1 << 1;          // the current buffer is the last valid one
    public const ushort SrLastInterrupt = 1 << 2;
    public const ushort SrBufferInterrupt = 1 << 3;
    public const ushort SrError = 1 << 4;
    public const ushort SrClearable = SrLastInterrupt | SrBufferInterrupt | SrError;

    public const byte CrRun = 1 << 0;
    public const byte CrReset = 1 << 1;
    public const byte CrWritable = 0x1F;
    public const byte CrLastEnable = 1 << 2;
    public const byte CrErrorEnable = 1 << 3;
    public const byte CrBufferEnable = 1 << 4;

    public const uint ControlCold = 1 << 1;       // 0 holds the link in reset
    public const uint ControlWarm = 1 << 2;
    public const uint ControlWritable = 0x3F;
    public const uint StatusCodecReady = 1 << 8;
    public const uint StatusInputInterrupt = 1 << 5; // those of the output and the microphone behind it

    public const int BufferCount = 32;
    public const uint BufferInterrupt = 1u << 31;

    public const int MasterVolume = 0x02;
    public const int PcmVolume = 0x18;
    public const int PowerDown = 0x26;
    public const int DacRate = 0x2C;
    public const int AdcRate = 0x32;
    public const int VendorId1 = 0x7C;
    public const int VendorId2 = 0x7E;
    public const ushort Mute = 0x8000;
}
