using System.Diagnostics;
using Strata.X86.Kvm;

namespace Strata.Machines.Boards;

/// <summary>Replacing the engine of a running machine.</summary>
public sealed partial class PcBoard
{
    private static readonly TimeSpan PauseCheck = TimeSpan.FromMilliseconds(10);

    /// <summary>One switch or look inside at a time, and none during disposal. Nothing else is locked before it.</summary>
    private readonly Lock _engineGate = new();

    private EngineKind _engine; // under _engineGate

    /// <summary>How guest code is executed now.</summary>
    public EngineKind Engine
    {
        get
        {
            lock (_engineGate)
            {
                return _engine;
            }
        }
    }

    /// <summary>
    /// Moves all processors to another engine at an instruction boundary. Memory, devices, interrupts and time stay where they are;
    /// virtual time goes on meanwhile. Blocks until done; not for a vCPU's thread.
    /// </summary>
    /// <returns>How long the processors stood still.</returns>
    /// <exception cref="KvmUnavailableException">KVM cannot run this machine; the old engine goes on.</exception>
    /// <exception cref="PlatformNotSupportedException">The host cannot run the engine; the old one goes on.</exception>
    /// <exception cref="InvalidOperationException">The machine has ended.</exception>
    public TimeSpan SwitchEngine(EngineKind kind)
    {
        lock (_engineGate)
        {
            if (_engines is null || _exit.Task.IsCompleted)
            {
                throw HasEnded();
            }

            if (kind == _engine)
            {
                return TimeSpan.Zero;
            }

            _engines.Prepare(kind);
#pragma warning disable RS0030 // a figure about the host
            long start = Stopwatch.GetTimestamp();
#pragma warning restore RS0030
            _vcpus.ForEach(vcpu => vcpu.RequestPause());
            try
            {
                WaitUntilPaused();
                ReplaceEngines(_engines, kind);
            }
            finally
            {
                _vcpus.ForEach(vcpu => vcpu.Resume());
            }

#pragma warning disable RS0030 // a figure about the host
            return Stopwatch.GetElapsedTime(start);
#pragma warning restore RS0030
        }
    }

    private void WaitUntilPaused()
    {
        foreach (VcpuThread vcpu in _vcpus)
        {
            while (!vcpu.WaitPaused(PauseCheck))
            {
                if (_exit.Task.IsCompleted)
                {
                    throw HasEnded();
                }
            }
        }
    }

    private static InvalidOperationException HasEnded() => new("The machine has ended; there is nothing to switch to another engine.");

    private void ReplaceEngines(BoardEngines engines, EngineKind kind)
    {
        if (_engine == EngineKind.Kvm)
        {
            engines.HarvestDirtyPages();
        }

        EngineKind old = _engine;
        int done = 0;
        try
        {
            for (; done < _vcpus.Count; done++)
            {
                _vcpus[done].ReplaceEngine(cpu => engines.Create(kind, cpu), cpu => engines.Create(old, cpu));
            }

            _engine = kind;
        }
        catch
        {
            // Code is tracked within one kind of engine only: all or none.
            for (int i = 0; i < done; i++)
            {
                _vcpus[i].ReplaceEngine(cpu => engines.Create(old, cpu), cpu => engines.Create(old, cpu));
            }

            throw;
        }
    }
}
