using Strata.Core.State;
using static Strata.Devices.Usb.XhciRegisters;

namespace Strata.Devices.Usb;

/// <summary>State of a USB host controller, without that of its devices.</summary>
public sealed class XhciState : IStateRecord<XhciState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>USBCMD, USBSTS, DNCTRL, CONFIG, IMAN, IMOD and ERSTSZ.</summary>
    public required uint[] Registers { get; set; }

    /// <summary>DCBAAP, ERSTBA, ERDP, and where the command ring and the event segment are.</summary>
    public required ulong[] Pointers { get; set; }

    /// <summary>PORTSC of each port.</summary>
    public required uint[] Ports { get; set; }

    /// <summary>Cycle bit of the command ring's reader.</summary>
    public required bool CommandCycle { get; set; }

    /// <summary>The command ring's doorbell was rung.</summary>
    public required bool IsCommandRingRunning { get; set; }

    /// <summary>TRBs of the event segment; 0 while its table was not read.</summary>
    public required int EventSize { get; set; }

    /// <summary>Where the next event goes.</summary>
    public required int EventIndex { get; set; }

    /// <summary>Cycle bit of the next event.</summary>
    public required bool EventCycle { get; set; }

    /// <summary>From slot 1 on.</summary>
    public required XhciSlotState[] Slots { get; set; }

    /// <inheritdoc/>
    public static XhciState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new XhciState
        {
            Registers = reader.ReadExactly<uint>(nameof(Registers), XhciController.RegisterCount),
            Pointers = reader.ReadExactly<ulong>(nameof(Pointers), XhciController.PointerCount),
            Ports = reader.ReadExactly<uint>(nameof(Ports), PortCount),
            CommandCycle = reader.ReadBoolean(nameof(CommandCycle)),
            IsCommandRingRunning = reader.ReadBoolean(nameof(IsCommandRingRunning)),
            EventSize = reader.Read(nameof(EventSize), 0, XhciController.LargestSegment),
            EventIndex = reader.Read(nameof(EventIndex), 0, XhciController.LargestSegment - 1),
            EventCycle = reader.ReadBoolean(nameof(EventCycle)),
            Slots = reader.ReadExactRecords<XhciSlotState>(nameof(Slots), SlotCount),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<uint>(Registers);
        writer.WriteArray<ulong>(Pointers);
        writer.WriteArray<uint>(Ports);
        writer.Write(CommandCycle);
        writer.Write(IsCommandRingRunning);
        writer.Write(EventSize);
        writer.Write(EventIndex);
        writer.Write(EventCycle);
        writer.WriteRecords(Slots);
    }
}

/// <summary>State of a device slot.</summary>
public sealed class XhciSlotState : IStateRecord<XhciSlotState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>The guest has taken it.</summary>
    public required bool IsEnabled { get; set; }

    /// <summary>Of the root hub, from 1; 0 for none.</summary>
    public required byte Port { get; set; }

    /// <summary>Enabled, default, addressed, configured.</summary>
    public required byte State { get; set; }

    /// <summary>Of each endpoint: disabled, running, halted, stopped.</summary>
    public required byte[] EndpointStates { get; set; }

    /// <summary>Where each endpoint's ring is read, with its cycle bit in bit 0.</summary>
    public required ulong[] Rings { get; set; }

    /// <summary>A control transfer is under way.</summary>
    public required bool HasSetup { get; set; }

    /// <summary>Its setup packet.</summary>
    public required ulong Setup { get; set; }

    /// <summary>Its data.</summary>
    public required byte[] Data { get; set; }

    /// <summary>Bytes that were moved.</summary>
    public required int Given { get; set; }

    /// <summary>The device refuses the request.</summary>
    public required bool IsRefused { get; set; }

    /// <inheritdoc/>
    public static XhciSlotState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new XhciSlotState
        {
            IsEnabled = reader.ReadBoolean(nameof(IsEnabled)),
            Port = reader.Read<byte>(nameof(Port), 0, Usb2Ports),
            State = reader.Read(nameof(State), (byte)SlotState.Enabled, (byte)SlotState.Configured),
            EndpointStates = reader.ReadExactly<byte>(nameof(EndpointStates), EndpointCount),
            Rings = reader.ReadExactly<ulong>(nameof(Rings), EndpointCount),
            HasSetup = reader.ReadBoolean(nameof(HasSetup)),
            Setup = reader.Read<ulong>(nameof(Setup)),
            Data = reader.ReadArray<byte>(nameof(Data), XhciSlot.LargestData),
            Given = reader.Read(nameof(Given), 0, XhciSlot.MostGiven),
            IsRefused = reader.ReadBoolean(nameof(IsRefused)),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(IsEnabled);
        writer.Write(Port);
        writer.Write(State);
        writer.WriteArray<byte>(EndpointStates);
        writer.WriteArray<ulong>(Rings);
        writer.Write(HasSetup);
        writer.Write(Setup);
        writer.WriteArray<byte>(Data);
        writer.Write(Given);
        writer.Write(IsRefused);
    }
}

/// <content>The controller as a unit of state, behind its PCI function and before its devices.</content>
public sealed partial class XhciController
{
    internal const int RegisterCount = 7;
    internal const int PointerCount = 5;

    private XhciState Save()
    {
        lock (_gate)
        {
            return new XhciState
            {
                Registers = [_command, _status, _notifications, _config, _management, _moderation, _segments],
                Pointers = [_contexts, _segmentTable, _eventDequeue, _commandRing.Dequeue, _eventBase],
                Ports = [.. _ports.Select(port => port.Status)],
                CommandCycle = _commandRing.Cycle,
                IsCommandRingRunning = _isCommandRingRunning,
                EventSize = _eventSize,
                EventIndex = _eventIndex,
                EventCycle = _eventCycle,
                Slots = [.. _slots.Skip(1).Select(Save)],
            };
        }
    }

    private static XhciSlotState Save(XhciSlot slot) => new()
    {
        IsEnabled = slot.IsEnabled,
        Port = slot.Port,
        State = (byte)slot.State,
        EndpointStates = [.. slot.Endpoints.Select(endpoint => (byte)endpoint.State)],
        Rings = [.. slot.Endpoints.Select(endpoint => endpoint.Ring.Dequeue | (endpoint.Ring.Cycle ? 1u : 0))],
        HasSetup = slot.Setup is not null,
        Setup = slot.Setup?.Packed ?? 0,
        Data = [.. slot.Data],
        Given = slot.Given,
        IsRefused = slot.IsRefused,
    };

    private void Load(XhciState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            Check(state);
            (_command, _status, _notifications, _config) =
                (state.Registers[0], state.Registers[1], state.Registers[2], state.Registers[3]);
            (_management, _moderation, _segments) = (state.Registers[4], state.Registers[5], state.Registers[6]);
            (_contexts, _segmentTable, _eventDequeue) = (state.Pointers[0], state.Pointers[1], state.Pointers[2]);
            _commandRing = new TrbRing(state.Pointers[3], state.CommandCycle);
            _isCommandRingRunning = state.IsCommandRingRunning;
            (_eventBase, _eventSize, _eventIndex, _eventCycle) =
                (state.Pointers[4], state.EventSize, state.EventIndex, state.EventCycle);
            foreach ((XhciPort port, uint status) in _ports.Zip(state.Ports))
            {
                port.Status = status;
            }

            foreach ((XhciSlot slot, XhciSlotState saved) in _slots.Skip(1).Zip(state.Slots))
            {
                Load(slot, saved);
            }
        }
    }

    private static void Load(XhciSlot slot, XhciSlotState saved)
    {
        slot.Clear();
        (slot.IsEnabled, slot.Port, slot.State) = (saved.IsEnabled, saved.Port, (SlotState)saved.State);
        slot.Setup = saved.HasSetup ? UsbSetup.Unpack(saved.Setup) : null;
        slot.Data.AddRange(saved.Data);
        (slot.Given, slot.IsRefused) = (saved.Given, saved.IsRefused);
        foreach ((int index, XhciEndpoint endpoint) in slot.Endpoints.Index())
        {
            (endpoint.State, endpoint.Ring) = ((EndpointState)saved.EndpointStates[index], TrbRing.From(saved.Rings[index]));
        }
    }

    private void Check(XhciState state)
    {
        string? why = 0 switch
        {
            _ when state.Registers[3] > SlotCount => $"has {state.Registers[3]} slots enabled, of {SlotCount}",
            _ when state.EventSize != 0 && (state.EventSize < SmallestSegment || state.EventIndex >= state.EventSize) =>
                "has its next event outside its ring",
            _ when state.Slots.Any(slot => slot.EndpointStates.Any(endpoint => endpoint > (byte)EndpointState.Stopped)) =>
                "has an endpoint in a state that there is not",
            _ when state.Slots.Any(slot => slot.Port != 0 && _ports[slot.Port - 1].Device is null) =>
                "has a device where this machine has none: give it the ones that it had",
            _ when state.Ports.Zip(_ports).Any(port => (port.First & PortConnected) != (port.Second.Status & PortConnected)) =>
                "is of one with other devices: give the machine the ones that it had",
            _ when state.Slots.Any(slot => slot.Given > slot.Data.Length && slot.HasSetup && UsbSetup.Unpack(slot.Setup).IsIn) =>
                "has given more data than there is",
            _ => null,
        };
        if (why is not null)
        {
            throw new StateException($"The saved state of {_unit.UnitName} cannot be used: it {why}.");
        }
    }

    private sealed class Unit(XhciController owner) : IUnit<XhciState>
    {
        public string UnitName => $"{owner.UnitName}/xhci";

        public void Reset()
        {
            lock (owner._gate)
            {
                owner.ResetController();
            }
        }

        /// <summary>Devices may have something to say; memory stays as it is.</summary>
        public void Quiesce()
        {
            lock (owner._gate)
            {
                owner._isStill = true;
            }
        }

        public void Resume()
        {
            lock (owner._gate)
            {
                owner._isStill = false;
                owner.ServeEndpoints();
            }
        }

        public XhciState SaveState() => owner.Save();

        public void LoadState(XhciState state) => owner.Load(state);
    }
}
