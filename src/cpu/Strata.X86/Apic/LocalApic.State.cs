using Strata.Core.State;

namespace Strata.X86.Apic;

/// <summary>Saving and loading. The processor stands still; <see cref="_gate"/> keeps devices' threads apart nevertheless.</summary>
public sealed partial class LocalApic : IUnit<LocalApicState>
{
    public string UnitName => $"lapic{_id}";

    public void Resume()
    {
        lock (_gate)
        {
            ArmTimer();
        }
    }

    public LocalApicState SaveState()
    {
        lock (_gate)
        {
            return new LocalApicState
            {
                Base = _base,
                XApicId = _xApicId,
                TaskPriority = _taskPriority,
                LogicalDestination = _logicalDestination,
                DestinationFormat = _destinationFormat,
                SpuriousVector = _spurious,
                ErrorStatus = _errorStatus,
                ErrorPending = _errorPending,
                Command = _command,
                InterruptRequest = _irr.ToArray(),
                InService = _isr.ToArray(),
                TriggerMode = _tmr.ToArray(),
                Lvt = [.. _lvt],
                InitialCount = _initialCount,
                DivideConfiguration = _divide,
                CountStart = _countStart,
                Counts = _counts,
                TscDeadline = _tscDeadline,
                IsEoiOffered = _eoiOffered,
            };
        }
    }

    /// <summary>
    /// The guest's flag follows with the paravirtual interface's state, the timer with <see cref="Resume"/>: it may need the TSC.
    /// </summary>
    public void LoadState(LocalApicState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            _base = state.Base;
            _xApicId = state.XApicId;
            _taskPriority = state.TaskPriority;
            _logicalDestination = state.LogicalDestination;
            _destinationFormat = state.DestinationFormat;
            _spurious = state.SpuriousVector;
            _errorStatus = state.ErrorStatus;
            _errorPending = state.ErrorPending;
            _command = state.Command;
            _irr.Load(state.InterruptRequest);
            _isr.Load(state.InService);
            _tmr.Load(state.TriggerMode);
            state.Lvt.CopyTo(_lvt, 0);
            _initialCount = state.InitialCount;
            _divide = state.DivideConfiguration;
            _countStart = state.CountStart;
            _counts = state.Counts;
            _tscDeadline = state.TscDeadline;
            _eoiOffered = state.IsEoiOffered;
            _timer.Disarm();
            Update();
        }
    }
}
