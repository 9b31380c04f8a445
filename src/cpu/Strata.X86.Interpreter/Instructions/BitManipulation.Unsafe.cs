using System.Buffers.Binary;
using System.Numerics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>POPCNT, LZCNT, TZCNT, BMI1, BMI2, ADX, MOVBE and CRC32.</summary>
internal static unsafe class BitManipulationInstructions
{
    private const uint Castagnoli = 0x82F63B78;
    private static readonly uint[] CrcTable = BuildCrcTable();

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Popcnt, &Popcnt);
        table.Add(Mnemonic.Lzcnt, &Lzcnt);
        table.Add(Mnemonic.Tzcnt, &Tzcnt);
        table.Add(Mnemonic.Andn, &Andn);
        table.Add(Mnemonic.Bextr, &Bextr);
        table.Add(Mnemonic.Blsi, &Blsi);
        table.Add(Mnemonic.Blsmsk, &Blsmsk);
        table.Add(Mnemonic.Blsr, &Blsr);
        table.Add(Mnemonic.Bzhi, &Bzhi);
        table.Add(Mnemonic.Mulx, &Mulx);
        table.Add(Mnemonic.Pdep, &Pdep);
        table.Add(Mnemonic.Pext, &Pext);
        table.Add(Mnemonic.Rorx, &Rorx);
        table.Add(Mnemonic.Sarx, &Sarx);
        table.Add(Mnemonic.Shlx, &Shlx);
        table.Add(Mnemonic.Shrx, &Shrx);
        table.Add(Mnemonic.Adcx, &Adcx);
        table.Add(Mnemonic.Adox, &Adox);
        table.Add(Mnemonic.Movbe, &Movbe);
        table.Add(Mnemonic.Crc32, &Crc32);
    }

    private static ulong MaskOf(int size) => size == 8 ? ulong.MaxValue : (1UL << (size * 8)) - 1;

    /// <summary>VEX-encoded instructions do not exist in real and virtual-8086 mode.</summary>
    private static bool HasVex(X86Cpu cpu) => cpu.IsProtected || cpu.Raise(ExceptionVector.InvalidOpcode);

    private static void SetLogic(X86Cpu cpu, ulong result, int size, bool carry)
    {
        int bits = size * 8;
        cpu.Context->LazyResult = (long)(result << (64 - bits)) >> (64 - bits);
        cpu.Context->LazyAux = LazyFlags.FromCarryOverflow(carry, overflow: false);
    }

    /// <summary>CF and ZF alone are defined; silicon clears the other four.</summary>
    private static void SetCount(X86Cpu cpu, bool carry, bool zero) =>
        cpu.Rflags = (cpu.Rflags & ~RFlags.Arithmetic) | (carry ? RFlags.CF : 0) | (zero ? RFlags.ZF : 0);

    private static void Popcnt(X86Cpu cpu, Op* op)
    {
        if (Operands.TryRead(cpu, op, 1, op->Width, out ulong value))
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, (ulong)BitOperations.PopCount(value));
            SetCount(cpu, carry: false, value == 0);
        }
    }

    /// <summary>As the shared bit scan of silicon does it: the other four flags keep their values.</summary>
    private static void SetScan(X86Cpu cpu, bool carry, bool zero) =>
        cpu.Rflags = (cpu.Rflags & ~(RFlags.CF | RFlags.ZF)) | (carry ? RFlags.CF : 0) | (zero ? RFlags.ZF : 0);

    private static void Lzcnt(X86Cpu cpu, Op* op)
    {
        if (Operands.TryRead(cpu, op, 1, op->Width, out ulong value))
        {
            int bits = op->Width * 8;
            int count = BitOperations.LeadingZeroCount(value) - (64 - bits);
            Operands.WriteGpr(cpu, op->Reg0, op->Width, (ulong)count);
            SetScan(cpu, value == 0, count == 0);
        }
    }

    private static void Tzcnt(X86Cpu cpu, Op* op)
    {
        if (Operands.TryRead(cpu, op, 1, op->Width, out ulong value))
        {
            int count = Math.Min(BitOperations.TrailingZeroCount(value), op->Width * 8);
            Operands.WriteGpr(cpu, op->Reg0, op->Width, (ulong)count);
            SetScan(cpu, value == 0, count == 0);
        }
    }

    private static void Andn(X86Cpu cpu, Op* op)
    {
        if (HasVex(cpu) && Operands.TryRead(cpu, op, 2, op->Width, out ulong b))
        {
            ulong r = ~Operands.ReadGpr(cpu, op->Reg1, op->Width) & b;
            Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
            SetLogic(cpu, r, op->Width, carry: false);
        }
    }

    private static void Bextr(X86Cpu cpu, Op* op)
    {
        if (!HasVex(cpu) || !Operands.TryRead(cpu, op, 1, op->Width, out ulong value))
        {
            return;
        }

        ulong control = Operands.ReadGpr(cpu, op->Reg2, op->Width);
        int start = (byte)control;
        int length = (byte)(control >> 8);
        ulong r = start >= 64 ? 0 : value >> start;
        r = length >= 64 ? r : r & ((1UL << length) - 1);
        Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
        SetLogic(cpu, r, op->Width, carry: false);
    }

    private static void Blsi(X86Cpu cpu, Op* op) => Lowest(cpu, op, &BlsiValue, carryWhenZero: false);

    private static void Blsmsk(X86Cpu cpu, Op* op) => Lowest(cpu, op, &BlsmskValue, carryWhenZero: true);

    private static void Blsr(X86Cpu cpu, Op* op) => Lowest(cpu, op, &BlsrValue, carryWhenZero: true);

    private static ulong BlsiValue(ulong a) => a & (0 - a);

    private static ulong BlsmskValue(ulong a) => a ^ (a - 1);

    private static ulong BlsrValue(ulong a) => a & (a - 1);

    private static void Lowest(X86Cpu cpu, Op* op, delegate*<ulong, ulong> function, bool carryWhenZero)
    {
        if (HasVex(cpu) && Operands.TryRead(cpu, op, 1, op->Width, out ulong a))
        {
            ulong r = function(a) & MaskOf(op->Width);
            Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
            SetLogic(cpu, r, op->Width, (a == 0) == carryWhenZero);
        }
    }

    private static void Bzhi(X86Cpu cpu, Op* op)
    {
        if (HasVex(cpu) && Operands.TryRead(cpu, op, 1, op->Width, out ulong value))
        {
            int index = (byte)Operands.ReadGpr(cpu, op->Reg2, op->Width);
            int bits = op->Width * 8;
            ulong r = index >= bits ? value : value & ((1UL << index) - 1);
            Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
            SetLogic(cpu, r, op->Width, index >= bits);
        }
    }

    private static void Mulx(X86Cpu cpu, Op* op)
    {
        if (HasVex(cpu) && Operands.TryRead(cpu, op, 2, op->Width, out ulong b))
        {
            UInt128 product = (UInt128)Operands.ReadGpr(cpu, Gpr.Rdx * 8, op->Width) * b;
            Operands.WriteGpr(cpu, op->Reg1, op->Width, (ulong)product);
            Operands.WriteGpr(cpu, op->Reg0, op->Width, (ulong)(product >> (op->Width * 8)));
        }
    }

    private static void Pdep(X86Cpu cpu, Op* op)
    {
        if (!HasVex(cpu) || !Operands.TryRead(cpu, op, 2, op->Width, out ulong mask))
        {
            return;
        }

        ulong value = Operands.ReadGpr(cpu, op->Reg1, op->Width);
        ulong r = 0;
        for (; mask != 0; mask &= mask - 1, value >>= 1)
        {
            r |= (value & 1) != 0 ? mask & (0 - mask) : 0;
        }

        Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
    }

    private static void Pext(X86Cpu cpu, Op* op)
    {
        if (!HasVex(cpu) || !Operands.TryRead(cpu, op, 2, op->Width, out ulong mask))
        {
            return;
        }

        ulong value = Operands.ReadGpr(cpu, op->Reg1, op->Width);
        ulong r = 0;
        for (int i = 0; mask != 0; mask &= mask - 1, i++)
        {
            r |= (value & mask & (0 - mask)) != 0 ? 1UL << i : 0;
        }

        Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
    }

    private static void Rorx(X86Cpu cpu, Op* op)
    {
        if (HasVex(cpu) && Operands.TryRead(cpu, op, 1, op->Width, out ulong value))
        {
            ulong r = op->Width == 8
                ? BitOperations.RotateRight(value, (int)op->Imm & 63)
                : BitOperations.RotateRight((uint)value, (int)op->Imm & 31);
            Operands.WriteGpr(cpu, op->Reg0, op->Width, r);
        }
    }

    private static bool TryShiftOperands(X86Cpu cpu, Op* op, out ulong value, out int count)
    {
        count = (int)Operands.ReadGpr(cpu, op->Reg2, op->Width) & (op->Width == 8 ? 63 : 31);
        value = 0;
        return HasVex(cpu) && Operands.TryRead(cpu, op, 1, op->Width, out value);
    }

    private static void Sarx(X86Cpu cpu, Op* op)
    {
        if (TryShiftOperands(cpu, op, out ulong value, out int count))
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, op->Width == 8 ? (ulong)((long)value >> count) : (ulong)((int)value >> count));
        }
    }

    private static void Shlx(X86Cpu cpu, Op* op)
    {
        if (TryShiftOperands(cpu, op, out ulong value, out int count))
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, value << count);
        }
    }

    private static void Shrx(X86Cpu cpu, Op* op)
    {
        if (TryShiftOperands(cpu, op, out ulong value, out int count))
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, value >> count);
        }
    }

    private static void Adcx(X86Cpu cpu, Op* op) => AddWith(cpu, op, RFlags.CF);

    private static void Adox(X86Cpu cpu, Op* op) => AddWith(cpu, op, RFlags.OF);

    private static void AddWith(X86Cpu cpu, Op* op, ulong flag)
    {
        if (Operands.TryRead(cpu, op, 1, op->Width, out ulong b))
        {
            ulong flags = cpu.Rflags;
            UInt128 sum = (UInt128)Operands.ReadGpr(cpu, op->Reg0, op->Width) + b + ((flags & flag) != 0 ? 1u : 0u);
            Operands.WriteGpr(cpu, op->Reg0, op->Width, (ulong)sum);
            cpu.Rflags = sum >> (op->Width * 8) != 0 ? flags | flag : flags & ~flag;
        }
    }

    private static void Movbe(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        if (Operands.TryRead(cpu, op, 1, size, out ulong value))
        {
            Operands.TryWrite(cpu, op, 0, size, BinaryPrimitives.ReverseEndianness(value) >> (64 - (size * 8)));
        }
    }

    private static void Crc32(X86Cpu cpu, Op* op)
    {
        int size = op->Width1;
        if (!Operands.TryRead(cpu, op, 1, size, out ulong value))
        {
            return;
        }

        uint crc = (uint)Operands.ReadGpr(cpu, op->Reg0, 4);
        for (int i = 0; i < size; i++)
        {
            crc = CrcTable[(byte)(crc ^ (byte)(value >> (8 * i)))] ^ (crc >> 8);
        }

        Operands.WriteGpr(cpu, op->Reg0, 8, crc);
    }

    private static uint[] BuildCrcTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint c = i;
            for (int k = 0; k < 8; k++)
            {
                c = (c & 1) != 0 ? Castagnoli ^ (c >> 1) : c >> 1;
            }

            table[i] = c;
        }

        return table;
    }
}
