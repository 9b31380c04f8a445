using Strata.Core.Execution;

namespace Strata.X86.Execution;

/// <summary>An engine that executes one x86 vCPU.</summary>
public interface IX86Engine : IVcpu, IDisposable
{
    /// <summary>The processor; for state access while <c>Run</c> is not active.</summary>
    X86Cpu Cpu { get; }

    /// <summary>Counters of the engine as lines for people; any thread, approximate.</summary>
    string DescribeCounters();

    /// <summary>Guest instructions executed one by one since the start (translated code does not count); any thread, approximate.</summary>
    long InstructionsExecuted { get; }
}
