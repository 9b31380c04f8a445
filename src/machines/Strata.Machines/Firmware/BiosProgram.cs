namespace Strata.Machines.Firmware;

/// <summary>
/// The 16-bit code behind the interrupt vectors of a machine without a BIOS: interrupts of chips are acknowledged, the sizes are told,
/// and all other services answer that they do not exist.
/// </summary>
internal static class BiosProgram
{
    private const int Service = 0x20;
    private const int Timer = 0x30;
    private const int Master = 0x50;
    private const int Slave = 0x60;
    private const int EquipmentList = 0x70;
    private const int MemorySize = 0x80;
    private const int Size = 0x90;

    public static ReadOnlySpan<byte> Bytes => Program;

    private static readonly byte[] Program = Assemble();

    /// <summary>Where the code of a vector begins, in bytes from the program's start.</summary>
    public static int HandlerOf(int vector) => vector switch
    {
        0x08 => Timer,
        > 0x08 and < 0x10 => Master,
        0x11 => EquipmentList,
        0x12 => MemorySize,
        0x13 or 0x14 or 0x15 or 0x17 or 0x1A => Service,
        >= 0x70 and < 0x78 => Slave,
        _ => 0, // exceptions, video and keyboard among them: nothing happens
    };

    private static byte[] Assemble()
    {
        byte[] program = new byte[Size];
        Array.Fill(program, (byte)0xF4); // hlt
        Put(program, 0, [0xCF]); // iret
        Put(program, Service,
        [
            0x55, // push bp
            0x89, 0xE5, // mov bp, sp
            0x80, 0x4E, 0x06, 0x01, // or byte [bp+6], 1: carry of the caller's flags
            0x5D, // pop bp
            0xB4, 0x86, // mov ah, 86h: no such function
            0xCF, // iret
        ]);
        Put(program, Timer,
        [
            0x1E, // push ds
            0x50, // push ax
            0x31, 0xC0, // xor ax, ax
            0x8E, 0xD8, // mov ds, ax
            0x66, 0xFF, 0x06, 0x6C, 0x04, // inc dword [46Ch]
            0xCD, 0x1C, // int 1Ch: for programs that want to know of ticks
            0xB0, 0x20, // mov al, 20h
            0xE6, 0x20, // out 20h, al
            0x58, // pop ax
            0x1F, // pop ds
            0xCF, // iret
        ]);
        Put(program, Master, [0x50, 0xB0, 0x20, 0xE6, 0x20, 0x58, 0xCF]); // push ax; mov al, 20h; out 20h, al; pop ax; iret
        Put(program, Slave, [0x50, 0xB0, 0x20, 0xE6, 0xA0, 0xE6, 0x20, 0x58, 0xCF]); // and out A0h, al before it
        Put(program, EquipmentList, TellWord(0x410));
        Put(program, MemorySize, TellWord(0x413));
        return program;
    }

    /// <summary>push ds; xor ax, ax; mov ds, ax; mov ax, [address]; pop ds; iret</summary>
    private static byte[] TellWord(ushort address) =>
        [0x1E, 0x31, 0xC0, 0x8E, 0xD8, 0xA1, (byte)address, (byte)(address >> 8), 0x1F, 0xCF];

    private static void Put(byte[] program, int offset, ReadOnlySpan<byte> code) => code.CopyTo(program.AsSpan(offset));
}
