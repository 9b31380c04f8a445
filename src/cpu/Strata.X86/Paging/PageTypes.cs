namespace Strata.X86.Paging;

/// <summary>Kind of a memory access, as the page walker needs it.</summary>
public enum AccessKind
{
    Read,
    Write,
    Execute,
}

/// <summary>Error code of #PF. Intel SDM Vol. 3A, "Page-Fault Exception (#PF)".</summary>
[Flags]
public enum PageFaultError : uint
{
    None = 0,
    Present = 1,
    Write = 2,
    User = 4,
    Reserved = 8,
    Fetch = 16,
}

/// <summary>Result of a successful walk.</summary>
/// <param name="Gpa">Guest-physical address of the byte asked for.</param>
/// <param name="PageBits">log2 of the page size: 12, 21, 22 or 30.</param>
/// <param name="Writable">A write with the same privilege would succeed too.</param>
/// <param name="Executable">A fetch with the same privilege would succeed too.</param>
/// <param name="Dirty">The D bit is set, so that writes need no further walk.</param>
/// <param name="Global">The translation stays when CR3 changes.</param>
public readonly record struct Translation(ulong Gpa, int PageBits, bool Writable, bool Executable, bool Dirty, bool Global);
