using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>What MMX and SSE instructions have in common: availability, operands of 64 and 128 bits, exceptions.</summary>
internal static unsafe class Simd
{
    /// <summary>#UD or #NM if the unit is off; MMX also reports pending x87 exceptions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Begin(X86Cpu cpu, Op* op)
    {
        if (op->Kind0 == OperandKind.Mmx || op->Kind1 == OperandKind.Mmx)
        {
            return BeginMmx(cpu, op);
        }

        return ((cpu.State.Cr0 & (Cr0.EM | Cr0.TS)) == 0 && (cpu.State.Cr4 & Cr4.OSFXSR) != 0) || RaiseUnavailable(cpu);
    }

    /// <summary>Reads the source: 16 bytes, or 8 (memory: 4 or 8) in the low half for MMX. Legacy SSE wants memory on 16 bytes.</summary>
    public static bool TryRead(X86Cpu cpu, Op* op, int operand, out Vector128<byte> value)
    {
        OperandKind kind = Operands.Kind(op, operand);
        if (kind == OperandKind.Vector)
        {
            value = Operands.Xmm(cpu, Operands.Reg(op, operand));
            return true;
        }

        if (kind == OperandKind.Mmx || (kind == OperandKind.Memory && op->MemorySize <= 8))
        {
            value = default;
            if (!Operands.TryRead(cpu, op, operand, kind == OperandKind.Mmx ? 8 : op->MemorySize, out ulong low))
            {
                return false;
            }

            value = Vector128.Create(low, 0).AsByte();
            return true;
        }

        return Operands.TryReadVector(cpu, op, operand, aligned: true, out value);
    }

    /// <summary>The destination register before the instruction.</summary>
    public static Vector128<byte> Destination(X86Cpu cpu, Op* op) => op->Kind0 == OperandKind.Mmx
        ? Vector128.Create(*(ulong*)((byte*)cpu.Context + op->Reg0), 0).AsByte()
        : Operands.Xmm(cpu, op->Reg0);

    public static void WriteDestination(X86Cpu cpu, Op* op, Vector128<byte> value)
    {
        if (op->Kind0 == OperandKind.Mmx)
        {
            WriteMmx(cpu, op->Reg0, value.AsUInt64().ToScalar());
        }
        else
        {
            Operands.Xmm(cpu, op->Reg0) = value;
        }
    }

    /// <summary>An MMX write sets sign and exponent of the x87 register to ones, and takes over the register stack.</summary>
    public static void WriteMmx(X86Cpu cpu, ushort offset, ulong value)
    {
        ulong* register = (ulong*)((byte*)cpu.Context + offset);
        register[0] = value;
        register[1] = 0xFFFF;
        EnterMmx(cpu);
    }

    /// <summary>After an instruction whose source, but not its destination, may be an MMX register.</summary>
    public static void FinishMmxSource(X86Cpu cpu, Op* op)
    {
        if (op->Kind1 == OperandKind.Mmx)
        {
            EnterMmx(cpu);
        }
    }

    /// <summary>Destination and source of the same width, and a result that replaces the destination.</summary>
    public static void Run<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : ISpanOperation
    {
        if (!Begin(cpu, op) || !TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        Vector128<byte> destination = Destination(cpu, op);
        Vector128<byte> result = destination;
        TOperation.Apply((byte*)&result, (byte*)&destination, (byte*)&source, op->Kind0 == OperandKind.Mmx ? 8 : 16, (byte)op->Imm);
        WriteDestination(cpu, op, result);
    }

    /// <summary>The nearest value that a signed word can hold.</summary>
    public static short Saturate16(int value) => (short)Math.Clamp(value, short.MinValue, short.MaxValue);

    /// <summary>Merges what an operation raised into MXCSR.</summary>
    /// <returns>False if an unmasked exception is now pending: #XM, or #UD without CR4.OSXMMEXCPT.</returns>
    public static bool Post(X86Cpu cpu, in FloatContext context)
    {
        FloatExceptions raised = context.Raised;
        if ((context.Unmasked & X87Stack.OperandExceptions) != 0)
        {
            // All elements are looked at before any is computed. Intel SDM Vol. 1, "Handling Unmasked Exceptions".
            raised &= X87Stack.OperandExceptions;
        }

        cpu.State.Mxcsr |= (uint)raised;
        if (context.Unmasked == 0)
        {
            return true;
        }

        return cpu.Raise((cpu.State.Cr4 & Cr4.OSXMMEXCPT) != 0 ? ExceptionVector.Simd : ExceptionVector.InvalidOpcode);
    }

    private static bool BeginMmx(X86Cpu cpu, Op* op)
    {
        if ((cpu.State.Cr0 & Cr0.EM) != 0 || ((cpu.State.Cr4 & Cr4.OSFXSR) == 0 && NeedsSseState(op)))
        {
            return cpu.Raise(ExceptionVector.InvalidOpcode);
        }

        if ((cpu.State.Cr0 & Cr0.TS) != 0)
        {
            return cpu.Raise(ExceptionVector.DeviceNotAvailable);
        }

        return X87Stack.CheckPending(cpu);
    }

    /// <summary>MMX instructions that use XMM registers or MXCSR as well.</summary>
    private static bool NeedsSseState(Op* op) => op->Kind0 == OperandKind.Vector || op->Kind1 == OperandKind.Vector
        || (Mnemonic)op->Mnemonic is Mnemonic.Cvtps2pi or Mnemonic.Cvttps2pi or Mnemonic.Cvtpd2pi or Mnemonic.Cvttpd2pi;

    /// <summary>
    /// TOP becomes 0 and all registers valid; only once the instruction cannot fault any more. Intel SDM Vol. 3A,
    /// "The MMX State and MMX Register Aliasing".
    /// </summary>
    private static void EnterMmx(X86Cpu cpu)
    {
        X87Stack.SetTop(cpu, 0);
        cpu.State.Ftw = 0;
        X87Stack.RefreshTags(cpu);
    }

    private static bool RaiseUnavailable(X86Cpu cpu)
    {
        bool undefined = (cpu.State.Cr0 & Cr0.EM) != 0 || (cpu.State.Cr4 & Cr4.OSFXSR) == 0;
        return cpu.Raise(undefined ? ExceptionVector.InvalidOpcode : ExceptionVector.DeviceNotAvailable);
    }
}
