using Strata.Core.Interrupts;
using static Strata.X86.Apic.ApicRegisters;

namespace Strata.X86.Apic;

/// <summary>
/// Messages between processors: what a write to the interrupt command register sends, and what arrives from there and from devices.
/// Intel SDM Vol. 3A, "Issuing Interprocessor Interrupts".
/// </summary>
public sealed partial class LocalApic
{
    /// <summary>Sends an interrupt to the processor with an APIC ID.</summary>
    /// <returns>Whether there is one.</returns>
    public bool SendTo(DeliveryMode mode, byte vector, uint apicId) => _bus.DeliverToId(mode, vector, apicId);

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

    private uint X2LogicalId => ((_id >> 4) << 16) | (1u << (int)(_id & 0xF));
}
