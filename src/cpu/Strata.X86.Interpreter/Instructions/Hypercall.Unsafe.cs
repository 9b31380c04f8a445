using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>VMCALL and VMMCALL: the same for a guest of either vendor.</summary>
internal static unsafe class HypercallInstructions
{
    public static void Register(InstructionTable table)
    {
        table.AddEnding(Mnemonic.Vmcall, &Call);
        table.AddEnding(Mnemonic.Vmmcall, &Call);
    }

    private static void Call(X86Cpu cpu, Op* op) => cpu.ServeHypercall();
}
