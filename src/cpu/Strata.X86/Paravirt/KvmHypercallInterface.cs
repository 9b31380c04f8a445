using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.X86.Apic;
using Strata.X86.Cpuid;
using Strata.X86.Execution;

namespace Strata.X86.Paravirt;

/// <summary>
/// One processor's side of the interface that guests know from KVM: MSRs that place records in guest memory, keeping the
/// records true, and hypercalls. The same for every engine; addresses come from the guest and are used within RAM only.
/// Offering no feature, it only tells the monitor's own name.
/// </summary>
public sealed partial class KvmHypercallInterface : IHypercallInterface, IUnit<ParavirtState>
{
    // Configuration
    private readonly ParavirtFeatures _features;
    private readonly ulong _tscFrequency; // Hz
    private readonly uint _crystalFrequency; // Hz
    private readonly ClockRate _rate;
    private readonly int _index;

    // Wiring
    private readonly WallClock _wall;
    private readonly AddressSpace _memory;
    private readonly ILocalApic? _apic;

    // Guest-visible state
    private ulong _systemTime;
    private ulong _wallClock;
    private ulong _stealTime;
    private ulong _endOfInterrupt;

    /// <param name="index">The processor's.</param>
    public KvmHypercallInterface(int index, CpuidPolicy policy, AddressSpace memory, ILocalApic? apic, WallClock wall)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _index = index;
        _features = policy.Paravirtual;
        _tscFrequency = policy.TscFrequency;
        _crystalFrequency = policy.CrystalFrequency;
        _rate = ClockRate.Of(policy.TscFrequency);
        _wall = wall;
        _memory = memory;
        _apic = apic;
    }

    public string UnitName => $"paravirt{_index}";

    public bool CountsStealTime => (_stealTime & ParavirtMsr.Enable) != 0;

    public bool TryReadMsr(uint index, out ulong value)
    {
        value = index switch
        {
            ParavirtMsr.SystemTime or ParavirtMsr.SystemTimeOld => _systemTime,
            ParavirtMsr.WallClock or ParavirtMsr.WallClockOld => _wallClock,
            ParavirtMsr.StealTime => _stealTime,
            ParavirtMsr.EndOfInterrupt => _endOfInterrupt,
            _ => 0,
        };
        return Has(FeatureOf(index));
    }

    public bool TryWriteMsr(X86Cpu cpu, uint index, ulong value)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        if (!Has(FeatureOf(index)))
        {
            return false;
        }

        switch (index)
        {
            case ParavirtMsr.SystemTime or ParavirtMsr.SystemTimeOld:
                _systemTime = value;
                PublishClock(cpu.State.TscOffset, isNew: true);
                return true;
            case ParavirtMsr.WallClock or ParavirtMsr.WallClockOld:
                _wallClock = value;
                PublishWallClock();
                return true;
            case ParavirtMsr.StealTime:
                return TryWriteStealTime(value);
            default:
                return TryWriteEndOfInterrupt(value);
        }
    }

    /// <summary>
    /// Writes the clock's record: TSC minus <paramref name="tscOffset"/> is virtual time in ticks. It has no other reference, so it
    /// stays true until the offset changes, and processors with any offsets read the same time.
    /// </summary>
    public void OnTscMoved(ulong tscOffset) => PublishClock(tscOffset, isNew: false);

    /// <summary>Without a clock's record there is nowhere to say so.</summary>
    public void OnStoodStill()
    {
        if (TryBeginClock(out DmaWrite record))
        {
            using (record)
            {
                GuestRecord.TellStopped(record.Span);
            }
        }
    }

    public void AddStealTime(ulong nanoseconds)
    {
        if (CountsStealTime
            && _memory.TryBeginWrite(_stealTime & ~ParavirtMsr.Enable, GuestRecord.StealTimeSize, out DmaWrite record))
        {
            using (record)
            {
                GuestRecord.AddStealTime(record.Span, nanoseconds);
            }
        }
    }

    /// <summary>The guest's memory is left alone.</summary>
    public void Reset()
    {
        _systemTime = _wallClock = _stealTime = _endOfInterrupt = 0;
        _apic?.UseEoiFlag(null);
    }

    public ParavirtState SaveState() => new()
    {
        SystemTime = _systemTime,
        WallClock = _wallClock,
        StealTime = _stealTime,
        EndOfInterrupt = _endOfInterrupt,
    };

    /// <summary>The records are in the memory that was saved with this: nothing is written to them.</summary>
    public void LoadState(ParavirtState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (FindMissing(state) is { } missing)
        {
            throw new StateException($"The saved state of {UnitName} cannot be used: it has {missing}, which this machine does not offer.");
        }

        EoiFlag flag = new(_memory, state.EndOfInterrupt & ~ParavirtMsr.Enable);
        bool hasFlag = (state.EndOfInterrupt & ParavirtMsr.Enable) != 0;
        if (hasFlag && !flag.IsWritable)
        {
            throw new StateException($"The saved state of {UnitName} cannot be used: EndOfInterrupt lies outside of RAM.");
        }

        (_systemTime, _wallClock, _stealTime, _endOfInterrupt) = (state.SystemTime, state.WallClock, state.StealTime, state.EndOfInterrupt);
        _apic?.RestoreEoiFlag(hasFlag ? flag : null);
    }

    private string? FindMissing(ParavirtState state) => state switch
    {
        { SystemTime: not 0 } or { WallClock: not 0 } when !Has(ParavirtFeatures.Clock | ParavirtFeatures.ClockOld) => "a clock",
        { StealTime: not 0 } when !Has(ParavirtFeatures.StealTime) => "steal time",
        { EndOfInterrupt: not 0 } when !Has(ParavirtFeatures.EndOfInterrupt) => "an end-of-interrupt flag",
        _ => null,
    };

    private void PublishClock(ulong tscOffset, bool isNew)
    {
        if (TryBeginClock(out DmaWrite record))
        {
            using (record)
            {
                GuestRecord.WriteClock(record.Span, tscOffset, _rate, Has(ParavirtFeatures.StableClock), isNew);
            }
        }
    }

    private bool TryBeginClock(out DmaWrite record)
    {
        record = default;
        return (_systemTime & ParavirtMsr.Enable) != 0
            && _memory.TryBeginWrite(_systemTime & ~ParavirtMsr.Enable, GuestRecord.ClockSize, out record);
    }

    private static ParavirtFeatures FeatureOf(uint index) => index switch
    {
        ParavirtMsr.SystemTimeOld or ParavirtMsr.WallClockOld => ParavirtFeatures.ClockOld,
        ParavirtMsr.SystemTime or ParavirtMsr.WallClock => ParavirtFeatures.Clock,
        ParavirtMsr.StealTime => ParavirtFeatures.StealTime,
        ParavirtMsr.EndOfInterrupt => ParavirtFeatures.EndOfInterrupt,
        _ => ParavirtFeatures.None,
    };

    private bool Has(ParavirtFeatures feature) => (_features & feature) != 0;

    private void PublishWallClock()
    {
        if (_memory.TryBeginWrite(_wallClock, GuestRecord.WallClockSize, out DmaWrite record))
        {
            using (record)
            {
                GuestRecord.WriteWallClock(record.Span, _wall.Origin);
            }
        }
    }

    private bool TryWriteStealTime(ulong value)
    {
        if ((value & ParavirtMsr.StealTimeReserved) != 0)
        {
            return false;
        }

        _stealTime = value;
        AddStealTime(0);
        return true;
    }

    private bool TryWriteEndOfInterrupt(ulong value)
    {
        EoiFlag flag = new(_memory, value & ~ParavirtMsr.Enable);
        bool enable = (value & ParavirtMsr.Enable) != 0;
        if ((value & ParavirtMsr.EndOfInterruptReserved) != 0 || (enable && !flag.IsWritable))
        {
            return false;
        }

        _endOfInterrupt = value;
        _apic?.UseEoiFlag(enable ? flag : null);
        return true;
    }
}
