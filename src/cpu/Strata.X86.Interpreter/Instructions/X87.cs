using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>The x87 instruction set, D8h to DFh and FWAIT.</summary>
internal static class X87Instructions
{
    public static void Register(InstructionTable table)
    {
        X87Arithmetic.Register(table);
        X87Moves.Register(table);
        X87Compare.Register(table);
        X87Functions.Register(table);
        X87Control.Register(table);
    }
}
