using System.Buffers.Binary;

namespace Strata.X86.Direct.Stub;

/// <summary>
/// Writes the few instructions that a stub consists of. Intel SDM Vol. 2, "Instruction Format". Base registers have the numbers 3 (RBX),
/// 5 (RBP) or 14 (R14), which need no SIB byte.
/// </summary>
/// <param name="origin">Address that the first byte will have.</param>
internal sealed class StubAssembler(ulong origin)
{
    public const int Rax = 0;
    public const int Rcx = 1;
    public const int Rdx = 2;
    public const int Rbx = 3;
    public const int Rsp = 4;
    public const int Rbp = 5;
    public const int Rsi = 6;
    public const int Rdi = 7;
    public const int R8 = 8;
    public const int R9 = 9;
    public const int R10 = 10;
    public const int R12 = 12;
    public const int R13 = 13;
    public const int R14 = 14;

    public const int Es = 0;
    public const int Ds = 3;
    public const int Fs = 4;
    public const int Gs = 5;

    private readonly List<byte> _bytes = [];
    private readonly List<(int At, Label Target)> _branches = [];

    private readonly List<(int At, Label From, Label To)> _distances = [];

    /// <summary>Address of the next byte.</summary>
    public ulong Here => origin + (ulong)_bytes.Count;

    /// <summary>Conditions as Jcc encodes them.</summary>
    public enum Condition
    {
        Below = 2,
        AboveOrEqual = 3,
        Equal = 4,
        NotEqual = 5,
        Above = 7,
    }

    /// <summary>A place that can be jumped to before it is known.</summary>
    public sealed class Label
    {
        internal ulong? Address { get; set; }
    }

    public void Place(Label label) => label.Address = Here;

    /// <summary>The bytes, with every branch resolved.</summary>
    public byte[] Finish()
    {
        byte[] code = [.. _bytes];
        foreach ((int at, Label target) in _branches)
        {
            BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(at), (int)(AddressOf(target) - (origin + (ulong)at + 4)));
        }

        foreach ((int at, Label from, Label to) in _distances)
        {
            BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(at), (int)(AddressOf(to) - AddressOf(from)));
        }

        return code;
    }

    private static ulong AddressOf(Label label) =>
        label.Address ?? throw new InvalidOperationException("A label of the stub has no place.");

    public void Align(int bytes)
    {
        while (Here % (ulong)bytes != 0)
        {
            Emit(0xCC);
        }
    }

    public void Data(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

    public void Data(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Data(bytes);
    }

    /// <summary>MOV r64, imm64, or the shorter MOV r32, imm32 where it does the same.</summary>
    public void Move(int register, ulong value)
    {
        if (value <= uint.MaxValue)
        {
            Rex(wide: false, 0, register);
            Emit((byte)(0xB8 | (register & 7)));
            Immediate((uint)value);
            return;
        }

        Rex(wide: true, 0, register);
        Emit((byte)(0xB8 | (register & 7)));
        Data(value);
    }

    /// <summary>MOV r64, r64.</summary>
    public void Copy(int to, int from) => Registers(0x89, from, to, wide: true);

    /// <summary>MOV r32, [base + displacement].</summary>
    public void Load32(int register, int @base, int displacement) => Memory(wide: false, [0x8B], register, @base, displacement);

    /// <summary>MOV r64, [base + displacement].</summary>
    public void Load64(int register, int @base, int displacement) => Memory(wide: true, [0x8B], register, @base, displacement);

    /// <summary>MOV [base + displacement], r32.</summary>
    public void Store32(int @base, int displacement, int register) => Memory(wide: false, [0x89], register, @base, displacement);

    /// <summary>MOV [base + displacement], r64.</summary>
    public void Store64(int @base, int displacement, int register) => Memory(wide: true, [0x89], register, @base, displacement);

    /// <summary>XCHG [base + displacement], r32: a store that everything before it precedes.</summary>
    public void Exchange32(int @base, int displacement, int register) => Memory(wide: false, [0x87], register, @base, displacement);

    /// <summary>LEA r64, [base + displacement].</summary>
    public void Address(int register, int @base, int displacement) => Memory(wide: true, [0x8D], register, @base, displacement);

    /// <summary>CMP r32, [base + displacement].</summary>
    public void Compare32(int register, int @base, int displacement) => Memory(wide: false, [0x3B], register, @base, displacement);

    /// <summary>CMP r32, r32.</summary>
    public void Compare32(int left, int right) => Registers(0x39, right, left, wide: false);

    /// <summary>CMP r64, imm32, extended with its sign.</summary>
    public void Compare64(int register, int value) => Wide(7, register, value);

    /// <summary>CMP r64, r64.</summary>
    public void Compare64Registers(int left, int right) => Registers(0x39, right, left, wide: true);

    /// <summary>MOV r32, imm32: bytes from one place to another behind it.</summary>
    public void MoveDistance(int register, Label from, Label to)
    {
        Rex(wide: false, 0, register);
        Emit((byte)(0xB8 | (register & 7)));
        _distances.Add((_bytes.Count, from, to));
        Immediate(0);
    }

    /// <summary>ADD r64, imm32.</summary>
    public void Add64(int register, int value) => Wide(0, register, value);

    /// <summary>SUB r64, r64.</summary>
    public void Subtract64(int from, int register) => Registers(0x29, register, from, wide: true);

    /// <summary>XOR r32, r32: zero.</summary>
    public void Zero(int register) => Registers(0x31, register, register, wide: false);

    /// <summary>TEST r32, r32.</summary>
    public void Test32(int register) => Registers(0x85, register, register, wide: false);

    /// <summary>DEC r32.</summary>
    public void Decrement32(int register)
    {
        Rex(wide: false, 0, register);
        Emit(0xFF, (byte)(0xC8 | (register & 7)));
    }

    /// <summary>MOV r32, Sreg.</summary>
    public void LoadSelector(int register, int segment)
    {
        Rex(wide: false, 0, register);
        Emit(0x8C, (byte)(0xC0 | (segment << 3) | (register & 7)));
    }

    /// <summary>MOV Sreg, [base + displacement].</summary>
    public void SetSelector(int segment, int @base, int displacement) => Memory(wide: false, [0x8E], segment, @base, displacement);

    /// <summary>RDFSBASE r64 and RDGSBASE r64.</summary>
    public void ReadBase(int segment, int register) => Base(segment == Fs ? 0 : 1, register);

    /// <summary>WRFSBASE r64 and WRGSBASE r64.</summary>
    public void WriteBase(int segment, int register) => Base(segment == Fs ? 2 : 3, register);

    /// <summary>XRSTOR64 [base + displacement].</summary>
    public void RestoreState(int @base, int displacement) => Memory(wide: true, [0x0F, 0xAE], 5, @base, displacement);

    /// <summary>PUSH imm8.</summary>
    public void Push(sbyte value) => Emit(0x6A, (byte)value);

    public void PopFlags() => Emit(0x9D);

    public void InterruptReturn() => Emit(0x48, 0xCF);

    public void SystemCall() => Emit(0x0F, 0x05);

    public void Breakpoint() => Emit(0xCC);

    public void Undefined() => Emit(0x0F, 0x0B);

    public void Jump(Label target)
    {
        Emit(0xE9);
        Branch(target);
    }

    public void Jump(Condition condition, Label target)
    {
        Emit(0x0F, (byte)(0x80 | (int)condition));
        Branch(target);
    }

    private void Branch(Label target)
    {
        _branches.Add((_bytes.Count, target));
        Immediate(0);
    }

    private void Base(int operation, int register)
    {
        Emit(0xF3);
        Rex(wide: true, 0, register);
        Emit(0x0F, 0xAE, (byte)(0xC0 | (operation << 3) | (register & 7)));
    }

    private void Wide(int operation, int register, int value)
    {
        Rex(wide: true, 0, register);
        Emit(0x81, (byte)(0xC0 | (operation << 3) | (register & 7)));
        Immediate((uint)value);
    }

    private void Registers(byte opcode, int reg, int rm, bool wide)
    {
        Rex(wide, reg, rm);
        Emit(opcode, (byte)(0xC0 | ((reg & 7) << 3) | (rm & 7)));
    }

    /// <summary>ModRM with a displacement of 32 bits.</summary>
    private void Memory(bool wide, ReadOnlySpan<byte> opcode, int reg, int @base, int displacement)
    {
        Rex(wide, reg, @base);
        _bytes.AddRange(opcode);
        Emit((byte)(0x80 | ((reg & 7) << 3) | (@base & 7)));
        Immediate((uint)displacement);
    }

    private void Rex(bool wide, int reg, int rm)
    {
        int rex = 0x40 | (wide ? 8 : 0) | ((reg >> 3) << 2) | (rm >> 3);
        if (rex != 0x40)
        {
            Emit((byte)rex);
        }
    }

    private void Immediate(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Data(bytes);
    }

    private void Emit(params ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);
}
