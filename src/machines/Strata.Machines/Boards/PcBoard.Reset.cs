using Strata.Devices.Power;
using Strata.Machines.Boot;

namespace Strata.Machines.Boards;

/// <content>
/// Reset: a request comes in the middle of an instruction, on the thread of the processor that is to be reset; it is carried out on
/// another thread, once all processors stand still.
/// </content>
public sealed partial class PcBoard
{
    private readonly ResetRate _resetRate = new();
    private MachineExit? _pendingReset; // any thread, interlocked
    private int _resets;

    /// <summary>How often the guest has been started again.</summary>
    public int Resets => Volatile.Read(ref _resets);

    /// <summary>
    /// A guest of a deterministic machine has asked for a reset: its owner calls <see cref="ServeReset"/> before it runs a processor again.
    /// </summary>
    public bool IsResetPending => Volatile.Read(ref _pendingReset) is not null;

    /// <summary>Resets the machine as the guest's own request does: memory stays, all else begins anew. Any thread.</summary>
    public void Reset() => RequestReset(new MachineExit(MachineExitReason.Reset, 0, "The host asked for a reset."));

    /// <summary>Carries out a reset that has been asked for. Not for a vCPU's thread; of a deterministic machine: between runs.</summary>
    public void ServeReset()
    {
        lock (_gate)
        {
            if (_pauses > 0 || _disposed || _exit.Task.IsCompleted || !IsResetPending)
            {
                return; // the end of the pause comes back to it
            }

            if (TryHoldStill())
            {
                LetGo();
            }
        }
    }

    void IMachineControl.RequestReset(string reason) =>
        RequestReset(new MachineExit(MachineExitReason.Reset, 0, $"The guest asked for a reset ({reason})."));

    /// <summary>A processor's thread, in the middle of its instruction: what it would do next is for when the guest wakes.</summary>
    void IMachineControl.RequestSleep()
    {
        _processors!.RequestPause();
        if (_wiring.Options.Deterministic is not null)
        {
            PressPowerButton(); // nobody else would: its owner runs processors and nothing more
        }
    }

    void IMachineControl.RequestWake() => RequestStart(new MachineExit(MachineExitReason.Reset, 0, "The guest wakes."));

    /// <summary>Any thread. Requests before the first one is carried out are part of it.</summary>
    private void RequestReset(MachineExit cause)
    {
        if (_wiring.Options.EndsOnReset(cause))
        {
            End(cause);
        }
        else
        {
            RequestStart(cause);
        }
    }

    private void RequestStart(MachineExit cause)
    {
        if (Interlocked.CompareExchange(ref _pendingReset, cause, null) is null)
        {
            _processors!.RequestPause(); // the guest's next instructions are not meant to run
            ServeResetLater();
        }
    }

    private void ServeResetLater()
    {
        if (IsResetPending && _wiring.Options.Deterministic is null)
        {
            ThreadPool.QueueUserWorkItem(_ => ServeResetOrEnd());
        }
    }

    private void ServeResetOrEnd()
    {
        try
        {
            ServeReset();
        }
        catch (BootImageException error)
        {
            End(new MachineExit(MachineExitReason.Reset, 0, $"The guest asked for a reset. {error.Message}"));
        }
#pragma warning disable CA1031 // A defect of the monitor must end this machine with a message, not the host process.
        catch (Exception error)
#pragma warning restore CA1031
        {
            End(new MachineExit(MachineExitReason.Error, 0, $"The machine could not be reset: {error}"));
        }
    }

    /// <summary>Under <see cref="_gate"/>, while everything stands still.</summary>
    /// <returns>False if the machine has ended instead.</returns>
    private bool TryResetIfRequested()
    {
        if (Interlocked.Exchange(ref _pendingReset, null) is not { } cause)
        {
            return true;
        }

        if (_chipset.Power.WakeCause is not 0 and var wakeCause)
        {
            Wake(wakeCause);
            return true;
        }

        if (_resetRate.IsTooHigh(_clock.Now))
        {
            End(cause with { Details = $"{cause.Details} It was reset {ResetRate.Most} times within {ResetRate.Window.TotalSeconds:F0} s " +
                $"and does not come up; let resets end the run to see the first." });
            return false;
        }

        IReadOnlyList<ulong> counters = _processors!.TimeStampOffsets();
        _roster.Reset();
        _processors.Enter(_firmware is null ? _loader.Load() : null, counters);
        Interlocked.Increment(ref _resets);
        _wiring.Options.OnReset?.Invoke(cause);
        return true;
    }

    /// <summary>
    /// A reset that keeps memory, and what shows of it: firmware looks into the shadow of its ROM whether it has run before.
    /// </summary>
    private void Wake(ushort cause)
    {
        IReadOnlyList<ulong> counters = _processors!.TimeStampOffsets();
        _roster.Reset(kept: _firmware!.HostBridge);
        _chipset.AnnounceWake(cause);
        _processors.Enter(null, counters);
    }
}
