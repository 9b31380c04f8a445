using System.Runtime.InteropServices;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// What passing from one privilege to another through SYSCALL, SYSENTER and their returns sets, made ready for translated code.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Gate
{
    /// <summary>Zero: the engine passes it, as something unusual is due.</summary>
    public uint IsReady;
    public uint Mode;
    public ulong Tlb;
    public ulong Salt;
    public JumpEntry* JumpTable;

    /// <summary>SYSCALL and SYSENTER: the kernel's entry point and the system flags that stay.</summary>
    public ulong Target;
    public ulong KeptFlags;

    /// <summary>SYSENTER: the kernel's stack pointer.</summary>
    public ulong Stack;
    public SegmentState Cs;
    public SegmentState Ss;

    public static int OffsetOf(string field) => (int)Marshal.OffsetOf<Gate>(field);
}
