namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>Selectors of the GDT that a <see cref="SystemMachine"/> builds. Free slots start at <see cref="Free"/>.</summary>
public static class Selector
{
    public const ushort Code64 = 0x08;
    public const ushort Data = 0x10;
    public const ushort Code32 = 0x18;
    public const ushort UserData = 0x23;
    public const ushort UserCode64 = 0x2B;
    public const ushort UserCode32 = 0x33;
    public const ushort Code16 = 0x38;

    /// <summary>Limit FFFFH, SS.B clear.</summary>
    public const ushort Data16 = 0x40;

    /// <summary>The busy TSS in TR; 16 bytes in long mode.</summary>
    public const ushort Tss = 0x48;

    /// <summary>The table at <see cref="SystemMachine.Ldt"/>; not loaded at the start. 16 bytes in long mode.</summary>
    public const ushort Ldt = 0x58;

    public const ushort ConformingCode32 = 0x68;
    public const ushort Ring1Data = 0x71;
    public const ushort Ring1Code32 = 0x79;
    public const ushort AbsentData = 0x80;
    public const ushort AbsentCode32 = 0x88;
    public const ushort ReadOnlyData = 0x90;
    public const ushort ExecuteOnlyCode32 = 0x98;
    public const ushort ConformingCode64 = 0xA0;
    public const ushort Free = 0xA8;
}
