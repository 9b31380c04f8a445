using System.Runtime.InteropServices;
using Strata.X86.Translator.Blocks;

namespace Strata.X86.Translator.Keeping;

/// <summary>
/// A block in a record of kept code. A record is what was made of one page:
/// <code>
/// u64 linear address at which the page was first executed   { KeptBlock   its code   its sites (KeptSite) } …
/// </code>
/// In the code, numbers of sites and displacements of jumps that leave the block are zeros.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct KeptBlock
{
    /// <summary>Offset of the first instruction in the page.</summary>
    public ushort Offset;

    public ushort CodeBytes;

    /// <summary>Entries, in bytes behind the block's start.</summary>
    public ushort LinkEntry;
    public ushort ForwardEntry;

    public ushort Sites;
    public CodeMode Mode;
    public KeptBlockKind Kind;

    /// <summary>Instructions.</summary>
    public byte Count;
}

/// <summary>The rest of a block's key.</summary>
[Flags]
internal enum KeptBlockKind : byte
{
    None,
    Relative = 1,
    OmitsLocks = 2,
    Apart = 4,
}
