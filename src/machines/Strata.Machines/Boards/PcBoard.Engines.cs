using System.Diagnostics;
using Strata.Machines.Engines;

namespace Strata.Machines.Boards;

/// <content>Replacing the engine of a running machine.</content>
public sealed partial class PcBoard
{
    /// <summary>One change or look at the whole machine at a time, and none during disposal. Nothing else is locked before it.</summary>
    private readonly Lock _gate = new();

    /// <summary>How guest code is executed now.</summary>
    public EngineDescriptor Engine
    {
        get
        {
            lock (_gate)
            {
                return _processors!.Engine;
            }
        }
    }

    /// <summary>
    /// Moves all processors to another engine at an instruction boundary. Memory, devices, interrupts and time stay where they are;
    /// virtual time goes on meanwhile, unless the machine is paused: it stays so. Blocks until done; not for a vCPU's thread.
    /// </summary>
    /// <returns>How long the processors stood still.</returns>
    /// <exception cref="EngineUnavailableException">The engine cannot run this machine, or not on this host; the old one goes
    /// on.</exception>
    /// <exception cref="InvalidOperationException">The machine has ended.</exception>
    public TimeSpan SwitchEngine(EngineDescriptor engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        lock (_gate)
        {
            if (_exit.Task.IsCompleted)
            {
                throw HasEnded();
            }

            if (engine == _processors!.Engine)
            {
                return TimeSpan.Zero;
            }

            if (_holdsUserCode && !engine.HoldsUserCode)
            {
                throw new InvalidOperationException(
                    $"The machine is a clone that is not yet a machine of its own, and the {engine.Name} engine cannot hold its programs " +
                    $"back until it is; switch when it is.");
            }

            _processors.Prepare(engine);
#pragma warning disable RS0030 // a figure about the host
            long start = Stopwatch.GetTimestamp();
#pragma warning restore RS0030
            _processors.RequestPause();
            try
            {
                if (!_processors.WaitUntilPaused(() => _exit.Task.IsCompleted))
                {
                    throw HasEnded();
                }

                _processors.ReplaceEngines(engine);
            }
            finally
            {
                if (_pauses == 0)
                {
                    ResumeProcessors();
                }
            }

#pragma warning disable RS0030 // a figure about the host
            return Stopwatch.GetElapsedTime(start);
#pragma warning restore RS0030
        }
    }

    private static InvalidOperationException HasEnded() => new("The machine has ended; there is nothing to switch to another engine.");
}
