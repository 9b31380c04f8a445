using Strata.Core.Bus;

namespace Strata.Devices.Tests.Harness;

/// <summary>Byte-wide port accesses, as IN and OUT with AL make them.</summary>
internal static class PortExtensions
{
    public static byte In(this IPortDevice device, int offset) => (byte)device.ReadPort((ushort)offset, AccessWidth.Byte);

    public static void Out(this IPortDevice device, int offset, int value) =>
        device.WritePort((ushort)offset, AccessWidth.Byte, (uint)value);
}
