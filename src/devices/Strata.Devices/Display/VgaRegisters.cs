namespace Strata.Devices.Display;

/// <summary>
/// Names of the VGA's registers and bits. IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem".
/// <code>
/// ports, from 3C0h:  0 attribute index and data   1 attribute data   2 W miscellaneous, R status 0   4/5 sequencer   6 pixel mask
///                    7 W DAC read index, R state  8 DAC write index  9 DAC data  Ah R feature  Ch R miscellaneous  Eh/Fh graphics
/// from 3B0h or 3D0h: 4/5 CRT controller           Ah W feature, R status 1
/// </code>
/// </summary>
internal static class VgaRegisters
{
    public const int SequencerCount = 8;
    public const int GraphicsCount = 16;
    public const int AttributeCount = 21;
    public const int CrtcCount = 25;
    public const int DacBytes = 256 * 3;

    // Miscellaneous output
    public const byte MiscColor = 1 << 0;  // the CRT controller is at 3D4h
    public const byte MiscMemory = 1 << 1; // the processor reaches the memory

    // Sequencer
    public const int ClockingMode = 1;
    public const int MapMask = 2;
    public const int CharacterMap = 3;
    public const int MemoryMode = 4;
    public const byte EightDots = 1 << 0;
    public const byte ScreenOff = 1 << 5;
    public const byte SequentialAccess = 1 << 2; // odd/even is off
    public const byte ChainFour = 1 << 3;

    // Graphics controller
    public const int SetReset = 0;
    public const int EnableSetReset = 1;
    public const int ColorCompare = 2;
    public const int DataRotate = 3;
    public const int ReadMap = 4;
    public const int GraphicsMode = 5;
    public const int GraphicsMisc = 6;
    public const int ColorCare = 7;
    public const int BitMask = 8;
    public const byte OddEven = 1 << 4;
    public const byte ReadCompare = 1 << 3;
    public const byte GraphicsEnabled = 1 << 0;

    // Attribute controller
    public const int AttributeMode = 0x10;
    public const int PlaneEnable = 0x12;
    public const int HorizontalPan = 0x13;
    public const int ColorSelect = 0x14;
    public const byte LineGraphics = 1 << 2;
    public const byte Blink = 1 << 3;
    public const byte PanOnlyTop = 1 << 5;
    public const byte PaletteFive = 1 << 7; // color select gives bits 5 and 4
    public const byte PaletteSource = 1 << 5; // of the index: the screen shows

    // CRT controller
    public const int HorizontalEnd = 0x01;
    public const int Overflow = 0x07;
    public const int PresetRow = 0x08;
    public const int MaximumScan = 0x09;
    public const int CursorStart = 0x0A;
    public const int CursorEnd = 0x0B;
    public const int StartHigh = 0x0C;
    public const int StartLow = 0x0D;
    public const int CursorHigh = 0x0E;
    public const int CursorLow = 0x0F;
    public const int RetraceEnd = 0x11;
    public const int VerticalEnd = 0x12;
    public const int Offset = 0x13;
    public const int ModeControl = 0x17;
    public const int LineCompare = 0x18;
    public const byte ProtectTiming = 1 << 7; // of RetraceEnd: registers 0 to 7 cannot be written
    public const byte CursorOff = 1 << 5;
    public const byte DoubleScan = 1 << 7;

    // Status 1
    public const byte NotDisplaying = 1 << 0;
    public const byte VerticalRetrace = 1 << 3;
}
