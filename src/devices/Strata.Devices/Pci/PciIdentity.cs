namespace Strata.Devices.Pci;

/// <summary>What a function says it is.</summary>
/// <param name="ClassCode">24 bits: class, subclass, programming interface.</param>
public readonly record struct PciIdentity(
    ushort VendorId, ushort DeviceId, uint ClassCode, byte Revision, ushort SubsystemVendorId = 0, ushort SubsystemId = 0);
