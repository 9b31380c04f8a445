using System.Runtime.InteropServices;
using Strata.X86.Execution;

namespace Strata.X86.Interpreter.Blocks;

/// <summary>A run of decoded instructions inside one page (an instruction that crosses into the next page is a block of its own).</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct Block
{
    public Op* Ops;

    /// <summary>Linear address of the first instruction (CS base added); all ones once the bytes under it have changed.</summary>
    public ulong Linear;

    /// <summary>IP of the first instruction.</summary>
    public ulong Rip;

    /// <summary>Host address of the page the block was decoded from; stands for the physical page.</summary>
    public byte* HostPage;

    /// <summary>Host address of the next page if the (only) instruction crosses into it, else null.</summary>
    public byte* HostPage2;

    /// <summary>Next block of the same page, and of the second page, for invalidation.</summary>
    public Block* NextInPage;
    public Block* NextInPage2;

    /// <summary>Next block in the same hash bucket.</summary>
    public Block* NextInBucket;

    public int Count;
    public ModeBits Mode;
}
