using static Strata.Devices.Usb.XhciRegisters;

namespace Strata.Devices.Usb;

/// <content>The command ring, slots and contexts.</content>
public sealed partial class XhciController
{
    private const int MostLinks = 8; // in a row: a ring of links alone ends there

    private const int SlotState0 = 27; // shift in the slot context's last doubleword

    private bool TryRead(ulong address, out ulong value)
    {
        value = 0;
        if (!IsBusMaster || !_memory.TryGetSpan(address, sizeof(ulong), out ReadOnlySpan<byte> bytes))
        {
            return false;
        }

        value = BitConverter.ToUInt64(bytes);
        return true;
    }

    private bool TryWrite(ulong address, ulong value) => IsBusMaster && _memory.TryWriteBytes(address, BitConverter.GetBytes(value));

    private uint ReadWord(ulong address)
    {
        TryRead(address & ~7UL, out ulong value);
        return (uint)(value >> (int)((address & 4) * 8));
    }

    private void WriteWord(ulong address, uint value)
    {
        if (IsBusMaster)
        {
            _memory.TryWriteBytes(address, BitConverter.GetBytes(value));
        }
    }

    /// <summary>The next TRB that is the controller's, behind links; the ring stays before it.</summary>
    private bool TryFetch(ref TrbRing ring, out Trb trb)
    {
        for (int links = 0; links <= MostLinks; links++)
        {
            if (!TryRead(ring.Dequeue, out ulong parameter) || !TryRead(ring.Dequeue + 8, out ulong rest))
            {
                break;
            }

            trb = new Trb(ring.Dequeue, parameter, (uint)rest, (uint)(rest >> 32));
            if (((trb.Control & TrbCycle) != 0) != ring.Cycle)
            {
                return false;
            }

            if (trb.Type != TrbType.Link)
            {
                return true;
            }

            ring = new TrbRing(parameter & ~0xFUL, ring.Cycle ^ ((trb.Control & TrbToggle) != 0));
        }

        trb = default;
        return false;
    }

    private static TrbRing Behind(TrbRing ring) => ring with { Dequeue = ring.Dequeue + TrbSize };

    private void Ring(int slot, int target)
    {
        if (!IsRunning || _isStill)
        {
            return;
        }

        if (slot == 0)
        {
            _isCommandRingRunning = true;
            ServeCommands();
        }
        else if (_slots[slot].IsEnabled && target is > 0 and < EndpointCount)
        {
            ServeEndpoint(slot, target);
        }
    }

    private void ServeCommands()
    {
        for (int count = 0; count < MostTrbs && TryFetch(ref _commandRing, out Trb trb); count++)
        {
            _commandRing = Behind(_commandRing);
            int slot = trb.Slot;
            CompletionCode code = trb.Type switch
            {
                TrbType.EnableSlot => EnableSlot(out slot),
                TrbType.NoOpCommand => CompletionCode.Success,
                _ when slot is < 1 or > SlotCount || !_slots[slot].IsEnabled => CompletionCode.SlotNotEnabled,
                TrbType.DisableSlot => DisableSlot(slot),
                TrbType.AddressDevice => AddressDevice(slot, trb),
                TrbType.ConfigureEndpoint => ConfigureEndpoints(slot, trb),
                TrbType.EvaluateContext => EvaluateContext(slot, trb),
                TrbType.ResetEndpoint => ResetEndpoint(slot, trb.Endpoint),
                TrbType.StopEndpoint => StopEndpoint(slot, trb.Endpoint),
                TrbType.SetDequeuePointer => SetDequeuePointer(slot, trb),
                TrbType.ResetDevice => ResetDevice(slot),
                _ => CompletionCode.TrbError,
            };
            Complete(trb.Address, code, slot);
        }
    }

    private void Complete(ulong command, CompletionCode code, int slot) =>
        Post(command, (uint)code << 24, TrbType.CommandCompletion, (uint)slot << 24);

    private CompletionCode EnableSlot(out int slot)
    {
        slot = Array.FindIndex(_slots, 1, candidate => !candidate.IsEnabled);
        if (slot < 0 || slot > _config)
        {
            slot = 0;
            return CompletionCode.NoSlots;
        }

        _slots[slot].Clear();
        _slots[slot].IsEnabled = true;
        return CompletionCode.Success;
    }

    private CompletionCode DisableSlot(int slot)
    {
        WriteWord(ContextOf(slot, 0) + 12, 0);
        _slots[slot].Clear();
        return CompletionCode.Success;
    }

    /// <summary>The device context's part for an endpoint; 0 is the slot's.</summary>
    private ulong ContextOf(int slot, int index)
    {
        TryRead(_contexts + (ulong)(slot * sizeof(ulong)), out ulong context);
        return (context & ~0x3FUL) + (ulong)(index * ContextSize);
    }

    private void CopyContext(ulong from, ulong to)
    {
        for (ulong i = 0; i < ContextSize; i += sizeof(ulong))
        {
            if (TryRead(from + i, out ulong value))
            {
                TryWrite(to + i, value);
            }
        }
    }

    private CompletionCode AddressDevice(int number, Trb trb)
    {
        XhciSlot slot = _slots[number];
        ulong input = trb.Parameter & ~0xFUL;
        ulong context = input + ContextSize;
        int port = (int)(ReadWord(context + 4) >> 16) & 0xFF;
        if (slot.State >= SlotState.Addressed)
        {
            return CompletionCode.ContextStateError;
        }

        if ((ReadWord(input + 4) & 3) != 3 || port is < 1 or > PortCount || (ReadWord(context) & 0xF_FFFF) != 0)
        {
            return CompletionCode.ParameterError;
        }

        if (_ports[port - 1].Device is null || (_ports[port - 1].Status & PortEnabled) == 0)
        {
            return CompletionCode.TransactionError;
        }

        bool isBlocked = (trb.Control & TrbBlockAddress) != 0;
        slot.Port = (byte)port;
        slot.State = isBlocked ? SlotState.Default : SlotState.Addressed;
        slot.EndControl();
        CopyContext(context, ContextOf(number, 0));
        WriteWord(ContextOf(number, 0) + 12, ((uint)slot.State << SlotState0) | (isBlocked ? 0 : (uint)number));
        EnableEndpoint(number, 1, context + ContextSize);
        return CompletionCode.Success;
    }

    private void EnableEndpoint(int slot, int index, ulong context)
    {
        XhciEndpoint endpoint = _slots[slot].Endpoints[index];
        TryRead(context + 8, out ulong pointer);
        (endpoint.State, endpoint.Ring) = (EndpointState.Running, TrbRing.From(pointer));
        CopyContext(context, ContextOf(slot, index));
        WriteEndpoint(slot, index);
    }

    private void WriteEndpoint(int slot, int index)
    {
        XhciEndpoint endpoint = _slots[slot].Endpoints[index];
        ulong context = ContextOf(slot, index);
        WriteWord(context, (ReadWord(context) & ~EndpointStateMask) | (uint)endpoint.State);
        TryWrite(context + 8, endpoint.Ring.Dequeue | (endpoint.Ring.Cycle ? 1u : 0));
    }

    private CompletionCode ConfigureEndpoints(int number, Trb trb)
    {
        const int first = 2; // behind the slot and endpoint 0
        XhciSlot slot = _slots[number];
        if (slot.State < SlotState.Addressed)
        {
            return CompletionCode.ContextStateError;
        }

        ulong input = trb.Parameter & ~0xFUL;
        bool isNone = (trb.Control & TrbBlockAddress) != 0; // "deconfigure", in the same place
        uint drop = isNone ? uint.MaxValue : ReadWord(input);
        uint add = isNone ? 0 : ReadWord(input + 4);
        for (int index = first; index < EndpointCount; index++)
        {
            if ((drop & (1u << index)) != 0 && slot.Endpoints[index].State != EndpointState.Disabled)
            {
                slot.Endpoints[index].State = EndpointState.Disabled;
                WriteEndpoint(number, index);
            }

            if ((add & (1u << index)) != 0)
            {
                EnableEndpoint(number, index, input + (ulong)((index + 1) * ContextSize));
            }
        }

        int last = Array.FindLastIndex(slot.Endpoints, endpoint => endpoint.State != EndpointState.Disabled);
        slot.State = last >= first ? SlotState.Configured : SlotState.Addressed;
        ulong context = ContextOf(number, 0);
        WriteWord(context, (ReadWord(context) & 0x07FF_FFFF) | ((uint)Math.Max(last, 1) << 27));
        WriteState(number);
        return CompletionCode.Success;
    }

    /// <summary>The slot's state; the address stays.</summary>
    private void WriteState(int slot)
    {
        ulong place = ContextOf(slot, 0) + 12;
        WriteWord(place, (ReadWord(place) & 0xFF) | ((uint)_slots[slot].State << SlotState0));
    }

    private CompletionCode EvaluateContext(int slot, Trb trb)
    {
        ulong input = trb.Parameter & ~0xFUL;
        uint add = ReadWord(input + 4);
        if ((add & 1) != 0)
        {
            ulong context = ContextOf(slot, 0);
            WriteWord(context + 4, (ReadWord(context + 4) & ~0xFFFFu) | (ReadWord(input + ContextSize + 4) & 0xFFFF));
        }

        if ((add & 2) != 0)
        {
            ulong context = ContextOf(slot, 1);
            uint packet = ReadWord(input + (2 * ContextSize) + 4) & 0xFFFF_0000;
            WriteWord(context + 4, (ReadWord(context + 4) & 0xFFFF) | packet);
        }

        return CompletionCode.Success;
    }

    private CompletionCode ResetEndpoint(int slot, int index)
    {
        if (_slots[slot].Endpoints[index].State != EndpointState.Halted)
        {
            return CompletionCode.ContextStateError;
        }

        if (index == 1)
        {
            _slots[slot].EndControl();
        }

        _slots[slot].Endpoints[index].State = EndpointState.Stopped;
        WriteEndpoint(slot, index);
        return CompletionCode.Success;
    }

    private CompletionCode StopEndpoint(int slot, int index)
    {
        XhciEndpoint endpoint = _slots[slot].Endpoints[index];
        if (endpoint.State != EndpointState.Running)
        {
            return CompletionCode.ContextStateError;
        }

        endpoint.State = EndpointState.Stopped;
        TrbRing ring = endpoint.Ring;
        if (TryFetch(ref ring, out Trb trb))
        {
            endpoint.Ring = ring;
            Report(slot, index, trb, CompletionCode.Stopped, trb.Length);
        }

        WriteEndpoint(slot, index);
        return CompletionCode.Success;
    }

    private CompletionCode SetDequeuePointer(int slot, Trb trb)
    {
        XhciEndpoint endpoint = _slots[slot].Endpoints[trb.Endpoint];
        if (endpoint.State != EndpointState.Stopped)
        {
            return CompletionCode.ContextStateError;
        }

        if (trb.Endpoint == 1)
        {
            _slots[slot].EndControl();
        }

        endpoint.Ring = TrbRing.From(trb.Parameter);
        WriteEndpoint(slot, trb.Endpoint);
        return CompletionCode.Success;
    }

    private CompletionCode ResetDevice(int number)
    {
        XhciSlot slot = _slots[number];
        if (slot.State < SlotState.Addressed)
        {
            return CompletionCode.ContextStateError;
        }

        for (int index = 2; index < EndpointCount; index++)
        {
            if (slot.Endpoints[index].State != EndpointState.Disabled)
            {
                slot.Endpoints[index].State = EndpointState.Disabled;
                WriteEndpoint(number, index);
            }
        }

        slot.State = SlotState.Default;
        slot.EndControl();
        WriteWord(ContextOf(number, 0) + 12, (uint)SlotState.Default << SlotState0);
        return CompletionCode.Success;
    }
}
