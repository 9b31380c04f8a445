using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// Shifts and rotates that the threaded handlers leave: counts in CL, rotates, double shifts. Flags that the manual calls
/// undefined follow the formula that current silicon uses for every count.
/// </summary>
internal static unsafe class ShiftInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Shl, &Shl);
        table.Add(Mnemonic.Sal, &Shl);
        table.Add(Mnemonic.Shr, &Shr);
        table.Add(Mnemonic.Sar, &Sar);
        table.Add(Mnemonic.Rol, &Rol);
        table.Add(Mnemonic.Ror, &Ror);
        table.Add(Mnemonic.Rcl, &Rcl);
        table.Add(Mnemonic.Rcr, &Rcr);
        table.Add(Mnemonic.Shld, &Shld);
        table.Add(Mnemonic.Shrd, &Shrd);
    }

    private static int Count(X86Cpu cpu, Op* op, int operand) =>
        (int)(Operands.Kind(op, operand) == OperandKind.Immediate ? op->Imm : Operands.ReadGpr(cpu, Operands.Reg(op, operand), 1))
        & (op->Width == 8 ? 63 : 31);

    private static bool TryRead(X86Cpu cpu, Op* op, out ulong value)
    {
        if (op->Kind0 != OperandKind.Memory)
        {
            value = Operands.ReadGpr(cpu, op->Reg0, op->Width);
            return true;
        }

        value = 0;
        return Operands.TryLinear(cpu, op, op->Width, Paging.AccessKind.Write, out ulong va)
            && cpu.ProbeWrite(va, op->Width, op->Segment == (byte)SegmentIndex.Ss)
            && cpu.TryRead(va, op->Width, out value, op->Segment == (byte)SegmentIndex.Ss);
    }

    private static long SignExtend(ulong value, int bits) => (long)(value << (64 - bits)) >> (64 - bits);

    private static void SetFlags(X86Cpu cpu, ulong result, int bits, bool carry, bool overflow)
    {
        cpu.Context->LazyResult = SignExtend(result, bits);
        cpu.Context->LazyAux = LazyFlags.FromCarryOverflow(carry, overflow);
    }

    private static void Shl(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int count = Count(cpu, op, 1);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        if (count == 0)
        {
            Operands.TryWrite(cpu, op, 0, op->Width, a);
            return;
        }

        ulong r = a << count;
        bool carry = count <= bits && ((a >> (bits - count)) & 1) != 0;
        if (Operands.TryWrite(cpu, op, 0, op->Width, r))
        {
            SetFlags(cpu, r, bits, carry, carry != (((r >> (bits - 1)) & 1) != 0));
        }
    }

    private static void Shr(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int count = Count(cpu, op, 1);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        if (count == 0)
        {
            Operands.TryWrite(cpu, op, 0, op->Width, a);
            return;
        }

        ulong r = a >> count;
        bool carry = ((a >> (count - 1)) & 1) != 0;
        if (Operands.TryWrite(cpu, op, 0, op->Width, r))
        {
            bool overflow = (((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1) != 0;
            SetFlags(cpu, r, bits, carry, overflow);
        }
    }

    private static void Sar(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int count = Count(cpu, op, 1);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        if (count == 0)
        {
            Operands.TryWrite(cpu, op, 0, op->Width, a);
            return;
        }

        long wide = SignExtend(a, bits);
        ulong r = (ulong)(wide >> count);
        bool carry = ((wide >> (count - 1)) & 1) != 0;
        if (Operands.TryWrite(cpu, op, 0, op->Width, r))
        {
            SetFlags(cpu, r, bits, carry, overflow: false);
        }
    }

    /// <summary>Rotates touch CF and OF only.</summary>
    private static void SetRotateFlags(X86Cpu cpu, bool carry, bool overflow)
    {
        ulong flags = cpu.Rflags & ~(RFlags.CF | RFlags.OF);
        cpu.Rflags = flags | (carry ? RFlags.CF : 0) | (overflow ? RFlags.OF : 0);
    }

    private static void Rol(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int count = Count(cpu, op, 1);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        int n = count & (bits - 1);
        ulong r = n == 0 ? a : (a << n) | (a >> (bits - n));
        if (Operands.TryWrite(cpu, op, 0, op->Width, r) && count != 0)
        {
            bool carry = (r & 1) != 0;
            SetRotateFlags(cpu, carry, carry != (((r >> (bits - 1)) & 1) != 0));
        }
    }

    private static void Ror(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int count = Count(cpu, op, 1);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        int n = count & (bits - 1);
        ulong r = n == 0 ? a : (a >> n) | (a << (bits - n));
        if (Operands.TryWrite(cpu, op, 0, op->Width, r) && count != 0)
        {
            SetRotateFlags(cpu, ((r >> (bits - 1)) & 1) != 0, (((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1) != 0);
        }
    }

    private static void Rcl(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int masked = Count(cpu, op, 1);
        int count = masked % (bits + 1);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        UInt128 ring = a | ((UInt128)(LazyFlags.Carry(cpu.Context->LazyAux) ? 1u : 0u) << bits);
        UInt128 mask = ((UInt128)1 << (bits + 1)) - 1;
        ring = count == 0 ? ring : ((ring << count) | (ring >> (bits + 1 - count))) & mask;
        if (Operands.TryWrite(cpu, op, 0, op->Width, (ulong)ring) && masked != 0)
        {
            bool carry = ((ring >> bits) & 1) != 0;
            SetRotateFlags(cpu, carry, carry != (((ring >> (bits - 1)) & 1) != 0));
        }
    }

    private static void Rcr(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int masked = Count(cpu, op, 1);
        int count = masked % (bits + 1);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        UInt128 ring = a | ((UInt128)(LazyFlags.Carry(cpu.Context->LazyAux) ? 1u : 0u) << bits);
        UInt128 mask = ((UInt128)1 << (bits + 1)) - 1;
        ring = count == 0 ? ring : ((ring >> count) | (ring << (bits + 1 - count))) & mask;
        if (Operands.TryWrite(cpu, op, 0, op->Width, (ulong)ring) && masked != 0)
        {
            bool carry = ((ring >> bits) & 1) != 0;
            SetRotateFlags(cpu, carry, (((ring >> (bits - 1)) ^ (ring >> (bits - 2))) & 1) != 0);
        }
    }

    private static void Shld(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int count = Count(cpu, op, 2);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        ulong b = Operands.ReadGpr(cpu, op->Reg1, op->Width);
        if (count == 0)
        {
            Operands.TryWrite(cpu, op, 0, op->Width, a);
            return;
        }

        // A 16-bit count above 16 is undefined: the ring of destination:source:destination is what silicon shifts.
        UInt128 ring = ((UInt128)a << (2 * bits)) | ((UInt128)b << bits) | (bits == 16 ? a : 0);
        ring = bits == 64 ? ((UInt128)a << 64) | b : ring;
        int top = bits == 64 ? 128 : 3 * bits;
        ulong r = (ulong)(ring >> (top - bits - count));
        bool carry = ((ring >> (top - count)) & 1) != 0;
        if (Operands.TryWrite(cpu, op, 0, op->Width, r))
        {
            SetFlags(cpu, r, bits, carry, (((r ^ a) >> (bits - 1)) & 1) != 0);
        }
    }

    private static void Shrd(X86Cpu cpu, Op* op)
    {
        int bits = op->Width * 8;
        int count = Count(cpu, op, 2);
        if (!TryRead(cpu, op, out ulong a))
        {
            return;
        }

        ulong b = Operands.ReadGpr(cpu, op->Reg1, op->Width);
        if (count == 0)
        {
            Operands.TryWrite(cpu, op, 0, op->Width, a);
            return;
        }

        UInt128 ring = a | ((UInt128)b << bits) | (bits == 16 ? (UInt128)a << 32 : 0);
        ulong r = (ulong)(ring >> count);
        bool carry = ((ring >> (count - 1)) & 1) != 0;
        if (Operands.TryWrite(cpu, op, 0, op->Width, r))
        {
            bool overflow = (((r >> (bits - 1)) ^ (r >> (bits - 2))) & 1) != 0;
            SetFlags(cpu, r, bits, carry, overflow);
        }
    }
}
