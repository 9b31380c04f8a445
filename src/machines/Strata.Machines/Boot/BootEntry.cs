namespace Strata.Machines.Boot;

/// <summary>The processor mode in which a boot protocol enters its image.</summary>
public enum EntryMode
{
    /// <summary>32-bit protected mode, flat segments, paging off.</summary>
    Protected32,

    /// <summary>64-bit mode with the low 4 GiB identity-mapped.</summary>
    Long64,
}

/// <summary>Where and how the boot processor starts.</summary>
/// <param name="Mode">Processor mode.</param>
/// <param name="Rip">Entry point.</param>
/// <param name="Rax">Multiboot magic, or zero.</param>
/// <param name="Rbx">Address of the boot information (multiboot, PVH), or zero.</param>
/// <param name="Rsi">Address of the zero page (Linux), or zero.</param>
/// <param name="ExpectsBios">The protocol's images are started by a BIOS's loader elsewhere, and may use its interrupts.</param>
public sealed record BootEntry(EntryMode Mode, ulong Rip, ulong Rax = 0, ulong Rbx = 0, ulong Rsi = 0, bool ExpectsBios = false);
