using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// The x87 register stack, tag word, status word and the posting of exceptions.
/// <code>
/// FSW  15  14  13..11  10  9   8   7   6   5  4  3  2  1  0
///      B   C3  TOP     C2  C1  C0  ES  SF  PE UE OE ZE DE IE
/// </code>
/// Intel SDM Vol. 1, "x87 FPU Status Register" and "x87 FPU Tag Word".
/// </summary>
internal static unsafe class X87Stack
{
    public const ushort C0 = 0x100;
    public const ushort C1 = 0x200;
    public const ushort C2 = 0x400;
    public const ushort C3 = 0x4000;
    public const ushort Conditions = C0 | C1 | C2 | C3;
    public const ushort StackFault = 0x40;
    public const ushort Summary = 0x80;
    public const ushort Busy = 0x8000;

    /// <summary>FCW bits that exist: masks, precision, rounding and the infinity bit; bit 6 reads as one.</summary>
    public const ushort ControlBits = 0x1F3F;
    public const ushort ControlAlwaysSet = 0x40;

    /// <summary>Exceptions that leave the destination alone when unmasked.</summary>
    public const FloatExceptions OperandExceptions = FloatExceptions.Invalid | FloatExceptions.Denormal | FloatExceptions.DivideByZero;

    private const int TagValid = 0;
    private const int TagZero = 1;
    private const int TagSpecial = 2;
    private const int TagEmpty = 3;

    public static int Top(X86Cpu cpu) => (cpu.State.Fsw >> 11) & 7;

    public static void SetTop(X86Cpu cpu, int top) =>
        cpu.State.Fsw = (ushort)((cpu.State.Fsw & ~0x3800) | ((top & 7) << 11));

    public static bool IsEmpty(X86Cpu cpu, int i) => ((cpu.State.Ftw >> (2 * ((Top(cpu) + i) & 7))) & 3) == TagEmpty;

    /// <summary>Contents of ST(i), whatever its tag.</summary>
    public static Float80 Read(X86Cpu cpu, int i)
    {
        int register = (Top(cpu) + i) & 7;
        return new Float80(cpu.State.FpuRegisters[2 * register], (ushort)cpu.State.FpuRegisters[(2 * register) + 1]);
    }

    /// <summary>Writes ST(i) and tags it.</summary>
    public static void Write(X86Cpu cpu, int i, Float80 value)
    {
        int register = (Top(cpu) + i) & 7;
        cpu.State.FpuRegisters[2 * register] = value.Significand;
        cpu.State.FpuRegisters[(2 * register) + 1] = value.SignExponent;
        SetTag(cpu, register, TagOf(value));
    }

    public static void Free(X86Cpu cpu, int i) => SetTag(cpu, (Top(cpu) + i) & 7, TagEmpty);

    public static void Pop(X86Cpu cpu)
    {
        Free(cpu, 0);
        SetTop(cpu, Top(cpu) + 1);
    }

    /// <summary>Pushes without looking at the tag of what it overwrites.</summary>
    public static void Push(X86Cpu cpu, Float80 value)
    {
        SetTop(cpu, Top(cpu) - 1);
        Write(cpu, 0, value);
    }

    /// <summary>Tag word rebuilt from the contents of the registers that are in use.</summary>
    public static void RefreshTags(X86Cpu cpu)
    {
        for (int register = 0; register < 8; register++)
        {
            if (((cpu.State.Ftw >> (2 * register)) & 3) != TagEmpty)
            {
                Float80 value = new(cpu.State.FpuRegisters[2 * register], (ushort)cpu.State.FpuRegisters[(2 * register) + 1]);
                SetTag(cpu, register, TagOf(value));
            }
        }
    }

    public static void SetConditions(X86Cpu cpu, int bits) => cpu.State.Fsw = (ushort)((cpu.State.Fsw & ~Conditions) | bits);

    public static void SetC1(X86Cpu cpu, bool value) => cpu.State.Fsw = (ushort)((cpu.State.Fsw & ~C1) | (value ? C1 : 0));

    /// <summary>Records a stack underflow.</summary>
    /// <returns>Whether it is masked, so that the masked response follows.</returns>
    public static bool Underflow(X86Cpu cpu)
    {
        SetC1(cpu, false);
        cpu.State.Fsw |= StackFault;
        return Post(cpu, FloatExceptions.Invalid);
    }

    /// <inheritdoc cref="Underflow"/>
    public static bool Overflow(X86Cpu cpu)
    {
        SetC1(cpu, true);
        cpu.State.Fsw |= StackFault;
        return Post(cpu, FloatExceptions.Invalid);
    }

    /// <summary>Records exceptions in the status word; an unmasked one becomes pending for the next waiting instruction.</summary>
    /// <returns>Whether all of them are masked.</returns>
    public static bool Post(X86Cpu cpu, FloatExceptions raised)
    {
        cpu.State.Fsw |= (ushort)raised;
        if (((int)raised & ~cpu.State.Fcw & 0x3F) == 0)
        {
            return true;
        }

        cpu.State.Fsw |= Summary | Busy;
        return false;
    }

    /// <summary>Makes the summary bits agree with flags and masks after either was loaded.</summary>
    public static void UpdateSummary(X86Cpu cpu)
    {
        bool pending = (cpu.State.Fsw & ~cpu.State.Fcw & 0x3F) != 0;
        cpu.State.Fsw = (ushort)((cpu.State.Fsw & ~(Summary | Busy)) | (pending ? Summary | Busy : 0));
    }

    /// <summary>
    /// What every waiting instruction does first: #NM if the FPU is off or its context not loaded, #MF (or FERR#) if an
    /// unmasked exception is pending. Intel SDM Vol. 1, "x87 FPU Exception Synchronization"; Vol. 3A, "EM, MP and TS".
    /// </summary>
    public static bool Begin(X86Cpu cpu, Op* op)
    {
        if (!IsAvailable(cpu) || !CheckPending(cpu))
        {
            return false;
        }

        NoteInstruction(cpu, op);
        return true;
    }

    public static bool IsAvailable(X86Cpu cpu) =>
        (cpu.State.Cr0 & (Cr0.EM | Cr0.TS)) == 0 || cpu.Raise(ExceptionVector.DeviceNotAvailable);

    /// <returns>False if the instruction must not go on.</returns>
    public static bool CheckPending(X86Cpu cpu)
    {
        if ((cpu.State.Fsw & Summary) == 0)
        {
            return true;
        }

        if ((cpu.State.Cr0 & Cr0.NE) != 0)
        {
            return cpu.Raise(ExceptionVector.X87);
        }

        // MS-DOS compatible reporting: FERR# reaches the interrupt controller and the processor stands still until it is
        // interrupted. With interrupts off nothing would ever come: go on as with IGNNE# asserted.
        if (cpu.Wiring.X87Error == null)
        {
            return true;
        }

        cpu.Wiring.X87Error();
        if ((cpu.State.Rflags & RFlags.IF) == 0)
        {
            return true;
        }

        cpu.State.Rip = cpu.Context->InstructionRip;
        cpu.Context->EndBlock = 1;
        return false;
    }

    /// <summary>Records the last instruction pointer and opcode; <see cref="NoteOperand"/> adds the data pointer.</summary>
    public static void NoteInstruction(X86Cpu cpu, Op* op)
    {
        cpu.State.FpuIp = cpu.Context->InstructionRip;
        cpu.State.FpuCs = cpu.State.Cs.Selector;
        cpu.State.Fop = (ushort)(op->Imm2 & 0x7FF);
    }

    public static void NoteOperand(X86Cpu cpu, ulong offset, int segment)
    {
        cpu.State.FpuDp = offset;
        cpu.State.FpuDs = cpu.State.Segment((SegmentIndex)segment).Selector;
    }

    private static void SetTag(X86Cpu cpu, int register, int tag) =>
        cpu.State.Ftw = (ushort)((cpu.State.Ftw & ~(3 << (2 * register))) | (tag << (2 * register)));

    private static int TagOf(Float80 value) => value.IsNormal ? TagValid : value.IsZero ? TagZero : TagSpecial;
}
