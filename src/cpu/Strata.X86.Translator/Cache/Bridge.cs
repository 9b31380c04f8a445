using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// What translated code and the engine tell each other; one a vCPU, in native memory. The first part is copied to the frame
/// on entry and has the frame's layout; the spilled registers come from the state instead.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Bridge
{
    private fixed ulong _spilled[4];

    /// <summary><see cref="Frame.Flags"/>.</summary>
    public ulong Flags;
    public ulong FsBase;
    public ulong GsBase;
    public JumpEntry* JumpTable;
    public ulong Salt;
    public int* Attention;

    /// <summary>Always zero on entry: entering loads vectors only where <see cref="ResumeVectors"/> says so.</summary>
    private readonly ulong _loaded;

    /// <summary>Vector instructions may run natively: no trap is due, and every exception is masked.</summary>
    public uint VectorsAllowed;

    /// <summary><see cref="X87Image"/> is valid and x87 instructions may run natively.</summary>
    public uint X87Allowed;

    /// <summary><see cref="Frame.Shared"/>, also on exit: a block may be entered again in its middle.</summary>
    public fixed ulong Shared[3];

    /// <summary><see cref="Frame.CodeBase"/>, of the last relative block; on exit, too.</summary>
    public ulong CodeBase;

    /// <summary><see cref="Frame.SystemFlags"/>; the State's, not a copy, is what counts outside of translated code.</summary>
    public ulong SystemFlags;
    public uint Cpl;
    public uint Waiting;

    /// <summary>32-bit code may access memory through FS and through GS: the segment has its rights and a limit of 4 GiB.</summary>
    public uint FsAllowed;
    public uint GsAllowed;

    /// <summary>As <see cref="_loaded"/>.</summary>
    private readonly uint _avxLoaded;

    /// <summary>VEX encodings of vectors may run natively: as <see cref="VectorsAllowed"/>, and the system has turned AVX on.</summary>
    public uint AvxAllowed;

    public VcpuContext* Context;
    public ulong Tlb;

    /// <summary>Which site left, an index into the sites of the cache.</summary>
    public uint Site;

    /// <summary>The processor's MXCSR for managed code.</summary>
    public uint HostMxcsr;

    /// <summary>On exit, the address or RIP that the site gives; on entry to a block's start, the tag of its RIP.</summary>
    public ulong Value;

    /// <summary>Load the registers on entry, as the site resumed has them loaded.</summary>
    public uint ResumeVectors;
    public uint ResumeX87;

    /// <summary>Set on exit when the registers held guest state and were saved.</summary>
    public uint VectorsSaved;
    public uint X87Saved;

    /// <summary>Instructions left in the budget, where they are counted; a block subtracts all of its own at its head.</summary>
    public uint Left;

    /// <summary>
    /// Who may touch what, for walks of the guest's page tables in translated code: one bit for each <see cref="TlbPrivilege"/>, times two,
    /// and the page's user bit. Zero if translated code cannot walk them.
    /// </summary>
    public uint WalkRights;

    /// <summary>How the tables are built, where they can be walked.</summary>
    public WalkForm WalkForm;

    /// <summary>Bits that no entry may have set where a walk goes on: of two-level tables, no entry of the directory.</summary>
    public ulong WalkReserved;

    /// <summary>Misses that translated code mended: by what was displaced, and by a walk.</summary>
    public long VictimsReturned;
    public long Walks;

    /// <summary>Dispatches that found their target in the second table.</summary>
    public long SecondFinds;

    /// <summary>Returns to user code through gates.</summary>
    public long UserReturns;

    public Gate SyscallGate;
    public Gate SysretGate;
    public Gate SysenterGate;
    public Gate SysexitGate;

    /// <summary>An array of <see cref="SegmentMemo"/>, 40 bytes each.</summary>
    public fixed ulong SegmentMemos[SegmentMemo.Count * 5];

    /// <summary>
    /// Where segments end, for reads and writes of each in the order of <see cref="Registers.SegmentIndex"/>: see
    /// <see cref="SegmentEnds"/>. Valid in code with segments.
    /// </summary>
    public fixed ulong Ends[2 * SegmentCount];

    /// <summary><see cref="CodeSegments.RealIds"/>.</summary>
    public ushort* RealIds;

    /// <summary>FNSAVE's 108 bytes. Intel SDM Vol. 1, "Protected Mode x87 FPU State Image in Memory, 32-Bit Format".</summary>
    public fixed byte X87Image[112];

    /// <summary>ES to GS.</summary>
    public const int SegmentCount = 6;

    public static int OffsetOf(string field) => (int)Marshal.OffsetOf<Bridge>(field);
}

/// <summary>An entry of the jump table: a tagged guest RIP and the host address of its translation.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct JumpEntry
{
    /// <summary>Entries that one address space can use; another one's start elsewhere, so that the same RIPs do not meet.</summary>
    public const int Count = 1 << CountBits;

    /// <summary>Entries of the whole table: a huge page of the host.</summary>
    public const int TableSize = 2 * Count;

    public const int CountBits = 17;

    /// <summary>Bytes of an entry.</summary>
    public const int Size = 16;

    public ulong Tag;
    public byte* Target;

    /// <summary>Index of a RIP: what translated code computes, see <c>BlockEmitter.EmitDispatch</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int IndexOf(ulong rip) => (int)(rip ^ (rip >> 10)) & (Count - 1);
}
