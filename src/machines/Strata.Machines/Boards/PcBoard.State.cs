using System.Diagnostics;
using Strata.Core.Execution;
using Strata.Core.State;
using Strata.Core.Time;

#pragma warning disable RS0030 // How long a machine stands still is a figure about the host.

namespace Strata.Machines.Boards;

/// <content>Standing still, and the state of the whole.</content>
public sealed partial class PcBoard
{
    private int _pauses; // under _gate
    private bool _isStarted; // under _gate
    private long _stillSince; // under _gate

    /// <summary>What of the machine has state, in the order in which it is loaded.</summary>
    public IReadOnlyList<IUnit> Units => _roster.Units;

    /// <summary>
    /// Brings the machine to a stand: all processors at an instruction boundary, devices without a request under way, time stopped.
    /// Pauses nest: as many calls of <see cref="Resume"/> end them. Engines can be switched meanwhile. Blocks until done; not for a
    /// vCPU's, timer's or device's thread.
    /// </summary>
    /// <returns>How long it took; zero if the machine stood still already.</returns>
    /// <exception cref="InvalidOperationException">The machine has ended.</exception>
    public TimeSpan Pause()
    {
        lock (_gate)
        {
            if (_pauses == 0)
            {
                long start = Stopwatch.GetTimestamp();
                if (!TryHoldStill())
                {
                    throw HasEnded();
                }

                _stillSince = start;
            }

            _pauses++;
            return _pauses == 1 ? Stopwatch.GetElapsedTime(_stillSince) : TimeSpan.Zero;
        }
    }

    /// <summary>Ends a pause; the last one lets the machine go on, in the state that it has now.</summary>
    /// <returns>How long it stood still, from the begin of the pause on; zero if it still does.</returns>
    /// <exception cref="InvalidOperationException">The machine is not paused.</exception>
    public TimeSpan Resume()
    {
        lock (_gate)
        {
            if (_pauses == 0)
            {
                throw NotPaused("nothing to resume");
            }

            if (--_pauses > 0)
            {
                return TimeSpan.Zero;
            }

            LetGo();
            return Stopwatch.GetElapsedTime(_stillSince);
        }
    }

    /// <summary>The state of all units, apart from memory and disks, while the machine is paused.</summary>
    /// <exception cref="InvalidOperationException">The machine is not paused.</exception>
    public IReadOnlyList<UnitRecord> SaveState()
    {
        lock (_gate)
        {
            return _pauses > 0 ? _roster.Save() : throw NotPaused("its state changes");
        }
    }

    /// <summary>Why records cannot be of a machine like this one, as far as their names tell, as a sentence; null if they can.</summary>
    public string? FindMismatch(IReadOnlyCollection<UnitRecord> records) =>
        _roster.FindMismatch([.. records.Select(record => record.UnitName)]);

    /// <summary>Reads a saved state, and changes nothing. Any thread; the machine may run.</summary>
    /// <exception cref="StateException">A record is damaged, missing or unknown.</exception>
    public void CheckState(IReadOnlyCollection<UnitRecord> records) => _roster.Check(records);

    /// <summary>
    /// What engines have made of the code in RAM by now, to be read when the machine goes on; while it is paused. Null for an engine whose
    /// work cannot be kept.
    /// </summary>
    /// <exception cref="InvalidOperationException">The machine is not paused.</exception>
    public (ReadOnlyMemory<byte> Identity, IReadOnlyList<ICodeCapture> Captures)? CaptureCode()
    {
        lock (_gate)
        {
            return _pauses > 0 ? _processors!.CaptureCode() : throw NotPaused("its code changes");
        }
    }

    /// <summary>
    /// Takes over the state of a machine like this one, while this one is paused. Its memory has been put in place already.
    /// </summary>
    /// <exception cref="StateException">A record does not fit: this machine must not run any more.</exception>
    /// <exception cref="InvalidOperationException">The machine is not paused.</exception>
    public void LoadState(IReadOnlyCollection<UnitRecord> records)
    {
        lock (_gate)
        {
            if (_pauses == 0)
            {
                throw NotPaused("its state changes");
            }

            _roster.Load(records);
        }
    }

    /// <summary>Under <see cref="_gate"/>. A reset that the guest has asked for is carried out at the end.</summary>
    /// <returns>False if the machine has ended, by that reset or before.</returns>
    private bool TryHoldStill()
    {
        _processors!.RequestPause();
        if (_disposed || !_processors.WaitUntilPaused(() => _exit.Task.IsCompleted))
        {
            return false;
        }

        _roster.Quiesce(); // requests under way may still need time to pass
        (_clock as RealTimeClock)?.Stop();
        return TryResetIfRequested();
    }

    /// <summary>Under <see cref="_gate"/>.</summary>
    private void LetGo()
    {
        if (_isStarted)
        {
            (_clock as RealTimeClock)?.Start();
            _wiring.Wall.FollowWorld();
        }

        _roster.Resume();
        ResumeProcessors();
        ServeResetLater();
    }

    /// <summary>What a guest that has asked for a reset, or is suspended to memory, would do next is not to happen.</summary>
    private void ResumeProcessors()
    {
        if (IsResetPending || IsSuspendedToMemory)
        {
            return;
        }

        _processors!.Resume();
        if (IsResetPending || IsSuspendedToMemory)
        {
            _processors.RequestPause(); // the first one has asked for it before the last one was resumed
        }
    }

    private static InvalidOperationException NotPaused(string why) => new($"The machine is not paused: {why}.");
}
