using System.Diagnostics;
using Strata.X86.Kvm;

namespace Strata.Machines.Boards;

/// <content>Replacing the engine of a running machine.</content>
public sealed partial class PcBoard
{
    /// <summary>One change or look at the whole machine at a time, and none during disposal. Nothing else is locked before it.</summary>
    private readonly Lock _gate = new();

    /// <summary>How guest code is executed now.</summary>
    public EngineKind Engine
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
    /// virtual time goes on meanwhile. Blocks until done; not for a vCPU's thread.
    /// </summary>
    /// <returns>How long the processors stood still.</returns>
    /// <exception cref="KvmUnavailableException">KVM cannot run this machine; the old engine goes on.</exception>
    /// <exception cref="PlatformNotSupportedException">The host cannot run the engine; the old one goes on.</exception>
    /// <exception cref="InvalidOperationException">The machine has ended.</exception>
    public TimeSpan SwitchEngine(EngineKind kind)
    {
        lock (_gate)
        {
            if (_exit.Task.IsCompleted)
            {
                throw HasEnded();
            }

            if (kind == _processors!.Engine)
            {
                return TimeSpan.Zero;
            }

            _processors.Prepare(kind);
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

                _processors.ReplaceEngines(kind);
            }
            finally
            {
                _processors.Resume();
            }

#pragma warning disable RS0030 // a figure about the host
            return Stopwatch.GetElapsedTime(start);
#pragma warning restore RS0030
        }
    }

    private static InvalidOperationException HasEnded() => new("The machine has ended; there is nothing to switch to another engine.");
}
