using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Devices.Pci;

namespace Strata.Devices.Storage;

/// <summary>
/// The IDE function of a PIIX3: two channels at the places of a PC/AT, and their bus masters' ports in BAR 4. Intel 82371SB (PIIX3) data
/// sheet, "IDE Controller (Function 1)".
/// <code>
/// 40h IDETIM of the first channel, 42h of the second: 15 decoded  14..0 timing, kept without effect
/// </code>
/// </summary>
public sealed class Piix3Ide : PciFunction, IPortDevice
{
    private const int MasterBar = 4;
    private const int MasterPorts = 16;
    private const int ChannelPorts = 8;

    private readonly IdeChannel[] _channels;

    /// <param name="channels">Two; they are units of the function.</param>
    public Piix3Ide(params IdeChannel[] channels)
        : base(new PciIdentity(0x8086, 0x7010, 0x010180, 0, 0x1AF4, 0x1100))
    {
        ArgumentNullException.ThrowIfNull(channels);
        ArgumentOutOfRangeException.ThrowIfNotEqual(channels.Length, 2, nameof(channels));
        _channels = channels;
        AddIoBar(MasterBar, MasterPorts, this);
        AddRegisters(0x40, [0, 0x80, 0, 0x80, 0], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    }

    /// <inheritdoc/>
    public override IEnumerable<IUnit> Units => [this, .. _channels];

    /// <summary>The first channel.</summary>
    public IdeChannel Primary => _channels[0];

    /// <summary>The second channel.</summary>
    public IdeChannel Secondary => _channels[1];

    /// <summary>Claims the ports that do not move.</summary>
    public void MapPorts(PortSpace ports)
    {
        ArgumentNullException.ThrowIfNull(ports);
        ports.Map(0x1F0, 8, Primary.CommandBlock);
        ports.Map(0x3F6, 1, Primary.ControlBlock);
        ports.Map(0x170, 8, Secondary.CommandBlock);
        ports.Map(0x376, 1, Secondary.ControlBlock);
    }

    /// <inheritdoc/>
    public uint ReadPort(ushort offset, AccessWidth width) => _channels[offset / ChannelPorts].ReadMaster(offset % ChannelPorts, width);

    /// <inheritdoc/>
    public void WritePort(ushort offset, AccessWidth width, uint value) =>
        _channels[offset / ChannelPorts].WriteMaster(offset % ChannelPorts, width, value);
}
