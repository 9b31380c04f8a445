using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>FCOM and its relatives, FTST and FXAM. Intel SDM Vol. 1, "Comparison and Classification Instructions".</summary>
internal static unsafe class X87Compare
{
    public static void Register(InstructionTable table)
    {
        foreach (Mnemonic toConditions in (ReadOnlySpan<Mnemonic>)
            [
                Mnemonic.Fcom, Mnemonic.Fcomp, Mnemonic.Fcompp, Mnemonic.Ficom, Mnemonic.Ficomp, Mnemonic.Fucom, Mnemonic.Fucomp,
                Mnemonic.Fucompp, Mnemonic.Ftst])
        {
            table.Add(toConditions, &CompareToConditions);
        }

        foreach (Mnemonic toFlags in (ReadOnlySpan<Mnemonic>)[Mnemonic.Fcomi, Mnemonic.Fcomip, Mnemonic.Fucomi, Mnemonic.Fucomip])
        {
            table.Add(toFlags, &CompareToFlags);
        }

        table.Add(Mnemonic.Fxam, &Examine);
    }

    private static void CompareToConditions(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op) || !TryCompare(cpu, op, out FloatRelation relation, out bool masked))
        {
            return;
        }

        X87Stack.SetConditions(cpu, relation switch
        {
            FloatRelation.Less => X87Stack.C0,
            FloatRelation.Equal => X87Stack.C3,
            FloatRelation.Unordered => X87Stack.C0 | X87Stack.C2 | X87Stack.C3,
            _ => 0,
        });
        Pop(cpu, op, masked);
    }

    private static void CompareToFlags(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op) || !TryCompare(cpu, op, out FloatRelation relation, out bool masked))
        {
            return;
        }

        cpu.Rflags = (cpu.Rflags & ~RFlags.Arithmetic) | relation switch
        {
            FloatRelation.Less => RFlags.CF,
            FloatRelation.Equal => RFlags.ZF,
            FloatRelation.Unordered => RFlags.CF | RFlags.PF | RFlags.ZF,
            _ => 0UL,
        };
        Pop(cpu, op, masked);
    }

    /// <returns>False if reading the memory operand faulted.</returns>
    private static bool TryCompare(X86Cpu cpu, Op* op, out FloatRelation relation, out bool masked)
    {
        relation = FloatRelation.Unordered;
        masked = false;
        bool memory = op->Kind0 == OperandKind.Memory;
        bool test = (Mnemonic)op->Mnemonic == Mnemonic.Ftst;
        Float80 source = default;
        bool denormal = false;
        if (memory && !X87Memory.TryLoadOperand(cpu, op, out source, out denormal))
        {
            return false;
        }

        int other = op->Kind1 == OperandKind.Stack87 ? op->Reg1 : 1;
        if (X87Stack.IsEmpty(cpu, 0) || (!memory && !test && X87Stack.IsEmpty(cpu, other)))
        {
            masked = X87Stack.Underflow(cpu);
            return true;
        }

        if (!memory && !test)
        {
            source = X87Stack.Read(cpu, other);
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 top = X87Stack.Read(cpu, 0);
        relation = Float80Math.Compare(top, source, IsSignaling((Mnemonic)op->Mnemonic), ref c);
        if (denormal)
        {
            X87Memory.AddDenormal(top, ref c);
        }

        masked = X87Stack.Post(cpu, c.Raised);
        return true;
    }

    private static bool IsSignaling(Mnemonic mnemonic) =>
        mnemonic is not (Mnemonic.Fucom or Mnemonic.Fucomp or Mnemonic.Fucompp or Mnemonic.Fucomi or Mnemonic.Fucomip);

    private static void Pop(X86Cpu cpu, Op* op, bool masked)
    {
        int pops = (Mnemonic)op->Mnemonic switch
        {
            Mnemonic.Fcompp or Mnemonic.Fucompp => 2,
            Mnemonic.Fcomp or Mnemonic.Ficomp or Mnemonic.Fucomp or Mnemonic.Fcomip or Mnemonic.Fucomip => 1,
            _ => 0,
        };
        for (int i = 0; i < pops && masked; i++)
        {
            X87Stack.Pop(cpu);
        }
    }

    private static void Examine(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        Float80 value = X87Stack.Read(cpu, 0);
        int kind = X87Stack.IsEmpty(cpu, 0) ? X87Stack.C3 | X87Stack.C0
            : value.IsUnsupported ? 0
            : value.IsNaN ? X87Stack.C0
            : value.IsInfinity ? X87Stack.C2 | X87Stack.C0
            : value.IsZero ? X87Stack.C3
            : value.IsDenormal ? X87Stack.C3 | X87Stack.C2
            : X87Stack.C2;
        X87Stack.SetConditions(cpu, kind | (value.IsNegative ? X87Stack.C1 : 0));
    }
}
