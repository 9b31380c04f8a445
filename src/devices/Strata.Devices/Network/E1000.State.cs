using Strata.Core.State;
using Strata.Core.Time;
using static Strata.Devices.Network.E1000Registers;

namespace Strata.Devices.Network;

/// <summary>State of an 82540EM, apart from its PCI function.</summary>
public sealed class E1000State : IStateRecord<E1000State>
{
    public static ushort Version => 1;

    /// <summary>The register file, 4 bytes a register, by their offsets.</summary>
    public required uint[] Registers { get; set; }

    /// <summary>The transceiver's registers.</summary>
    public required ushort[] Transceiver { get; set; }

    /// <summary>IOADDR.</summary>
    public required uint PortAddress { get; set; }

    /// <summary>Virtual time before which the interrupt does not rise.</summary>
    public required long NextInterrupt { get; set; }

    /// <summary>The interrupt is high.</summary>
    public required bool IsHigh { get; set; }

    /// <summary>EECD.</summary>
    public required uint EepromControl { get; set; }

    public required ushort EepromCommand { get; set; }

    public required byte EepromBits { get; set; }

    public required ushort EepromData { get; set; }

    public required bool IsEepromReading { get; set; }

    public required bool EepromOutput { get; set; }

    /// <summary>The last context descriptor.</summary>
    public required byte[] Context { get; set; }

    /// <summary>The packet whose end is still to come.</summary>
    public required byte[] Packet { get; set; }

    /// <summary>The packet is too long, and lost.</summary>
    public required bool IsLost { get; set; }

    public required bool HasBegun { get; set; }

    /// <summary>POPTS.</summary>
    public required byte Options { get; set; }

    /// <summary>The packet is to be cut.</summary>
    public required bool IsCut { get; set; }

    /// <summary>CSO, or -1.</summary>
    public required short LegacyPlace { get; set; }

    /// <summary>CSS.</summary>
    public required short LegacyStart { get; set; }

    /// <summary>VLAN tag, or -1.</summary>
    public required int Tag { get; set; }

    public static E1000State Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new E1000State
        {
            Registers = reader.ReadExactly<uint>(nameof(Registers), FileSize / 4),
            Transceiver = reader.ReadExactly<ushort>(nameof(Transceiver), E1000Phy.Registers),
            PortAddress = reader.ReadBits(nameof(PortAddress), 0x1_FFFFu),
            NextInterrupt = reader.ReadTime(nameof(NextInterrupt)),
            IsHigh = reader.ReadBoolean(nameof(IsHigh)),
            EepromControl = reader.ReadBits(nameof(EepromControl), EecdWritable),
            EepromCommand = reader.ReadBits<ushort>(nameof(EepromCommand), 0x1FF),
            EepromBits = reader.Read<byte>(nameof(EepromBits), 0, 9),
            EepromData = reader.Read<ushort>(nameof(EepromData)),
            IsEepromReading = reader.ReadBoolean(nameof(IsEepromReading)),
            EepromOutput = reader.ReadBoolean(nameof(EepromOutput)),
            Context = reader.ReadExactly<byte>(nameof(Context), DescriptorSize),
            Packet = reader.ReadBytes(nameof(Packet), E1000Transmitter.LargestPacket),
            IsLost = reader.ReadBoolean(nameof(IsLost)),
            HasBegun = reader.ReadBoolean(nameof(HasBegun)),
            Options = reader.Read<byte>(nameof(Options)),
            IsCut = reader.ReadBoolean(nameof(IsCut)),
            LegacyPlace = reader.Read<short>(nameof(LegacyPlace), -1, 0xFF),
            LegacyStart = reader.Read<short>(nameof(LegacyStart), 0, 0xFF),
            Tag = reader.Read(nameof(Tag), -1, 0xFFFF),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<uint>(Registers);
        writer.WriteArray<ushort>(Transceiver);
        writer.Write(PortAddress);
        writer.Write(NextInterrupt);
        writer.Write(IsHigh);
        writer.Write(EepromControl);
        writer.Write(EepromCommand);
        writer.Write(EepromBits);
        writer.Write(EepromData);
        writer.Write(IsEepromReading);
        writer.Write(EepromOutput);
        writer.WriteArray<byte>(Context);
        writer.WriteBytes(Packet);
        writer.Write(IsLost);
        writer.Write(HasBegun);
        writer.Write(Options);
        writer.Write(IsCut);
        writer.Write(LegacyPlace);
        writer.Write(LegacyStart);
        writer.Write(Tag);
    }
}

/// <content>The card behind the function, as a unit of state.</content>
public sealed partial class E1000
{
    private E1000State SaveCard()
    {
        lock (_gate)
        {
            bool isCurrent = _transmitter.Generation == _generation;
            if (!isCurrent)
            {
                _transmitter.Reset(); // of a ring that is gone
                _transmitter.Generation = _generation;
            }

            return new E1000State
            {
                Registers = [.. _registers],
                Transceiver = [.. _phy.Values],
                PortAddress = _portAddress,
                NextInterrupt = _nextInterrupt,
                IsHigh = _isHigh,
                EepromControl = _eeprom.Control,
                EepromCommand = _eeprom.Command,
                EepromBits = _eeprom.Bits,
                EepromData = _eeprom.Data,
                IsEepromReading = _eeprom.IsReading,
                EepromOutput = _eeprom.Output,
                Context = [.. _transmitter.Context],
                Packet = _transmitter.Packet.ToArray(),
                IsLost = _transmitter.Length > E1000Transmitter.LargestPacket,
                HasBegun = _transmitter.HasBegun,
                Options = _transmitter.Options,
                IsCut = _transmitter.IsCut,
                LegacyPlace = (short)_transmitter.LegacyPlace,
                LegacyStart = (short)_transmitter.LegacyStart,
                Tag = _transmitter.Tag,
            };
        }
    }

    private void LoadCard(E1000State state)
    {
        lock (_gate)
        {
            state.Registers.CopyTo(_registers, 0);
            state.Transceiver.CopyTo(_phy.Values, 0);
            (_portAddress, _nextInterrupt, _isHigh) = (state.PortAddress, state.NextInterrupt, state.IsHigh);
            (_eeprom.Control, _eeprom.Command, _eeprom.Bits) = (state.EepromControl, state.EepromCommand, state.EepromBits);
            (_eeprom.Data, _eeprom.IsReading, _eeprom.Output) = (state.EepromData, state.IsEepromReading, state.EepromOutput);
            _generation++;
            _transmitter.Generation = _generation;
            _transmitter.Context = [.. state.Context];
            _transmitter.Restore(state.Packet, state.IsLost ? E1000Transmitter.LargestPacket + 1 : state.Packet.Length);
            (_transmitter.HasBegun, _transmitter.Options, _transmitter.IsCut) = (state.HasBegun, state.Options, state.IsCut);
            (_transmitter.LegacyPlace, _transmitter.LegacyStart, _transmitter.Tag) = (state.LegacyPlace, state.LegacyStart, state.Tag);
            _throttle.Disarm(); // until Resume
        }
    }

    private void GoOn()
    {
        lock (_gate)
        {
            _isStill = false;
            _isStarved = true; // frames may have been refused meanwhile
            UpdateInterrupt();
        }

        _worker.Unpark();
    }

    private sealed class Unit(E1000 owner) : IUnit<E1000State>
    {
        public string UnitName => $"{owner.UnitName}/e1000";

        /// <summary>The host's cable stays as it is.</summary>
        public void Reset()
        {
            lock (owner._gate)
            {
                owner.SetDefaults();
                owner._portAddress = 0;
                owner.UpdateInterrupt();
            }
        }

        public void Quiesce()
        {
            lock (owner._gate)
            {
                owner._isStill = true;
            }

            owner._worker.Park();
        }

        public void Resume() => owner.GoOn();

        public E1000State SaveState() => owner.SaveCard();

        public void LoadState(E1000State state)
        {
            ArgumentNullException.ThrowIfNull(state);
            owner.LoadCard(state);
        }
    }
}
