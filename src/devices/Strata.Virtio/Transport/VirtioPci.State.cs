using Strata.Core.State;
using Strata.Devices.Pci;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Transport;

/// <summary>What a driver has told a virtio device through its registers, and how far its queues are.</summary>
public sealed class VirtioTransportState : IStateRecord<VirtioTransportState>
{
    private const int MostQueues = 64;

    /// <inheritdoc/>
    public static ushort Version => 2;

    /// <summary>The device status register.</summary>
    public required byte Status { get; set; }

    /// <summary>config_generation.</summary>
    public required byte Generation { get; set; }

    public required uint FeatureSelect { get; set; }

    public required uint DriverFeatureSelect { get; set; }

    public required ulong DriverFeatures { get; set; }

    /// <summary>MSI-X vector of configuration changes; FFFFh for none.</summary>
    public required ushort ConfigurationVector { get; set; }

    public required ushort QueueSelect { get; set; }

    /// <summary>The ISR status: bit 0 a queue, bit 1 the configuration.</summary>
    public required byte InterruptStatus { get; set; }

    public required IReadOnlyList<VirtQueueState> Queues { get; set; }

    /// <summary>Whether a driver had the device. Since version 2; before, whether one has it.</summary>
    public required bool HadDriver { get; set; }

    /// <inheritdoc/>
    public static VirtioTransportState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        byte status = reader.Read<byte>(nameof(Status));
        return new VirtioTransportState
        {
            Status = status,
            Generation = reader.Read<byte>(nameof(Generation)),
            FeatureSelect = reader.Read<uint>(nameof(FeatureSelect)),
            DriverFeatureSelect = reader.Read<uint>(nameof(DriverFeatureSelect)),
            DriverFeatures = reader.Read<ulong>(nameof(DriverFeatures)),
            ConfigurationVector = reader.Read<ushort>(nameof(ConfigurationVector)),
            QueueSelect = reader.Read<ushort>(nameof(QueueSelect)),
            InterruptStatus = reader.Read<byte>(nameof(InterruptStatus), 0, 3),
            Queues = reader.ReadRecords<VirtQueueState>(nameof(Queues), MostQueues),
            HadDriver = version < 2 ? (status & VirtioPci.StatusDriverOk) != 0 : reader.ReadBoolean(nameof(HadDriver)),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Status);
        writer.Write(Generation);
        writer.Write(FeatureSelect);
        writer.Write(DriverFeatureSelect);
        writer.Write(DriverFeatures);
        writer.Write(ConfigurationVector);
        writer.Write(QueueSelect);
        writer.Write(InterruptStatus);
        writer.WriteRecords(Queues);
        writer.Write(HadDriver);
    }
}

/// <content>
/// Three units of state, loaded in this order: the PCI function, the transport, the device. The device's backend follows.
/// </content>
public sealed partial class VirtioPci
{
    /// <inheritdoc/>
    public override IEnumerable<IUnit> Units => [this, Transport, _device, .. _device.BackendUnits];

    /// <summary>The registers and queues.</summary>
    internal IUnit<VirtioTransportState> Transport => field ??= new TransportUnit(this);

    private VirtioTransportState SaveTransport()
    {
        lock (ConfigGate)
        {
            using (_device.Hold())
            {
                lock (_gate)
                {
                    return new VirtioTransportState
                    {
                        Status = _status,
                        Generation = _generation,
                        FeatureSelect = _featureSelect,
                        DriverFeatureSelect = _driverFeatureSelect,
                        DriverFeatures = _driverFeatures,
                        ConfigurationVector = _configVector,
                        QueueSelect = _queueSelect,
                        InterruptStatus = (byte)_isr,
                        Queues = [.. _device.Queues.Select(queue => queue.SaveState())],
                        HadDriver = _hadDriver,
                    };
                }
            }
        }
    }

    private void LoadTransport(VirtioTransportState state)
    {
        lock (ConfigGate)
        {
            using (_device.Hold())
            {
                lock (_gate)
                {
                    Check(state);
                    _isr = state.InterruptStatus;
                    _generation = state.Generation;
                    _featureSelect = state.FeatureSelect;
                    _driverFeatureSelect = state.DriverFeatureSelect;
                    _driverFeatures = state.DriverFeatures;
                    _configVector = state.ConfigurationVector;
                    _queueSelect = state.QueueSelect;
                    for (int i = 0; i < _device.Queues.Count; i++)
                    {
                        _device.Queues[i].LoadState(state.Queues[i]);
                    }

                    _status = state.Status;
                    _hadDriver = state.HadDriver;
                    TellDevice();
                }
            }
        }
    }

    /// <summary>The device hears what the driver has told it, as if it were told again; its own record comes behind this one.</summary>
    private void TellDevice()
    {
        if ((_status & StatusFeaturesOk) != 0)
        {
            _device.SetNegotiated(_driverFeatures);
        }

        _device.SetDriver((_status & StatusDriverOk) != 0 ? _driverFeatures : 0);
    }

    private void Check(VirtioTransportState state)
    {
        if (state.Queues.Count != _device.Queues.Count)
        {
            throw Refuse(nameof(state.Queues), $"are {state.Queues.Count}, and the device has {_device.Queues.Count}");
        }

        if ((state.Status & StatusFeaturesOk) != 0 && !IsAcceptable(state.DriverFeatures))
        {
            throw Refuse(
                nameof(state.DriverFeatures),
                $"are 0x{state.DriverFeatures:x}, and this machine's device has 0x{_device.Features | VirtioDevice.CommonFeatures:x}");
        }

        if (state.ConfigurationVector != CheckVector(state.ConfigurationVector))
        {
            throw Refuse(nameof(state.ConfigurationVector), $"is {state.ConfigurationVector}, and there are {Msix!.Vectors} vectors");
        }

        if (state.Queues.FirstOrDefault(queue => queue.Vector != CheckVector(queue.Vector)) is { } wrong)
        {
            throw Refuse("Vector", $"of a queue is {wrong.Vector}, and there are {Msix!.Vectors} vectors");
        }
    }

    private StateException Refuse(string field, string why) =>
        new($"The saved state of {Transport.UnitName} cannot be used: {field} {why}.");

    private sealed class TransportUnit(VirtioPci owner) : IUnit<VirtioTransportState>
    {
        public string UnitName => $"{owner.UnitName}/virtio";

        public void Reset() => owner.ResetTransport();

        public VirtioTransportState SaveState() => owner.SaveTransport();

        public void LoadState(VirtioTransportState state) => owner.LoadTransport(state);
    }
}
