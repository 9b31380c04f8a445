namespace Strata.Core.Bus;

/// <summary>
/// A device behind a range of I/O ports. It sees offsets into its range, never port numbers.
/// Called on vCPU threads, several at once: the device holds its own lock.
/// </summary>
public interface IPortDevice
{
    /// <summary>Reads 1, 2 or 4 bytes at <paramref name="offset"/> (ports from the start of the range).</summary>
    uint ReadPort(ushort offset, AccessWidth width);

    /// <summary>Writes the low 1, 2 or 4 bytes of <paramref name="value"/>.</summary>
    void WritePort(ushort offset, AccessWidth width, uint value);
}
