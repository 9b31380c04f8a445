using Strata.Machines.Boot;

namespace Strata;

/// <summary>The images a guest is booted from.</summary>
internal sealed record GuestFiles(byte[] Kernel, byte[]? Initrd, IReadOnlyList<BootModule> Modules);
