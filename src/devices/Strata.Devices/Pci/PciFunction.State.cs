using System.Buffers.Binary;
using Strata.Core.State;

namespace Strata.Devices.Pci;

/// <summary>What every PCI function remembers, whatever device it is.</summary>
public sealed class PciFunctionState : IStateRecord<PciFunctionState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>
    /// The 256 bytes of configuration space. What a guest cannot write has to be what the function has; the interrupt's status bit does not
    /// count, as it follows <see cref="Interrupt"/>.
    /// </summary>
    public required byte[] Config { get; set; }

    /// <summary>The device asks for its INTx pin, which the command register and MSI-X can hold back.</summary>
    public required bool Interrupt { get; set; }

    /// <summary>Null for a function without MSI-X.</summary>
    public MsixState? Msix { get; set; }

    /// <inheritdoc/>
    public static PciFunctionState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        byte[] config = new byte[PciFunction.ConfigSize];
        reader.ReadFixed(nameof(Config), config);
        return new PciFunctionState
        {
            Config = config,
            Interrupt = reader.ReadBoolean(nameof(Interrupt)),
            Msix = reader.ReadBoolean("HasMsix") ? reader.ReadRecord<MsixState>() : null,
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteFixed(Config);
        writer.Write(Interrupt);
        writer.Write(Msix is not null);
        if (Msix is { } msix)
        {
            writer.WriteRecord(msix);
        }
    }
}

/// <content>The function as a unit of state.</content>
public abstract partial class PciFunction : IUnit<PciFunctionState>
{
    private readonly byte[] _powerOn = new byte[ConfigSize]; // configuration space when it was plugged in

    /// <summary>By its place, such as <c>pci/03.0</c>.</summary>
    public string UnitName { get; private set; } = "pci/unplugged";

    /// <summary>The function, and what it is the transport of, in the order in which they are loaded.</summary>
    public virtual IEnumerable<IUnit> Units => [this];

    /// <summary>Nothing is enabled, and no BAR has a place.</summary>
    public void Reset()
    {
        lock (ConfigGate)
        {
            _powerOn.CopyTo(_config, 0);
            _interrupt = false;
            Msix?.Reset();
            UpdateBars();
            UpdateLine();
            ApplyConfig(isLoading: false);
        }
    }

    /// <summary>BARs whose place another function still had while this one was loaded get it now.</summary>
    public void Resume()
    {
        lock (ConfigGate)
        {
            UpdateBars();
        }
    }

    /// <inheritdoc/>
    public PciFunctionState SaveState()
    {
        lock (ConfigGate)
        {
            byte[] config = [.. _config];
            config[PciConfig.Status] &= unchecked((byte)~PciConfig.StatusInterrupt);
            return new PciFunctionState { Config = config, Interrupt = _interrupt, Msix = Msix?.SaveState() };
        }
    }

    /// <inheritdoc/>
    public void LoadState(PciFunctionState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (ConfigGate)
        {
            Check(state);
            for (int i = 0; i < ConfigSize; i++)
            {
                _config[i] = (byte)((_config[i] & ~_writable[i]) | (state.Config[i] & _writable[i]));
            }

            _interrupt = state.Interrupt;
            UpdateStatus();
            Msix?.LoadState(state.Msix!, Get16(Msix.Capability + 2));
            UpdateBars();
            _line?.Restore(IsLineHigh);
            ApplyConfig(isLoading: true);
        }
    }

    private void Check(PciFunctionState state)
    {
        for (int i = 0; i < ConfigSize; i++)
        {
            int status = i == PciConfig.Status ? PciConfig.StatusInterrupt : 0;
            if (((state.Config[i] ^ _config[i]) & ~(_writable[i] | status)) != 0)
            {
                uint identity = BinaryPrimitives.ReadUInt32LittleEndian(state.Config);
                throw new StateException(
                    $"The saved state of {UnitName} cannot be used: it is of another device, {(ushort)identity:x4}:{identity >> 16:x4}, " +
                    $"or of one with "
                    + $"other abilities; byte {i} of its configuration space is {state.Config[i]:x2}, not {_config[i]:x2}.");
            }
        }

        if (state.Msix is null != Msix is null || (state.Msix is { } msix && !Msix!.Fits(msix)))
        {
            throw new StateException($"The saved state of {UnitName} cannot be used: Msix is not a table of {Msix?.Vectors ?? 0} vectors.");
        }
    }
}
