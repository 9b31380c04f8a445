namespace Strata.Core.Execution;

/// <summary>Why <see cref="IVcpu.Run"/> came back.</summary>
public enum VcpuStop
{
    /// <summary>The instruction budget is spent.</summary>
    BudgetSpent,

    /// <summary>Somebody called <see cref="IVcpu.Kick"/>.</summary>
    Kicked,

    /// <summary>The guest executed HLT (or waits for a start-up IPI) and no interrupt is pending.</summary>
    Halted,

    /// <summary>Triple fault: the processor asks the board for a reset.</summary>
    Shutdown,
}

/// <summary>
/// One virtual processor, whatever it is a processor of. One dedicated thread calls <see cref="Run"/>; <see cref="Kick"/> is safe on any
/// thread.
/// </summary>
public interface IVcpu : IDisposable
{
    /// <summary>Zero-based index in the machine.</summary>
    int Index { get; }

    /// <summary>Guest instructions executed one by one since the start (translated code does not count); any thread, approximate.</summary>
    long InstructionsExecuted { get; }

    /// <summary>Counters of the engine as lines for people; any thread, approximate.</summary>
    string DescribeCounters();

    /// <summary>
    /// Executes up to about <paramref name="instructionBudget"/> guest instructions, serving MMIO and port I/O on the way.
    /// </summary>
    VcpuStop Run(long instructionBudget);

    /// <summary>Makes <see cref="Run"/> return, or look for interrupts, at the next instruction boundary.</summary>
    void Kick();
}
