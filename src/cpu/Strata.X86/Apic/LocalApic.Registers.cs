using Strata.Core.Bus;
using Strata.X86.Registers;
using static Strata.X86.Apic.ApicRegisters;

namespace Strata.X86.Apic;

/// <summary>
/// The registers as software sees them: 32 bits each in a page of memory, or MSRs in x2APIC mode. Intel SDM Vol. 3A, "Local APIC
/// Registers" and "x2APIC Register Address Space".
/// </summary>
public sealed partial class LocalApic
{
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
            case >= InService and < TriggerMode: return _isr.Word((int)((offset - InService) >> 4));
            case >= TriggerMode and < InterruptRequest: return _tmr.Word((int)((offset - TriggerMode) >> 4));
            case >= InterruptRequest and < ErrorStatus: return _irr.Word((int)((offset - InterruptRequest) >> 4));
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

    private static bool IsReadableMsr(uint offset) =>
        offset is Id or ApicRegisters.Version or TaskPriority or ApicRegisters.ProcessorPriority
        or LogicalDestination or SpuriousVector or (>= InService and < ErrorStatus) or ErrorStatus or InterruptCommandLow
        or (>= LvtTimer and <= LvtError) or InitialCount or CurrentCount or DivideConfiguration;

    private static bool IsWritableMsr(uint offset) => offset is TaskPriority or Eoi or SpuriousVector or ErrorStatus
        or InterruptCommandLow or (>= LvtTimer and <= LvtError) or InitialCount or DivideConfiguration or SelfIpi;
}
