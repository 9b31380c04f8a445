using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.X86.Apic;
using Strata.X86.Cpuid;

namespace Strata.X86.Paravirt;

/// <summary>
/// One processor's side of the interface that guests know from KVM: MSRs that place records in guest memory, and keeping the
/// records true. The same for every engine; addresses come from the guest and are used within RAM only.
/// On the vCPU's thread, or while it stands still.
/// </summary>
public sealed class ParavirtualInterface : IUnit<ParavirtState>
{
    // Configuration
    private readonly ParavirtFeatures _features;
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
    public ParavirtualInterface(int index, CpuidPolicy policy, AddressSpace memory, ILocalApic? apic, WallClock wall)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _index = index;
        _features = policy.Paravirtual;
        _rate = ClockRate.Of(policy.TscFrequency);
        _wall = wall;
        _memory = memory;
        _apic = apic;
    }

    public string UnitName => $"paravirt{_index}";

    /// <summary>The guest wants to know for how long its processor could not run.</summary>
    public bool CountsStealTime => (_stealTime & ParavirtMsr.Enable) != 0;

    /// <returns>False: there is no such MSR.</returns>
    public bool TryRead(uint index, out ulong value)
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

    /// <param name="tscOffset">What the processor's TSC shows at virtual time zero.</param>
    /// <returns>False: there is no such MSR, or it does not take the value.</returns>
    public bool TryWrite(uint index, ulong value, ulong tscOffset)
    {
        if (!Has(FeatureOf(index)))
        {
            return false;
        }

        switch (index)
        {
            case ParavirtMsr.SystemTime or ParavirtMsr.SystemTimeOld:
                _systemTime = value;
                PublishClock(tscOffset, isNew: true);
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
    public void PublishClock(ulong tscOffset) => PublishClock(tscOffset, isNew: false);

    /// <summary>
    /// Tells the guest that its processor stood still for long without its doing, so that it does not take that for a lockup. Without
    /// a clock's record there is nowhere to say so.
    /// </summary>
    public void TellStopped()
    {
        if (TryBeginClock(out DmaWrite record))
        {
            using (record)
            {
                GuestRecord.TellStopped(record.Span);
            }
        }
    }

    /// <summary>Serves <see cref="Hypercall.ClockPairing"/>: by it a guest sets its clock as by a PTP clock.</summary>
    /// <param name="kind">0 is the wall clock.</param>
    /// <param name="readTsc">The processor's TSC at a virtual time.</param>
    /// <returns>0, or why not.</returns>
    internal long PairClocks(ulong address, ulong kind, Func<long, ulong> readTsc)
    {
        if (kind != 0)
        {
            return Hypercall.NotSupported;
        }

        Span<byte> record = stackalloc byte[GuestRecord.ClockPairingSize];
        DateTime time = _wall.ReadWorld(out long now);
        GuestRecord.WriteClockPairing(record, time, readTsc(now));
        return _memory.TryWriteBytes(address, record) ? 0 : Hypercall.BadAddress;
    }

    /// <summary>Tells the guest of time during which its processor wanted to run and the host ran something else.</summary>
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

    /// <summary>RESET and INIT: the guest's memory is left alone.</summary>
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
