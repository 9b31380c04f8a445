namespace Strata.Core.Bus;

/// <summary>
/// A device behind a memory-mapped region. It sees offsets into its region, never addresses.
/// Called on vCPU threads, several at once: the device holds its own lock.
/// </summary>
public interface IMmioDevice
{
    /// <summary>Reads <paramref name="width"/> bytes at <paramref name="offset"/> (bytes from the start of the region).</summary>
    /// <returns>The value, zero-extended. A register that does not exist reads as the device's manual says, or all ones.</returns>
    ulong ReadMmio(ulong offset, AccessWidth width);

    /// <summary>Writes the low <paramref name="width"/> bytes of <paramref name="value"/>. A write to nothing is ignored.</summary>
    void WriteMmio(ulong offset, AccessWidth width, ulong value);
}
