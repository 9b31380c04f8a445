using static Strata.Devices.Usb.XhciRegisters;

namespace Strata.Devices.Usb;

/// <content>The interrupter and its event ring.</content>
public sealed partial class XhciController
{
    private const int SmallestSegment = 16;
    internal const int LargestSegment = 4096;

    private uint _management;    // IMAN
    private uint _moderation;    // IMOD, which is kept only
    private uint _segments;      // ERSTSZ
    private ulong _segmentTable; // ERSTBA
    private ulong _eventDequeue; // ERDP, with its flags
    private ulong _eventBase;    // of the segment
    private int _eventSize;      // TRBs; 0 while the table was not read
    private int _eventIndex;
    private bool _eventCycle;

    /// <summary>Whether an event can be posted: one place stays empty.</summary>
    private bool HasEventRoom => TryLoadSegment() && (_eventIndex + 1) % _eventSize != DequeueIndex;

    /// <summary>-1 for a pointer that is not into the segment.</summary>
    private int DequeueIndex
    {
        get
        {
            ulong at = (_eventDequeue & ~0xFUL) - _eventBase;
            return at < (ulong)_eventSize * TrbSize ? (int)(at / TrbSize) : -1;
        }
    }

    private uint ReadRuntime(int register) => register switch
    {
        Runtime => (uint)(_clock.Now / MicroframeTime) & 0x3FFF, // MFINDEX
        IMAN => _management,
        IMOD => _moderation,
        ERSTSZ => _segments,
        ERSTBA => (uint)_segmentTable,
        ERSTBA + 4 => (uint)(_segmentTable >> 32),
        ERDP => (uint)_eventDequeue,
        ERDP + 4 => (uint)(_eventDequeue >> 32),
        _ => 0,
    };

    private void WriteRuntime(int register, uint value)
    {
        switch (register)
        {
            case IMAN:
                _management = (_management & ~(value & InterruptPending) & ~InterruptEnable) | (value & InterruptEnable);
                UpdateInterrupt();
                break;
            case IMOD:
                _moderation = value;
                break;
            case ERSTSZ:
                _segments = value & 0xFFFF;
                break;
            case ERSTBA:
                _segmentTable = (_segmentTable & ~0xFFFF_FFFFUL) | (value & ~0x3Fu);
                _eventSize = 0;
                break;
            case ERSTBA + 4:
                _segmentTable = (uint)_segmentTable | ((ulong)value << 32);
                _eventSize = 0;
                break;
            case ERDP:
                ulong busy = _eventDequeue & HandlerBusy & ~(ulong)value;
                _eventDequeue = (_eventDequeue & ~0xFFFF_FFFFUL) | (value & ~(uint)HandlerBusy) | busy;
                AfterDequeue();
                break;
            case ERDP + 4:
                _eventDequeue = (uint)_eventDequeue | ((ulong)value << 32);
                AfterDequeue();
                break;
            default:
                break;
        }
    }

    /// <summary>There is room now; and what was posted while the guest was busy interrupts now.</summary>
    private void AfterDequeue()
    {
        if (_eventSize != 0 && (_eventDequeue & HandlerBusy) == 0 && DequeueIndex != _eventIndex && DequeueIndex >= 0)
        {
            RaiseInterrupt();
        }

        ServeEndpoints();
    }

    private void ResetEvents()
    {
        (_management, _moderation, _segments, _segmentTable, _eventDequeue) = (0, 0, 0, 0, 0);
        (_eventBase, _eventSize, _eventIndex, _eventCycle) = (0, 0, 0, true);
    }

    /// <summary>Reads the only entry of the segment table, once behind each write of its address.</summary>
    private bool TryLoadSegment()
    {
        if (_eventSize != 0)
        {
            return true;
        }

        if (_segments == 0 || !TryRead(_segmentTable, out ulong start) || !TryRead(_segmentTable + 8, out ulong size)
            || (size & 0xFFFF) is < SmallestSegment or > LargestSegment)
        {
            return false;
        }

        (_eventBase, _eventSize, _eventIndex, _eventCycle) = (start & ~0x3FUL, (int)(size & 0xFFFF), 0, true);
        return true;
    }

    /// <summary>Posts an event; it is lost where the guest leaves no room for it.</summary>
    private void Post(ulong parameter, uint status, TrbType type, uint control)
    {
        if (!HasEventRoom)
        {
            return;
        }

        ulong place = _eventBase + (ulong)(_eventIndex * TrbSize);
        uint last = control | ((uint)type << 10) | (_eventCycle ? TrbCycle : 0);
        if (!TryWrite(place, parameter) || !TryWrite(place + 8, status | ((ulong)last << 32)))
        {
            return;
        }

        _eventIndex++;
        if (_eventIndex == _eventSize)
        {
            (_eventIndex, _eventCycle) = (0, !_eventCycle);
        }

        RaiseInterrupt();
    }

    private void RaiseInterrupt()
    {
        _status |= StsEvent;
        if ((_eventDequeue & HandlerBusy) == 0)
        {
            _eventDequeue |= HandlerBusy;
            _management |= InterruptPending;
        }

        UpdateInterrupt();
    }

    /// <summary>A message takes the pending bit with it; the line stays high while it is set.</summary>
    private void UpdateInterrupt()
    {
        bool isWanted = IsInterruptWanted;
        if (isWanted && Msix!.IsEnabled)
        {
            _management &= ~InterruptPending;
            Msix.Signal(0);
            isWanted = false;
        }

        SetInterrupt(isWanted);
    }

    private bool IsInterruptWanted =>
        (_management & InterruptPending) != 0 && (_management & InterruptEnable) != 0 && (_command & CmdInterrupts) != 0;
}
