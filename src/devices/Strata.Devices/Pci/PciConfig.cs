namespace Strata.Devices.Pci;

/// <summary>
/// Offsets of the type 0 configuration header. PCI Local Bus Specification 3.0, "Configuration Space Organization".
/// <code>
/// 00 device | vendor      04 status | command     08 class | revision   0C BIST | type | latency | line
/// 10..24 BARs             2C subsystem | vendor   30 expansion ROM      34 capabilities       3C interrupt pin | line
/// </code>
/// </summary>
internal static class PciConfig
{
    public const int VendorId = 0x00;
    public const int DeviceId = 0x02;
    public const int Command = 0x04;
    public const int Status = 0x06;
    public const int Revision = 0x08;
    public const int ClassCode = 0x09;
    public const int HeaderType = 0x0E;
    public const int Bar0 = 0x10;
    public const int SubsystemVendor = 0x2C;
    public const int SubsystemId = 0x2E;
    public const int Rom = 0x30;
    public const int Capabilities = 0x34;
    public const int InterruptLine = 0x3C;
    public const int InterruptPin = 0x3D;

    /// <summary>In the header type: the device has more functions than this one.</summary>
    public const byte HeaderMultiFunction = 1 << 7;

    public const ushort CommandIo = 1;
    public const ushort CommandMemory = 2;
    public const ushort CommandBusMaster = 4;
    public const ushort CommandInterruptDisable = 1 << 10;
    public const ushort CommandWritable = 0x547;
    public const ushort StatusInterrupt = 1 << 3;
    public const ushort StatusCapabilities = 1 << 4;

    public const byte BarIo = 1 << 0;
    public const byte BarPrefetchable = 1 << 3;
    public const uint RomEnable = 1 << 0;

    public const byte CapabilityMsix = 0x11;
    public const byte CapabilityVendor = 0x09;
}
