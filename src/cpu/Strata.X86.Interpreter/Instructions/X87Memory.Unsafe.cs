using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Mnemonic = Iced.Intel.Mnemonic;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Memory operands of x87 instructions.</summary>
internal static unsafe class X87Memory
{
    /// <summary>Reads 2, 4 or 8 bytes and records the data pointer.</summary>
    public static bool TryLoad(X86Cpu cpu, Op* op, int size, out ulong value)
    {
        if (!Operands.TryLoadMemory(cpu, op, size, out value))
        {
            return false;
        }

        NoteOperand(cpu, op);
        return true;
    }

    /// <summary>Reads ten bytes.</summary>
    public static bool TryLoad80(X86Cpu cpu, Op* op, out ulong low, out ushort high)
    {
        byte* bytes = stackalloc byte[16];
        bool loaded = Operands.TryLinear(cpu, op, 10, AccessKind.Read, out ulong va)
            && cpu.TryReadBytes(va, bytes, 10, op->Segment == (byte)SegmentIndex.Ss);
        low = loaded ? *(ulong*)bytes : 0;
        high = loaded ? *(ushort*)(bytes + 8) : (ushort)0;
        if (loaded)
        {
            NoteOperand(cpu, op);
        }

        return loaded;
    }

    /// <summary>Writes 2, 4 or 8 bytes and records the data pointer.</summary>
    public static bool TryStore(X86Cpu cpu, Op* op, int size, ulong value)
    {
        if (!Operands.TryStoreMemory(cpu, op, size, value))
        {
            return false;
        }

        NoteOperand(cpu, op);
        return true;
    }

    /// <summary>Writes ten bytes.</summary>
    public static bool TryStore80(X86Cpu cpu, Op* op, ulong low, ushort high)
    {
        byte* bytes = stackalloc byte[16];
        *(ulong*)bytes = low;
        *(ushort*)(bytes + 8) = high;
        if (!Operands.TryLinear(cpu, op, 10, AccessKind.Write, out ulong va)
            || !cpu.TryWriteBytes(va, bytes, 10, op->Segment == (byte)SegmentIndex.Ss))
        {
            return false;
        }

        NoteOperand(cpu, op);
        return true;
    }

    /// <summary>Reads the float or integer operand of an arithmetic or compare instruction, exactly.</summary>
    /// <param name="denormal">It was a denormal float, which the wider format no longer shows.</param>
    public static bool TryLoadOperand(X86Cpu cpu, Op* op, out Float80 value, out bool denormal)
    {
        denormal = false;
        value = default;
        if (!TryLoad(cpu, op, op->Width, out ulong bits))
        {
            return false;
        }

        value = IsInteger((Mnemonic)op->Mnemonic)
            ? op->Width == 2 ? Float80Math.FromInt16((short)bits) : Float80Math.FromInt32((int)bits)
            : op->Width == 4 ? Float80Math.WidenFloat32((uint)bits, out denormal) : Float80Math.WidenFloat64(bits, out denormal);
        return true;
    }

    /// <summary>
    /// Adds the denormal exception of a memory operand to what an operation with it raised. Invalid operations, divisions by
    /// zero and NaNs come first; unmasked, the denormal exception suppresses the ones of the result.
    /// </summary>
    public static void AddDenormal(Float80 other, ref FloatContext c)
    {
        if (other.IsNaN || (c.Raised & (FloatExceptions.Invalid | FloatExceptions.DivideByZero)) != 0)
        {
            return;
        }

        c.Raised |= FloatExceptions.Denormal;
        if ((c.Masks & FloatExceptions.Denormal) == 0)
        {
            c.Raised &= X87Stack.OperandExceptions;
            c.RoundedUp = false;
        }
    }

    private static void NoteOperand(X86Cpu cpu, Op* op) => X87Stack.NoteOperand(cpu, Operands.EffectiveAddress(cpu, op), op->Segment);

    private static bool IsInteger(Mnemonic mnemonic) => mnemonic
        is Mnemonic.Fiadd or Mnemonic.Fisub or Mnemonic.Fisubr or Mnemonic.Fimul
        or Mnemonic.Fidiv or Mnemonic.Fidivr or Mnemonic.Ficom or Mnemonic.Ficomp;
}
