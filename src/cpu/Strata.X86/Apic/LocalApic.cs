using Strata.Core.Interrupts;
using Strata.Core.Time;
using Strata.X86.Cpuid;
using Strata.X86.Registers;
using static Strata.X86.Apic.ApicRegisters;

namespace Strata.X86.Apic;

/// <summary>
/// The local APIC of one processor, in xAPIC and x2APIC mode. Intel SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)".
/// Registers are touched by the vCPU's thread, requests arrive on any; <see cref="_gate"/> covers all state. It is the last
/// lock of the interrupt path: nothing else is locked under it.
/// </summary>
public sealed partial class LocalApic : ILocalApic, IDisposable
{
    // Configuration
    private readonly uint _id;
    private readonly CpuidPolicy _policy;

    // Wiring
    private readonly IVirtualClock _clock;
    private readonly ApicBus _bus;
    private readonly IVirtualTimer _timer;
    private readonly IPicAcknowledge? _pic;
    private readonly Func<ulong> _readTsc;
    private ILocalApicHost? _host;

    // Guest-visible state, under _gate
    private readonly Lock _gate = new();
    private readonly VectorSet _irr = new();
    private readonly VectorSet _isr = new();
    private readonly VectorSet _tmr = new();
    private readonly uint[] _lvt = new uint[LocalApicState.LvtEntries]; // CMCI, timer, thermal, performance, LINT0, LINT1, error
    private ulong _base;
    private uint _xApicId;
    private uint _taskPriority;
    private uint _logicalDestination;
    private uint _destinationFormat;
    private uint _spurious;
    private uint _errorStatus;
    private uint _errorPending;
    private ulong _command;
    private uint _initialCount;
    private uint _divide;
    private long _countStart;
    private bool _counts;
    private ulong _tscDeadline;
    private volatile bool _pending;

    /// <param name="id">Initial APIC ID.</param>
    /// <param name="pic">The 8259s whose INTR is wired to LINT0; only the boot processor has them.</param>
    /// <param name="readTsc">The processor's TSC, for deadlines.</param>
    public LocalApic(uint id, IVirtualClock clock, ApicBus bus, CpuidPolicy policy, IPicAcknowledge? pic, Func<ulong> readTsc)
    {
        _id = id;
        _policy = policy;
        _clock = clock;
        _bus = bus;
        _pic = pic;
        _readTsc = readTsc;
        _timer = clock.CreateTimer(OnTimer);
        Reset();
        bus.Attach(this);
    }

    public bool HasPendingInterrupt => _pending || (_mustSettle && SettleEoi() && _pending) || HasExternalInterrupt;

    public ulong BaseMsr => Volatile.Read(ref _base);

    public ulong MmioPage
    {
        get
        {
            ulong value = BaseMsr;
            return (value & (BaseEnable | BaseX2Apic)) == BaseEnable ? value & ~0xFFFUL : ulong.MaxValue;
        }
    }

    public bool IsSoftwareEnabled => (_spurious & SoftwareEnable) != 0 && (_base & BaseEnable) != 0;

    public byte Cr8
    {
        get => (byte)(_taskPriority >> 4);
        set
        {
            lock (_gate)
            {
                _taskPriority = (uint)value << 4;
                Update();
            }
        }
    }

    private bool IsX2Apic => (_base & BaseX2Apic) != 0;

    private bool HasExternalInterrupt => _pic is { IsInterruptPending: true } && AcceptsExtInt;

    /// <summary>LINT0 in ExtINT mode, or an APIC that is globally disabled: the PIC reaches the processor directly.</summary>
    private bool AcceptsExtInt =>
        (_base & BaseEnable) == 0
        || ((_lvt[4] & LvtMasked) == 0 && (DeliveryMode)((_lvt[4] >> 8) & 7) == DeliveryMode.ExtInt);

    /// <summary>The initial APIC ID.</summary>
    public uint InitialId => _id;

    /// <summary>Connects the processor; once, before it runs.</summary>
    public void Connect(ILocalApicHost host) => _host = host;

    /// <summary>Tells the processor that the PIC's INTR may have changed. Any thread.</summary>
    public void NotifyExternal()
    {
        if (_pending || HasExternalInterrupt)
        {
            _host?.Kick();
        }
    }

    public void Reset()
    {
        lock (_gate)
        {
            _eoiOffered = false; // the flag is the guest's memory, which is left alone
            _base = 0xFEE0_0000 | BaseEnable | (_id == 0 ? BaseBsp : 0);
            _xApicId = _id << 24;
            ResetRegisters();
        }
    }

    public void Init()
    {
        SettleEoi();
        lock (_gate)
        {
            ResetRegisters();
        }
    }

    public bool TryAcknowledge(out byte vector)
    {
        SettleEoi();
        if (TryTakeHighest(out vector))
        {
            if (_eoiOffered)
            {
                _eoiFlag!.Raise(); // a request that comes in between kicks: this thread looks at it after this
            }

            return true;
        }

        if (HasExternalInterrupt)
        {
            vector = _pic!.Acknowledge();
            return true;
        }

        return false;
    }

    public bool TryWriteBase(ulong value)
    {
        const ulong reserved = 0xFF | (1 << 9);
        ulong mode = value & (BaseEnable | BaseX2Apic);
        SettleEoi();
        lock (_gate)
        {
            ulong oldMode = _base & (BaseEnable | BaseX2Apic);
            bool illegal = (value & reserved) != 0 || value >> Paging.PageWalker.PhysicalAddressBits != 0
                || mode == BaseX2Apic
                || (oldMode == 0 && mode == (BaseEnable | BaseX2Apic))
                || (oldMode == (BaseEnable | BaseX2Apic) && mode == BaseEnable);
            if (illegal)
            {
                return false;
            }

            _base = value;
            if (mode == 0 && oldMode != 0)
            {
                _xApicId = _id << 24;
                ResetRegisters();
            }

            Update();
            return true;
        }
    }

    public void Dispose() => _timer.Dispose();

    private void ResetRegisters()
    {
        _irr.Clear();
        _isr.Clear();
        _tmr.Clear();
        Array.Fill(_lvt, LvtMasked);
        _taskPriority = 0;
        _logicalDestination = 0;
        _destinationFormat = uint.MaxValue;
        _spurious = 0xFF;
        _errorStatus = _errorPending = 0;
        _command = 0;
        _initialCount = 0;
        _counts = false;
        _divide = 0;
        _tscDeadline = 0;
        _timer.Disarm();

        // Without firmware nobody sets up LINT0 for the PIC: start in virtual-wire mode, as a PC's firmware leaves it.
        if (_pic is not null)
        {
            _lvt[4] = (uint)DeliveryMode.ExtInt << 8;
        }

        Update();
    }

    private void SetRequest(byte vector, bool level)
    {
        _irr.Add(vector);
        _tmr.Set(vector, level);
        Update();
    }

    /// <summary>Notes an error, which a write to the ESR shows, and interrupts if the LVT says so. Under <see cref="_gate"/>.</summary>
    private void RaiseError(uint error)
    {
        _errorPending |= error;
        uint lvt = _lvt[6];
        if ((lvt & LvtMasked) == 0 && (byte)lvt >= 16)
        {
            SetRequest((byte)lvt, level: false);
        }
    }

    /// <summary>Keeps the flag that the vCPU polls.</summary>
    private void Update()
    {
        int highest = _irr.Highest;
        _pending = highest >= 0 && IsSoftwareEnabled && (uint)(highest & 0xF0) > ProcessorPriority();
        _mustSettle = _eoiOffered && highest >= 0;
    }

    private bool TryTakeHighest(out byte vector)
    {
        lock (_gate)
        {
            int highest = _irr.Highest;
            bool isDeliverable = highest >= 0 && IsSoftwareEnabled && (uint)(highest & 0xF0) > ProcessorPriority();
            vector = isDeliverable ? (byte)highest : (byte)0;
            if (isDeliverable)
            {
                _irr.Remove(highest);
                _isr.Add(highest);
                _eoiOffered = CanOfferEoi(highest);
            }

            Update();
            return isDeliverable;
        }
    }

    private uint ProcessorPriority()
    {
        int inService = _isr.Highest;
        uint service = inService < 0 ? 0 : (uint)inService & 0xF0;
        return (_taskPriority & 0xF0) >= service ? _taskPriority & 0xFF : service;
    }

    private void EndInterrupt()
    {
        int vector;
        bool level;
        SettleEoi();
        lock (_gate)
        {
            vector = _isr.Highest;
            if (vector < 0)
            {
                return;
            }

            _isr.Remove(vector);
            level = !IsEdge(vector);
            Update();
        }

        if (level)
        {
            _bus.EndOfInterrupt((byte)vector);
        }
    }
}
