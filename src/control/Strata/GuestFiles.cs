using Strata.Machines.Boot;

namespace Strata;

/// <summary>The images a guest is booted from.</summary>
/// <param name="Kernel">Null where firmware starts the guest.</param>
/// <param name="Firmware">The machine's ROM and its display adapter's; null where there is a kernel.</param>
internal sealed record GuestFiles(
    byte[]? Kernel, byte[]? Initrd, IReadOnlyList<BootModule> Modules, (byte[] Rom, byte[] VideoRom)? Firmware = null);
