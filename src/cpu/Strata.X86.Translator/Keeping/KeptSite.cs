using System.Runtime.InteropServices;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator.Keeping;

/// <summary>A site of a kept block, see <see cref="Site"/>.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct KeptSite
{
    /// <summary>RIP, in bytes behind the page's start: the next page's start at most.</summary>
    public ushort Offset;

    /// <summary>Where to go on, or the displacement to patch, in bytes behind the block's start; zero for none.</summary>
    public ushort Resume;

    public ushort Way;
    public SiteKind Kind;
    public KeptSiteFlags Flags;
    public KeptStub Stub;
    public sbyte Completed;

    /// <summary>Of an access: how many bytes, where the first instruction's are, how many.</summary>
    public byte Size;
    public byte First;
    public byte FirstSize;

    public byte Length;

    /// <summary>
    /// Of an instruction that is the interpreter's, its code; of a branch, the block of the record that it leads to, counted from 1, or 0.
    /// </summary>
    public ushort Code;

    /// <summary>See <see cref="Site.StackUndo"/>; of a branch across pages, how far its target is behind the page's start.</summary>
    public int StackUndo;
}

[Flags]
internal enum KeptSiteFlags : byte
{
    None,
    Write = 1,
    Stack = 2,
    Aligned = 4,
    Forward = 8,
}

/// <summary>What a site's way out leads to.</summary>
internal enum KeptStub : byte
{
    Exit,
    Miss,
    LoadVectors,
    LoadAvx,
    LoadX87,
    Syscall,
    Sysret,
    Dispatch,
    Cross,
}
