using Iced.Intel;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>One execution that is being arranged: an instruction, both processors, and where its memory operand lies.</summary>
internal sealed unsafe class Trial
{
    private const int Middle = ProcessorPair.MemorySize / 2;
    private readonly Instruction _instruction;

    /// <summary>Gives all registers and flags random values and the memory operand an address and a random value.</summary>
    public Trial(in Instruction instruction, ProcessorPair pair, IntegerOperands operands)
    {
        _instruction = instruction;
        Pair = pair;
        Operands = operands;
        for (int i = 0; i < 16; i++)
        {
            pair.Gprs[i] = operands.Next();
        }

        pair.Rflags = operands.NextFlags();
        if (instruction.MemoryBase != Register.None && instruction.Mnemonic != Mnemonic.Lea)
        {
            PlaceMemoryOperand();
        }
    }

    public Instruction Instruction => _instruction;

    public ProcessorPair Pair { get; }

    public IntegerOperands Operands { get; }

    /// <summary>Address of the memory operand; null if there is none.</summary>
    public byte* Memory { get; private set; }

    public byte Cl => (byte)Pair.Gprs[Gpr.Rcx];

    /// <summary>Zero-extended value of an operand.</summary>
    public ulong Read(int operand) => _instruction.GetOpKind(operand) == OpKind.Memory
        ? ReadMemory(_instruction.MemorySize.GetSize())
        : Read(_instruction.GetOpRegister(operand));

    public ulong Read(Register register)
    {
        ulong value = Pair.Gprs[register.GetFullRegister() - Register.RAX];
        value = register is >= Register.AH and <= Register.BH ? value >> 8 : value;
        return value & (ulong.MaxValue >> (64 - (8 * register.GetSize())));
    }

    /// <summary>Sets a 64-bit register, unless it is part of the address of the memory operand.</summary>
    public void Set(Register register, ulong value)
    {
        if (Memory == null || !IsAddress(register))
        {
            Pair.Gprs[register - Register.RAX] = value;
        }
    }

    /// <summary>Whether a 64-bit register is part of the address of the memory operand.</summary>
    public bool IsAddress(Register register) =>
        register == _instruction.MemoryBase.GetFullRegister() || register == _instruction.MemoryIndex.GetFullRegister();

    /// <summary>The instruction and its inputs; after the run.</summary>
    public string Describe() => $"{_instruction} | {Pair.DescribeInputs(Memory)}";

    private ulong ReadMemory(int size) => *(ulong*)Memory & (ulong.MaxValue >> (64 - (8 * size)));

    private void PlaceMemoryOperand()
    {
        int size = _instruction.MemorySize.GetSize();
        int random = Operands.Random.Next(64);

        // A locked access that crosses a cache line may trap on the host.
        bool aligned = _instruction.HasLockPrefix || _instruction.Mnemonic is Mnemonic.Xchg or Mnemonic.Cmpxchg16b;
        byte* boundary = Pair.PageBoundary;
        bool crossing = random % 4 == 0 && boundary >= Pair.Memory + 1024 && boundary <= Pair.Memory + 3072;
        Memory = aligned
            ? Pair.Memory + Middle + (random * 16)
            : crossing
            ? boundary - (random % (size + 1))
            : Pair.Memory + Middle + random;
        *(ulong*)Memory = Operands.Next();
        *(ulong*)(Memory + 8) = Operands.Next();
        ulong index = 0;
        if (_instruction.MemoryIndex != Register.None)
        {
            index = Read(_instruction.MemoryIndex) * (ulong)_instruction.MemoryIndexScale;
        }

        ulong address = (ulong)Memory - index - _instruction.MemoryDisplacement64;
        bool narrow = _instruction.MemoryBase.GetSize() == 4;
        Pair.Gprs[_instruction.MemoryBase.GetFullRegister() - Register.RAX] = narrow ? (uint)address | (Operands.Next() << 32) : address;
    }
}
