using System.Numerics;
using Strata.Core.Bus;
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
    private readonly uint[] _irr = new uint[8];
    private readonly uint[] _isr = new uint[8];
    private readonly uint[] _tmr = new uint[8];
    private readonly uint[] _lvt = new uint[7]; // CMCI, timer, thermal, performance, LINT0, LINT1, error
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

    /// <summary>Sends an interrupt to the processor with an APIC ID.</summary>
    /// <returns>Whether there is one.</returns>
    public bool SendTo(DeliveryMode mode, byte vector, uint apicId) => _bus.DeliverToId(mode, vector, apicId);

    public void Reset()
    {
        lock (_gate)
        {
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

    /// <summary>A message for this APIC. Any thread.</summary>
    public void Accept(DeliveryMode mode, byte vector, bool level)
    {
        switch (mode)
        {
            case DeliveryMode.Fixed or DeliveryMode.LowestPriority:
                Request(vector, level);
                break;
            case DeliveryMode.Nmi:
                _host?.SignalNmi();
                break;
            case DeliveryMode.Init:
                _host?.SignalInit();
                break;
            case DeliveryMode.Startup:
                _host?.SignalStartup(vector);
                break;
            default:
                break; // SMI: there is no SMM. ExtINT comes by wire.
        }
    }

    /// <summary>Ends the halt, or the next one, of the processor with an APIC ID.</summary>
    public void WakeProcessor(uint apicId) => _bus.WakeId(apicId);

    /// <summary>Ends the halt, or the next one, of this processor. Any thread.</summary>
    internal void Wake() => _host?.SignalWake();

    /// <summary>The initial APIC ID.</summary>
    public uint InitialId => _id;

    public bool Matches(uint destination, bool logical)
    {
        if (!logical)
        {
            return destination == (IsX2Apic ? _id : _xApicId >> 24);
        }

        if (IsX2Apic)
        {
            uint own = X2LogicalId;
            return destination >> 16 == own >> 16 && (destination & own & 0xFFFF) != 0;
        }

        uint ldr = _logicalDestination >> 24;
        return _destinationFormat >> 28 == 0xF
            ? (destination & ldr & 0xFF) != 0
            : (destination & 0xF0) == (ldr & 0xF0) && (destination & ldr & 0xF) != 0;
    }

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        // Registers are 32 bits wide on 16-byte boundaries; narrower reads see the bytes they ask for.
        if ((offset & 0xC) != 0)
        {
            return 0;
        }

        SettleEoi();
        lock (_gate)
        {
            return ReadRegister((uint)offset & 0xFF0) >> (int)((offset & 3) * 8);
        }
    }

    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        if ((offset & 0xF) != 0 || width < AccessWidth.Dword)
        {
            return;
        }

        WriteRegister((uint)offset, (uint)value);
    }

    public bool TryReadMsr(uint index, out ulong value)
    {
        value = 0;
        if (index == Msr.IA32_TSC_DEADLINE)
        {
            value = IsDeadlineMode ? _tscDeadline : 0;
            return true;
        }

        uint offset = (index - Msr.X2ApicFirst) << 4;
        if (!IsX2Apic || !IsReadableMsr(offset))
        {
            return false;
        }

        SettleEoi();

        lock (_gate)
        {
            value = offset == InterruptCommandLow ? _command : ReadRegister(offset);
            return true;
        }
    }

    public bool TryWriteMsr(uint index, ulong value)
    {
        if (index == Msr.IA32_TSC_DEADLINE)
        {
            WriteDeadline(value);
            return true;
        }

        uint offset = (index - Msr.X2ApicFirst) << 4;
        if (!IsX2Apic || !IsWritableMsr(offset))
        {
            return false;
        }

        if (offset == InterruptCommandLow)
        {
            if ((value & CommandReserved) != 0)
            {
                return false;
            }

            lock (_gate)
            {
                _command = value & ~(1UL << 12);
            }

            SendCommand();
            return true;
        }

        if ((value & ~(ulong)DefinedBits(offset)) != 0)
        {
            return false;
        }

        WriteRegister(offset, (uint)value);
        return true;
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

    private uint X2LogicalId => ((_id >> 4) << 16) | (1u << (int)(_id & 0xF));

    private void ResetRegisters()
    {
        Array.Clear(_irr);
        Array.Clear(_isr);
        Array.Clear(_tmr);
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

    private void Request(byte vector, bool level)
    {
        bool notify;
        lock (_gate)
        {
            if (!IsSoftwareEnabled)
            {
                return;
            }

            if (vector < 16)
            {
                RaiseError(ErrorReceiveIllegalVector);
            }
            else
            {
                SetRequest(vector, level);
            }

            notify = _pending || _mustSettle;
        }

        if (notify)
        {
            _host?.Kick();
        }
    }

    private void SetRequest(byte vector, bool level)
    {
        SetBit(_irr, vector, true);
        SetBit(_tmr, vector, level);
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
        int highest = HighestBit(_irr);
        _pending = highest >= 0 && IsSoftwareEnabled && (uint)(highest & 0xF0) > ProcessorPriority();
        _mustSettle = _eoiOffered && highest >= 0;
    }

    private bool TryTakeHighest(out byte vector)
    {
        lock (_gate)
        {
            int highest = HighestBit(_irr);
            bool isDeliverable = highest >= 0 && IsSoftwareEnabled && (uint)(highest & 0xF0) > ProcessorPriority();
            vector = isDeliverable ? (byte)highest : (byte)0;
            if (isDeliverable)
            {
                SetBit(_irr, highest, false);
                SetBit(_isr, highest, true);
                _eoiOffered = CanOfferEoi(highest);
            }

            Update();
            return isDeliverable;
        }
    }

    private uint ProcessorPriority()
    {
        int inService = HighestBit(_isr);
        uint service = inService < 0 ? 0 : (uint)inService & 0xF0;
        return (_taskPriority & 0xF0) >= service ? _taskPriority & 0xFF : service;
    }

    private uint ReadRegister(uint offset)
    {
        switch (offset)
        {
            case Id: return IsX2Apic ? _id : _xApicId;
            case ApicRegisters.Version: return VersionValue;
            case TaskPriority: return _taskPriority;
            case ApicRegisters.ProcessorPriority: return ProcessorPriority();
            case LogicalDestination: return IsX2Apic ? X2LogicalId : _logicalDestination;
            case DestinationFormat: return _destinationFormat;
            case SpuriousVector: return _spurious;
            case >= InService and < TriggerMode: return _isr[(offset - InService) >> 4];
            case >= TriggerMode and < InterruptRequest: return _tmr[(offset - TriggerMode) >> 4];
            case >= InterruptRequest and < ErrorStatus: return _irr[(offset - InterruptRequest) >> 4];
            case ErrorStatus: return _errorStatus;
            case InterruptCommandLow: return (uint)_command;
            case InterruptCommandHigh: return (uint)(_command >> 32);
            case LvtCmci: return _lvt[0];
            case >= LvtTimer and <= LvtError: return _lvt[((offset - LvtTimer) >> 4) + 1];
            case InitialCount: return _initialCount;
            case CurrentCount: return ReadCurrentCount();
            case DivideConfiguration: return _divide;
            default: return 0;
        }
    }

    private void WriteRegister(uint offset, uint value)
    {
        switch (offset)
        {
            case Eoi:
                EndInterrupt();
                return;
            case InterruptCommandLow:
                lock (_gate)
                {
                    _command = (_command & 0xFFFF_FFFF_0000_0000) | (value & ~(1u << 12));
                }

                SendCommand();
                return;
            case SelfIpi when IsX2Apic:
                Request((byte)value, level: false);
                return;
        }

        lock (_gate)
        {
            WriteState(offset, value);
            Update();
        }
    }

    private void WriteState(uint offset, uint value)
    {
        switch (offset)
        {
            case Id when !IsX2Apic:
                _xApicId = value & 0xFF000000;
                break;
            case TaskPriority:
                _taskPriority = value & 0xFF;
                break;
            case LogicalDestination when !IsX2Apic:
                _logicalDestination = value & 0xFF000000;
                break;
            case DestinationFormat when !IsX2Apic:
                _destinationFormat = value | 0x0FFFFFFF;
                break;
            case SpuriousVector:
                WriteSpurious(value);
                break;
            case ErrorStatus:
                _errorStatus = _errorPending;
                _errorPending = 0;
                break;
            case InterruptCommandHigh:
                _command = (uint)_command | ((ulong)(value & 0xFF000000) << 32);
                break;
            case LvtCmci:
                WriteLvt(0, value & DefinedBits(offset) & ~LvtReadOnly);
                break;
            case >= LvtTimer and <= LvtError:
                WriteLvt((int)((offset - LvtTimer) >> 4) + 1, value & DefinedBits(offset) & ~LvtReadOnly);
                break;
            case InitialCount:
                StartTimer(value);
                break;
            case DivideConfiguration:
                WriteDivide(value & DefinedBits(offset));
                break;
            default:
                break;
        }
    }

    private void WriteSpurious(uint value)
    {
        _spurious = value & 0x1FF;
        if ((_spurious & SoftwareEnable) == 0)
        {
            for (int i = 0; i < _lvt.Length; i++)
            {
                _lvt[i] |= LvtMasked;
            }
        }
    }

    private void WriteLvt(int index, uint value)
    {
        if ((_spurious & SoftwareEnable) == 0)
        {
            value |= LvtMasked;
        }

        bool wasDeadline = IsDeadlineMode;
        if (index == 1)
        {
            SettleOneShot();
        }

        _lvt[index] = value;
        if (wasDeadline != IsDeadlineMode)
        {
            _timer.Disarm();
            _counts = false;
            _initialCount = 0;
            _tscDeadline = 0;
        }
    }

    private void EndInterrupt()
    {
        int vector;
        bool level;
        SettleEoi();
        lock (_gate)
        {
            vector = HighestBit(_isr);
            if (vector < 0)
            {
                return;
            }

            SetBit(_isr, vector, false);
            level = !IsEdge(vector);
            Update();
        }

        if (level)
        {
            _bus.EndOfInterrupt((byte)vector);
        }
    }

    private void SendCommand()
    {
        ulong command = _command;
        DeliveryMode mode = (DeliveryMode)((command >> 8) & 7);
        byte vector = (byte)command;
        bool deassert = mode == DeliveryMode.Init && (command & (1 << 14)) == 0 && (command & (1 << 15)) != 0;
        if (deassert)
        {
            return; // INIT level de-assert only matters to processors of the Pentium age
        }

        if (mode is DeliveryMode.Fixed or DeliveryMode.LowestPriority && vector < 16)
        {
            lock (_gate)
            {
                RaiseError(ErrorSendIllegalVector);
            }

            return;
        }

        switch ((command >> 18) & 3)
        {
            case 1:
                Accept(mode, vector, level: false);
                break;
            case 2:
                _bus.DeliverToAll(mode, vector, except: null);
                break;
            case 3:
                _bus.DeliverToAll(mode, vector, except: this);
                break;
            default:
                uint destination = IsX2Apic ? (uint)(command >> 32) : (uint)(command >> 56);
                _bus.Deliver(mode, vector, destination, (command & (1 << 11)) != 0, level: false, IsX2Apic);
                break;
        }
    }

    private static bool IsReadableMsr(uint offset) => offset is Id or ApicRegisters.Version or TaskPriority or ApicRegisters.ProcessorPriority
        or LogicalDestination or SpuriousVector or (>= InService and < ErrorStatus) or ErrorStatus or InterruptCommandLow
        or (>= LvtTimer and <= LvtError) or InitialCount or CurrentCount or DivideConfiguration;

    private static bool IsWritableMsr(uint offset) => offset is TaskPriority or Eoi or SpuriousVector or ErrorStatus
        or InterruptCommandLow or (>= LvtTimer and <= LvtError) or InitialCount or DivideConfiguration or SelfIpi;

    private static int HighestBit(uint[] bits)
    {
        for (int i = 7; i >= 0; i--)
        {
            if (bits[i] != 0)
            {
                return (i * 32) + 31 - BitOperations.LeadingZeroCount(bits[i]);
            }
        }

        return -1;
    }

    private static void SetBit(uint[] bits, int index, bool value)
    {
        uint mask = 1u << (index & 31);
        bits[index >> 5] = value ? bits[index >> 5] | mask : bits[index >> 5] & ~mask;
    }
}
