using Strata.Core.Memory;

namespace Strata.Devices.Display;

/// <summary>
/// A device's window in the address space where, for a while, memory shows in the device's place. Offsets are into the window.
/// </summary>
public interface IMemoryAperture
{
    /// <summary>Shows memory over the device, and over what was shown before.</summary>
    /// <param name="offset">A multiple of 4 KiB, as are <paramref name="start"/> and <paramref name="length"/>.</param>
    /// <param name="start">Bytes from the start of the memory.</param>
    void Show(ulong offset, GuestMemory memory, ulong start, ulong length);

    /// <summary>The device again.</summary>
    void Hide();
}
