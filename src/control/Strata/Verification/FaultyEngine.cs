using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.Verification;

/// <summary>
/// An engine that makes one mistake: after an instruction of a given number, a bit of RAX is wrong. To see that
/// <see cref="Verifier"/> finds it.
/// </summary>
/// <param name="inner">The engine that does the work.</param>
/// <param name="executedBefore">Instructions that the processor has executed before this engine took over.</param>
/// <param name="faultyInstruction">The instruction whose result is wrong, counted from 1.</param>
internal sealed class FaultyEngine(IX86Engine inner, long executedBefore, long faultyInstruction) : IBlockEngine
{
    private const ulong FlippedBit = 1 << 5;

    public int Index => inner.Index;

    public X86Cpu Cpu => inner.Cpu;

    public long InstructionsExecuted => inner.InstructionsExecuted;

    public int NextBlockLength => inner is IBlockEngine blocks ? blocks.NextBlockLength : 1;

    public string DescribeCounters() => inner.DescribeCounters();

    public VcpuStop Run(long instructionBudget)
    {
        long left = faultyInstruction - executedBefore - inner.InstructionsExecuted;
        if (left <= 0 || left > instructionBudget)
        {
            return inner.Run(instructionBudget);
        }

        VcpuStop stop = inner.Run(left);
        if (executedBefore + inner.InstructionsExecuted < faultyInstruction)
        {
            return stop;
        }

        Cpu.Register(Gpr.Rax) ^= FlippedBit;
        return instructionBudget > left && stop == VcpuStop.BudgetSpent ? inner.Run(instructionBudget - left) : stop;
    }

    public void Kick() => inner.Kick();

    public void Dispose() => inner.Dispose();
}
