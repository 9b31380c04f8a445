using Strata.X86.Execution;

namespace Strata.Machines.Engines;

/// <summary>
/// An engine's side of one machine: made once, kept while the machine runs on other engines. Calls are serialized by the machine.
/// </summary>
public interface IMachineEngine : IDisposable
{
    /// <summary>An engine over a processor as the last engine left it. On failure the processor is as it was.</summary>
    /// <exception cref="EngineUnavailableException">The host refuses.</exception>
    IX86Engine CreateVcpu(X86Cpu cpu);

    /// <summary>Marks pages that the guest wrote behind everybody's back. No processor may run.</summary>
    void HarvestDirtyPages()
    {
    }
}
