using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// Loads, stores, exchanges, conditional moves, constants. Intel SDM Vol. 1, "Data Transfer Instructions" and "Load Constant Instructions".
/// </summary>
internal static unsafe class X87Moves
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Fld, &Load);
        table.Add(Mnemonic.Fild, &LoadInteger);
        table.Add(Mnemonic.Fbld, &LoadDecimal);
        table.Add(Mnemonic.Fst, &Store);
        table.Add(Mnemonic.Fstp, &Store);
        table.Add(Mnemonic.Fstpnce, &StoreUnchecked);
        table.Add(Mnemonic.Fist, &StoreInteger);
        table.Add(Mnemonic.Fistp, &StoreInteger);
        table.Add(Mnemonic.Fisttp, &StoreInteger);
        table.Add(Mnemonic.Fbstp, &StoreDecimal);
        table.Add(Mnemonic.Fxch, &Exchange);
        table.Add(Mnemonic.Fchs, &ChangeSign);
        table.Add(Mnemonic.Fabs, &Absolute);
        foreach (Mnemonic move in (ReadOnlySpan<Mnemonic>)
            [
                Mnemonic.Fcmovb, Mnemonic.Fcmove, Mnemonic.Fcmovbe, Mnemonic.Fcmovu, Mnemonic.Fcmovnb, Mnemonic.Fcmovne, Mnemonic.Fcmovnbe,
                Mnemonic.Fcmovnu])
        {
            table.Add(move, &ConditionalMove);
        }

        foreach (Mnemonic constant in (ReadOnlySpan<Mnemonic>)
            [Mnemonic.Fld1, Mnemonic.Fldl2t, Mnemonic.Fldl2e, Mnemonic.Fldpi, Mnemonic.Fldlg2, Mnemonic.Fldln2, Mnemonic.Fldz])
        {
            table.Add(constant, &LoadConstant);
        }
    }

    private static void Load(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        if (op->Kind0 == OperandKind.Stack87)
        {
            LoadRegister(cpu, op->Reg0);
            return;
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 value;
        if (op->Width == 10)
        {
            if (!X87Memory.TryLoad80(cpu, op, out ulong low, out ushort high))
            {
                return;
            }

            value = new Float80(low, high);
        }
        else
        {
            if (!X87Memory.TryLoad(cpu, op, op->Width, out ulong bits))
            {
                return;
            }

            value = op->Width == 4 ? Float80Math.FromFloat32((uint)bits, ref c) : Float80Math.FromFloat64(bits, ref c);
        }

        PushLoaded(cpu, value, c);
    }

    private static void PushLoaded(X86Cpu cpu, Float80 value, in FloatContext c)
    {
        if (!X87Stack.IsEmpty(cpu, 7))
        {
            if (X87Stack.Overflow(cpu))
            {
                X87Stack.Push(cpu, Float80.DefaultNaN);
            }

            return;
        }

        // An unmasked denormal does not stop the load, a signaling NaN does.
        X87Stack.SetC1(cpu, false);
        X87Stack.Post(cpu, c.Raised);
        if ((c.Unmasked & FloatExceptions.Invalid) == 0)
        {
            X87Stack.Push(cpu, value);
        }
    }

    private static void LoadRegister(X86Cpu cpu, int source)
    {
        if (X87Stack.IsEmpty(cpu, source))
        {
            // Underflow comes before overflow where it could be either.
            if (X87Stack.Underflow(cpu))
            {
                X87Stack.Push(cpu, Float80.DefaultNaN);
            }
        }
        else
        {
            PushLoaded(cpu, X87Stack.Read(cpu, source), default);
        }
    }

    private static void LoadInteger(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op) || !X87Memory.TryLoad(cpu, op, op->Width, out ulong bits))
        {
            return;
        }

        int unused = 64 - (8 * op->Width);
        PushLoaded(cpu, Float80Math.FromInt64((long)(bits << unused) >> unused), default);
    }

    private static void LoadDecimal(X86Cpu cpu, Op* op)
    {
        if (X87Stack.Begin(cpu, op) && X87Memory.TryLoad80(cpu, op, out ulong low, out ushort high))
        {
            PushLoaded(cpu, Float80Math.FromBcd(low, high), default);
        }
    }

    private static void LoadConstant(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        RoundingMode mode = (RoundingMode)((cpu.State.Fcw >> 10) & 3);
        bool lower = mode is RoundingMode.Down or RoundingMode.TowardZero;
        Float80 value = (Mnemonic)op->Mnemonic switch
        {
            // The significand rounded to nearest is below the constant for log2(10) only, above it for log2(e), pi and so on.
            Mnemonic.Fldl2t => new Float80(0xD49A784BCD1B8AFE + (mode == RoundingMode.Up ? 1UL : 0), 0x4000),
            Mnemonic.Fldl2e => new Float80(0xB8AA3B295C17F0BC - (lower ? 1UL : 0), 0x3FFF),
            Mnemonic.Fldpi => new Float80(0xC90FDAA22168C235 - (lower ? 1UL : 0), 0x4000),
            Mnemonic.Fldlg2 => new Float80(0x9A209A84FBCFF799 - (lower ? 1UL : 0), 0x3FFD),
            Mnemonic.Fldln2 => new Float80(0xB17217F7D1CF79AC - (lower ? 1UL : 0), 0x3FFE),
            Mnemonic.Fld1 => Float80.One,
            _ => Float80.PositiveZero,
        };
        PushLoaded(cpu, value, default);
    }

    private static void Store(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        bool pops = (Mnemonic)op->Mnemonic != Mnemonic.Fst;
        if (op->Kind0 == OperandKind.Stack87)
        {
            StoreRegister(cpu, op->Reg0, pops);
            return;
        }

        bool empty = X87Stack.IsEmpty(cpu, 0);
        Float80 value = empty ? Float80.DefaultNaN : X87Stack.Read(cpu, 0);
        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        ulong bits = op->Width switch
        {
            4 => Float80Math.ToFloat32(value, ref c),
            8 => Float80Math.ToFloat64(value, ref c),
            _ => 0,
        };
        c.Raised |= empty ? FloatExceptions.Invalid : FloatExceptions.None;
        if (op->Width == 10)
        {
            StoreAndPop(cpu, op, value.Significand, value.SignExponent, pops, empty, c);
        }
        else
        {
            StoreAndPop(cpu, op, bits, 0, pops, empty, c);
        }
    }

    private static void StoreRegister(X86Cpu cpu, int destination, bool pops)
    {
        if (X87Stack.IsEmpty(cpu, 0))
        {
            if (!X87Stack.Underflow(cpu))
            {
                return;
            }

            X87Stack.Write(cpu, destination, Float80.DefaultNaN);
        }
        else
        {
            X87Stack.SetC1(cpu, false);
            X87Stack.Write(cpu, destination, X87Stack.Read(cpu, 0));
        }

        if (pops)
        {
            X87Stack.Pop(cpu);
        }
    }

    /// <summary>The undocumented D9 D8+i: FSTP that takes an empty ST(0) without complaint and then only pops.</summary>
    private static void StoreUnchecked(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        if (!X87Stack.IsEmpty(cpu, 0))
        {
            StoreRegister(cpu, op->Reg0, pops: true);
            return;
        }

        X87Stack.SetC1(cpu, false);
        X87Stack.SetTop(cpu, X87Stack.Top(cpu) + 1);
    }

    private static void StoreInteger(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        bool empty = X87Stack.IsEmpty(cpu, 0);
        Float80 value = empty ? Float80.DefaultNaN : X87Stack.Read(cpu, 0);
        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        RoundingMode mode = (Mnemonic)op->Mnemonic == Mnemonic.Fisttp ? RoundingMode.TowardZero : c.Rounding;
        ulong bits = op->Width switch
        {
            2 => (ulong)Float80Math.ToInt16(value, mode, ref c),
            4 => (ulong)Float80Math.ToInt32(value, mode, ref c),
            _ => (ulong)Float80Math.ToInt64(value, mode, ref c),
        };
        StoreAndPop(cpu, op, bits, 0, (Mnemonic)op->Mnemonic != Mnemonic.Fist, empty, c);
    }

    private static void StoreDecimal(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        bool empty = X87Stack.IsEmpty(cpu, 0);
        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80Math.ToBcd(empty ? Float80.DefaultNaN : X87Stack.Read(cpu, 0), out ulong low, out ushort high, ref c);
        StoreAndPop(cpu, op, low, high, true, empty, c);
    }

    /// <summary>
    /// Stores first, because a page fault must leave no trace; an unmasked exception other than precision abandons the store.
    /// </summary>
    private static void StoreAndPop(X86Cpu cpu, Op* op, ulong low, ushort high, bool pops, bool empty, in FloatContext c)
    {
        bool abandoned = (c.Unmasked & ~FloatExceptions.Precision) != 0;
        if (!abandoned && !(op->Width == 10 ? X87Memory.TryStore80(cpu, op, low, high) : X87Memory.TryStore(cpu, op, op->Width, low)))
        {
            return;
        }

        X87Stack.SetC1(cpu, c.RoundedUp && !abandoned);
        cpu.State.Fsw |= empty ? X87Stack.StackFault : (ushort)0;
        X87Stack.Post(cpu, c.Raised);
        if (pops && !abandoned)
        {
            X87Stack.Pop(cpu);
        }
    }

    private static void Exchange(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        int other = op->Reg1;
        bool emptyTop = X87Stack.IsEmpty(cpu, 0);
        bool emptyOther = X87Stack.IsEmpty(cpu, other);
        if ((emptyTop || emptyOther) && !X87Stack.Underflow(cpu))
        {
            return;
        }

        X87Stack.SetC1(cpu, false);
        Float80 top = emptyTop ? Float80.DefaultNaN : X87Stack.Read(cpu, 0);
        X87Stack.Write(cpu, 0, emptyOther ? Float80.DefaultNaN : X87Stack.Read(cpu, other));
        X87Stack.Write(cpu, other, top);
    }

    private static void ChangeSign(X86Cpu cpu, Op* op) => ReplaceTop(cpu, op, X87Stack.Read(cpu, 0).Negate());

    private static void Absolute(X86Cpu cpu, Op* op) => ReplaceTop(cpu, op, X87Stack.Read(cpu, 0).Abs());

    private static void ReplaceTop(X86Cpu cpu, Op* op, Float80 value)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        X87Stack.SetC1(cpu, false);
        if (!X87Stack.IsEmpty(cpu, 0))
        {
            X87Stack.Write(cpu, 0, value);
        }
        else if (X87Stack.Underflow(cpu))
        {
            X87Stack.Write(cpu, 0, Float80.DefaultNaN);
        }
    }

    private static void ConditionalMove(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        if (X87Stack.IsEmpty(cpu, 0) || X87Stack.IsEmpty(cpu, op->Reg1))
        {
            if (X87Stack.Underflow(cpu))
            {
                X87Stack.Write(cpu, 0, Float80.DefaultNaN);
            }
        }
        else if (IsMet((Mnemonic)op->Mnemonic, cpu.Rflags))
        {
            X87Stack.Write(cpu, 0, X87Stack.Read(cpu, op->Reg1));
        }
    }

    private static bool IsMet(Mnemonic mnemonic, ulong flags) => mnemonic switch
    {
        Mnemonic.Fcmovb => (flags & RFlags.CF) != 0,
        Mnemonic.Fcmove => (flags & RFlags.ZF) != 0,
        Mnemonic.Fcmovbe => (flags & (RFlags.CF | RFlags.ZF)) != 0,
        Mnemonic.Fcmovu => (flags & RFlags.PF) != 0,
        Mnemonic.Fcmovnb => (flags & RFlags.CF) == 0,
        Mnemonic.Fcmovne => (flags & RFlags.ZF) == 0,
        Mnemonic.Fcmovnbe => (flags & (RFlags.CF | RFlags.ZF)) == 0,
        _ => (flags & RFlags.PF) == 0,
    };
}
