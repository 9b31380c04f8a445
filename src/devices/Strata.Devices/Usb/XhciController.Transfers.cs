using static Strata.Devices.Usb.XhciRegisters;

namespace Strata.Devices.Usb;

/// <content>Transfers.</content>
public sealed partial class XhciController
{
    private const int MostParts = 16; // of one report's buffer

    /// <summary>Looks at all endpoints that a device may have something for.</summary>
    private void ServeEndpoints()
    {
        if (!IsRunning || _isStill)
        {
            return;
        }

        for (int slot = 1; slot <= SlotCount; slot++)
        {
            for (int index = 1; index < EndpointCount; index++)
            {
                if (_slots[slot].Endpoints[index].State == EndpointState.Running)
                {
                    ServeEndpoint(slot, index);
                }
            }
        }
    }

    private void ServeEndpoint(int slot, int index)
    {
        if (_slots[slot].Endpoints[index].State == EndpointState.Stopped)
        {
            _slots[slot].Endpoints[index].State = EndpointState.Running; // the doorbell starts it again
            WriteEndpoint(slot, index);
        }

        for (int count = 0; count < MostTrbs && HasEventRoom && ServeOne(slot, index); count++)
        {
        }
    }

    /// <returns>False where the endpoint waits for something.</returns>
    private bool ServeOne(int slot, int index)
    {
        XhciEndpoint endpoint = _slots[slot].Endpoints[index];
        TrbRing ring = endpoint.Ring;
        if (endpoint.State != EndpointState.Running || _slots[slot].Port == 0 || !TryFetch(ref ring, out Trb trb))
        {
            return false;
        }

        XhciPort port = _ports[_slots[slot].Port - 1];
        if ((port.Status & PortLink) >> PortLinkShift != LinkOn)
        {
            return false;
        }

        endpoint.Ring = ring;
        UsbHidDevice device = port.Device!;
        if (index == 1)
        {
            endpoint.Ring = Behind(ring);
            ServeControl(slot, trb, device);
            return true;
        }

        if (!UsbHidDevice.HasEndpoint(index))
        {
            endpoint.Ring = Behind(ring);
            Halt(slot, index, trb, CompletionCode.TransactionError);
            return true;
        }

        return TryGiveReport(slot, index, device);
    }

    /// <summary>A report fills one buffer, which may have several parts.</summary>
    private bool TryGiveReport(int slot, int index, UsbHidDevice device)
    {
        XhciEndpoint endpoint = _slots[slot].Endpoints[index];
        TrbRing ring = endpoint.Ring;
        List<Trb> parts = [];
        do
        {
            if (parts.Count == MostParts || !TryFetch(ref ring, out Trb trb))
            {
                return false; // not all of it is there
            }

            parts.Add(trb);
            ring = Behind(ring);
        }
        while ((parts[^1].Control & TrbChain) != 0);

        if (!device.TryTake(out byte[] report))
        {
            return false;
        }

        endpoint.Ring = ring;
        int given = 0;
        foreach (Trb part in parts)
        {
            int length = part.Type == TrbType.Normal ? Math.Min(part.Length, report.Length - given) : 0;
            _memory.TryWriteBytes(part.Parameter, report.AsSpan(given, length));
            given += length;
            bool isShort = part.Type == TrbType.Normal && length < part.Length;
            if (part.Type == TrbType.EventData && (part.Control & TrbComplete) != 0)
            {
                ReportData(slot, index, part, CompletionCode.Success, given);
            }
            else if ((part.Control & TrbComplete) != 0 || (isShort && (part.Control & TrbShortPacket) != 0))
            {
                Report(slot, index, part, isShort ? CompletionCode.ShortPacket : CompletionCode.Success, part.Length - length);
            }
        }

        return true;
    }

    private void ServeControl(int number, Trb trb, UsbHidDevice device)
    {
        XhciSlot slot = _slots[number];
        switch (trb.Type)
        {
            case TrbType.Setup when (trb.Control & TrbImmediate) != 0 && trb.Length == UsbSetup.Size:
                BeginControl(slot, UsbSetup.Unpack(trb.Parameter), device);
                ReportIfAsked(number, trb, CompletionCode.Success, 0);
                break;
            case TrbType.Data or TrbType.Normal when slot.Setup is { } setup:
                MoveControlData(number, trb, setup);
                break;
            case TrbType.Status when slot.Setup is { } setup:
                EndControl(number, trb, setup, device);
                break;
            case TrbType.EventData:
                if ((trb.Control & TrbComplete) != 0)
                {
                    ReportData(number, 1, trb, CompletionCode.Success, slot.Given);
                }

                break;
            case TrbType.NoOp:
                ReportIfAsked(number, trb, CompletionCode.Success, 0);
                break;
            default:
                Halt(number, 1, trb, CompletionCode.TrbError);
                break;
        }
    }

    private static void BeginControl(XhciSlot slot, UsbSetup setup, UsbHidDevice device)
    {
        slot.EndControl();
        slot.Setup = setup;
        if (setup.IsIn)
        {
            slot.IsRefused = !device.TryControl(setup, [], out byte[] reply);
            slot.Data.AddRange(reply.AsSpan(0, Math.Min(reply.Length, XhciSlot.LargestData)));
        }
    }

    private void MoveControlData(int number, Trb trb, UsbSetup setup)
    {
        XhciSlot slot = _slots[number];
        if (slot.IsRefused)
        {
            Halt(number, 1, trb, CompletionCode.Stall);
            return;
        }

        if (!setup.IsIn)
        {
            TakeControlData(slot, trb);
            slot.Given = Math.Min(slot.Given + trb.Length, XhciSlot.MostGiven);
            ReportIfAsked(number, trb, CompletionCode.Success, 0);
            return;
        }

        int length = Math.Min(trb.Length, slot.Data.Count - slot.Given);
        if (length > 0)
        {
            _memory.TryWriteBytes(trb.Parameter, slot.Data.GetRange(slot.Given, length).ToArray());
        }

        slot.Given += length;
        bool isShort = length < trb.Length;
        if (isShort && (trb.Control & TrbShortPacket) != 0)
        {
            Report(number, 1, trb, CompletionCode.ShortPacket, trb.Length - length);
        }
        else
        {
            ReportIfAsked(number, trb, isShort ? CompletionCode.ShortPacket : CompletionCode.Success, trb.Length - length);
        }
    }

    /// <summary>Data to the device, as far as any request of it has some.</summary>
    private void TakeControlData(XhciSlot slot, Trb trb)
    {
        int length = Math.Min(trb.Length, XhciSlot.LargestData - slot.Data.Count);
        if ((trb.Control & TrbImmediate) != 0)
        {
            slot.Data.AddRange(BitConverter.GetBytes(trb.Parameter).AsSpan(0, Math.Min(length, sizeof(ulong))));
            return;
        }

        for (int i = 0; i < length; i++)
        {
            if (!_memory.TryGetSpan(trb.Parameter + (ulong)i, 1, out ReadOnlySpan<byte> value))
            {
                return;
            }

            slot.Data.Add(value[0]);
        }
    }

    private void EndControl(int number, Trb trb, UsbSetup setup, UsbHidDevice device)
    {
        XhciSlot slot = _slots[number];
        bool isRefused = slot.IsRefused || (!setup.IsIn && !device.TryControl(setup, [.. slot.Data], out _));
        slot.EndControl();
        if (isRefused)
        {
            Halt(number, 1, trb, CompletionCode.Stall);
            return;
        }

        ReportIfAsked(number, trb, CompletionCode.Success, 0);
    }

    private void Halt(int slot, int index, Trb trb, CompletionCode code)
    {
        _slots[slot].Endpoints[index].State = EndpointState.Halted;
        Report(slot, index, trb, code, trb.Length);
        WriteEndpoint(slot, index);
    }

    private void ReportIfAsked(int slot, Trb trb, CompletionCode code, int residue)
    {
        if ((trb.Control & TrbComplete) != 0)
        {
            Report(slot, 1, trb, code, residue);
        }
    }

    /// <param name="residue">Bytes that were not moved.</param>
    private void Report(int slot, int index, Trb trb, CompletionCode code, int residue) =>
        Post(
            trb.Address, ((uint)code << 24) | (uint)residue, TrbType.TransferEvent, ((uint)slot << 24) | ((uint)index << 16));

    /// <summary>An event with the guest's own word in it.</summary>
    private void ReportData(int slot, int index, Trb trb, CompletionCode code, int moved) =>
        Post(
            trb.Parameter, ((uint)code << 24) | (uint)moved, TrbType.TransferEvent,
            ((uint)slot << 24) | ((uint)index << 16) | (1 << 2));
}
