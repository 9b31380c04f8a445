using Strata.X86.Registers;

namespace Strata.X86.Translator.Emit;

/// <summary>Numbers of host registers, and which of them holds which guest register while translated code runs.</summary>
/// <remarks>
/// <code>
/// host   rax rcx rdx rbx rbp rsi rdi r8 r9 r12 | r10  r11 | rsp          r13 r14   r15
/// guest  rax rcx rdx rbx rbp rsi rdi r8 r9 r12 | r13  rsp | (the frame)  scratch   the TLB set
/// </code>
/// Guest R10, R11, R14 and R15 live in the frame. RSP stays a real host stack, as the host's signal handling needs it.
/// </remarks>
internal static class HostRegister
{
    public const int Rax = 0;
    public const int Rcx = 1;
    public const int Rdx = 2;
    public const int Rbx = 3;
    public const int Rsp = 4;
    public const int Rbp = 5;
    public const int Rsi = 6;
    public const int Rdi = 7;

    /// <summary>Home of guest RSP.</summary>
    public const int GuestRsp = 11;

    /// <summary>Second scratch register: TLB offset, values.</summary>
    public const int Scratch2 = 13;

    /// <summary>First scratch register: addresses. Its encoding as a base needs neither SIB nor displacement.</summary>
    public const int Scratch1 = 14;

    /// <summary>The TLB set of the current address space and privilege.</summary>
    public const int Tlb = 15;

    public const int None = -1;

    private static readonly sbyte[] Homes = [0, 1, 2, 3, GuestRsp, 5, 6, 7, 8, 9, -1, -1, 12, 10, -1, -1];
    private static readonly sbyte[] Slots = [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, Frame.R10, Frame.R11, -1, -1, Frame.R14, Frame.R15];

    /// <summary>Host register of a guest register, or <see cref="None"/> if it lives in the frame.</summary>
    public static int HomeOf(int guest) => Homes[guest];

    /// <summary>Frame offset of a guest register without a home.</summary>
    public static int SlotOf(int guest) => Slots[guest];

    /// <summary>Guest registers, RAX..R15.</summary>
    public const int GuestCount = Gpr.None;
}

/// <summary>
/// Layout of the stack frame in which translated code runs: byte offsets from RSP; the often used ones fit a signed byte.
/// </summary>
internal static class Frame
{
    public const int R10 = 0x00;
    public const int R11 = 0x08;
    public const int R14 = 0x10;
    public const int R15 = 0x18;

    /// <summary>Guest arithmetic flags while they are not in the host's: OF in the low byte, LAHF's byte above it.</summary>
    public const int Flags = 0x20;
    public const int FsBase = 0x28;
    public const int GsBase = 0x30;

    /// <summary>Address of the jump table.</summary>
    public const int JumpTable = 0x38;

    /// <summary>Exclusive-ored into a RIP to form its tag in the jump table.</summary>
    public const int Salt = 0x40;

    /// <summary>The salt's upper half: the number of the epoch, which is never zero.</summary>
    public const int SaltNumber = Salt + 4;

    /// <summary>Address of the word that asks the vCPU to look up.</summary>
    public const int Attention = 0x48;

    /// <summary>The vectors (low word) and x87 registers (high word) hold guest state.</summary>
    public const int VectorsLoaded = 0x50;
    public const int X87Loaded = 0x54;
    public const int VectorsAllowed = 0x58;
    public const int X87Allowed = 0x5C;

    /// <summary>Three words for what shared checks have found, see <see cref="Blocks.SharedChecks"/>.</summary>
    public const int Shared = 0x60;

    /// <summary>Linear address of the page that a relative block is in.</summary>
    public const int CodeBase = 0x78;

    /// <summary>RFLAGS without the arithmetic flags.</summary>
    public const int SystemFlags = 0x80;
    public const int Cpl = 0x88;

    /// <summary>An interrupt is pending that IF holds off: STI must leave.</summary>
    public const int Waiting = 0x8C;

    /// <summary>In 32-bit code: an access through FS, or through GS, needs no check of the segment.</summary>
    public const int FsAllowed = 0x90;
    public const int GsAllowed = 0x94;

    /// <summary>The vectors are loaded and VEX encodings may use them; and whether they may at all.</summary>
    public const int AvxLoaded = 0x98;
    public const int AvxAllowed = 0x9C;

    /// <summary>What lies below is copied from the bridge on entry.</summary>
    public const int Copied = 0xA0;

    public const int Temporary = 0xA0;
    public const int Bridge = 0xA8;
    public const int Value = 0xB0;

    /// <summary>Where a stub keeps up to five guest registers that it needs for itself.</summary>
    public const int Kept = 0xB8;

    /// <summary>Where translated code went on after the last miss that it could mend itself; how often it may do so there again.</summary>
    public const int Retry = 0xE0;
    public const int RetriesLeft = 0xE8;

    /// <summary>Address of the site that has missed.</summary>
    public const int MissSite = 0xF0;

    /// <summary>The page that missed last, and the one before it.</summary>
    public const int LastMiss = 0xF8;
    public const int MissBefore = 0x100;

    /// <summary>
    /// While the vectors are loaded: the upper half of one may be other than zero (low word); in the state, one was when they were loaded
    /// (high word).
    /// </summary>
    public const int UppersDirty = 0x108;
    public const int UppersLoaded = 0x10C;

    /// <summary>Together with six saved registers and the return address a multiple of 16.</summary>
    public const int Size = 0x118;
}
