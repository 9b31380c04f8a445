using System.Runtime.InteropServices;
using Strata.X86.Registers;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator.Cache;

/// <summary>Why translated code left.</summary>
internal enum SiteKind : byte
{
    /// <summary>A block's head saw the attention flag.</summary>
    Attention,

    /// <summary>A memory access missed the TLB; <c>Bridge.Value</c> is the linear address.</summary>
    Access,

    /// <summary>The instruction is the interpreter's.</summary>
    Interpret,

    /// <summary>A direct branch without a link yet.</summary>
    Link,

    /// <summary>An indirect or cross-page branch that the jump table does not know; <c>Bridge.Value</c> is the target.</summary>
    Dispatch,

    /// <summary>The block uses the vector or x87 registers, and they are not ready.</summary>
    Vectors,
    X87,

    /// <summary>The block has more instructions than the budget has left.</summary>
    Budget,

    /// <summary>Accesses that share a check do not lie in one page: they are to be checked one by one.</summary>
    Apart,

    /// <summary>A direct branch to another page whose link is due: see <see cref="Emit.CrossStub"/>.</summary>
    Cross,
}

/// <summary>
/// A place at which translated code can leave: what the engine needs to go on. Of 40 bytes: there are some hundred thousand.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Site
{
    private const byte StackFlag = 1;
    private const byte AlignedFlag = 2;
    private const byte ForwardFlag = 4;
    private const byte SegmentFlag = 8;

    /// <summary>
    /// Guest RIP of the instruction; of a link, within the page or across, the target. In a relative block it counts from the page's
    /// start, in code with segments from the base of CS.
    /// </summary>
    public ulong Rip;

    /// <summary>Where to go on after an access has been made possible, or behind RDTSC; of links, the displacement to patch.</summary>
    public byte* Resume;

    public TranslatedBlock* Block;

    /// <summary>
    /// Added to RSP to undo a branch whose target turns out to be non-canonical. Of a <see cref="SiteKind.Cross"/>, how often it still
    /// goes by the jump table before it leaves to be linked: such targets are canonical.
    /// </summary>
    public int StackUndo;

    /// <summary>Iced's code and the length of an instruction that is the interpreter's, where it ended the block.</summary>
    public ushort Code;
    public byte Length;

    public SiteKind Kind;

    /// <summary>The access is a write.</summary>
    public bool IsWrite;

    private byte _flags;

    /// <summary>Bytes accessed, of a run of accesses all.</summary>
    public byte Size;

    /// <summary>Where in them the access of the first instruction is, and its bytes.</summary>
    public byte First;
    public byte FirstSize;

    /// <summary>Instructions of the block that have been executed when it leaves here; a gate's own is given back by one less.</summary>
    public sbyte Completed;

    /// <summary>Where the block's code has this site's number, to leave with it: bytes behind the block's entry.</summary>
    public ushort Way;

    /// <summary>The access goes through SS: a non-canonical address is #SS.</summary>
    public bool IsStack
    {
        readonly get => Has(StackFlag);
        set => Set(StackFlag, value);
    }

    /// <summary>The address must be a multiple of the size: else the fault is not the page's.</summary>
    public bool IsAligned
    {
        readonly get => Has(AlignedFlag);
        set => Set(AlignedFlag, value);
    }

    /// <summary>A link, within the page or across, that leads forward.</summary>
    public bool IsForward
    {
        readonly get => Has(ForwardFlag);
        set => Set(ForwardFlag, value);
    }

    /// <summary>
    /// The instruction is the interpreter's and loads a segment register, the one whose <see cref="SegmentIndex"/> is in
    /// <see cref="First"/>.
    /// </summary>
    public bool LoadsSegment
    {
        readonly get => Has(SegmentFlag);
        set => Set(SegmentFlag, value);
    }

    /// <summary>Where <see cref="IsWrite"/> lies. <see cref="Marshal.OffsetOf(Type, string)"/> counts four bytes for a bool.</summary>
    public static int WriteOffset
    {
        get
        {
            Site site;
            return (int)((byte*)&site.IsWrite - (byte*)&site);
        }
    }

    private readonly bool Has(byte flag) => (_flags & flag) != 0;

    private void Set(byte flag, bool value) => _flags = (byte)(value ? _flags | flag : _flags & ~flag);
}

/// <summary>A translated run of guest instructions within one page.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TranslatedBlock
{
    /// <summary>Linear address of the first instruction; of a relative block, its offset in the page.</summary>
    public ulong Rip;
    public byte* HostPage;

    /// <summary>
    /// Where the bytes of an instruction that crosses the page go on; null for every other block. Such a block is entered by the jump
    /// table only, whose tags die when the translation of either page may have changed.
    /// </summary>
    public byte* SecondPage;

    /// <summary>
    /// Host code, as the jump table enters it, with the tag in <see cref="HostRegister.Scratch1"/>; null once the block is dropped.
    /// </summary>
    public byte* Entry;

    /// <summary>Behind what a relative block does to learn its page: for links, which come from the same page.</summary>
    public byte* LinkEntry;

    /// <summary>Behind the look at the attention flag: for branches that only lead forward, and so cannot loop by themselves.</summary>
    public byte* ForwardEntry;

    /// <summary>Where links to a block with a second page lead instead: to a look into the jump table. Null for others.</summary>
    public byte* TableEntry;
    public TranslatedBlock* NextInBucket;
    public TranslatedBlock* NextInPage;

    public CodeMode Mode;

    /// <summary>The code segment, by its number in <see cref="CodeSegments"/>; 0 in flat code.</summary>
    public ushort Segment;

    /// <summary>
    /// The code fits wherever the page is mapped: it takes its linear address from <see cref="Frame.CodeBase"/>, and RIPs of the block
    /// and its sites count from the page's start.
    /// </summary>
    public bool IsRelative;

    /// <summary>For user code of a machine's only processor: part of the key, as kernel code keeps its locks.</summary>
    public bool OmitsLocks;

    /// <summary>Every access has a check of its own: part of the key.</summary>
    public bool IsApart;

    /// <summary>Translated instructions; one that is the interpreter's at the end is not among them.</summary>
    public byte Count;

    /// <summary>Sites of the block.</summary>
    public ushort SiteCount;

    /// <summary>Entries of the jump table that may lead here; of more than two, nobody knows the others.</summary>
    public JumpEntry* FirstJump;
    public JumpEntry* SecondJump;
    public bool HasManyJumps;

    /// <summary>Bytes of the code.</summary>
    public ushort CodeBytes;

    /// <summary>The first of its sites, which follow each other.</summary>
    public int FirstSite;
}
