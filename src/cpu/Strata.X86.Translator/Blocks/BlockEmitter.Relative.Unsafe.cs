using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>Code that fits wherever its page is mapped: RIPs count from the page's start, whose linear address is in the frame.</summary>
internal sealed unsafe partial class BlockEmitter
{
    /// <summary>At the entry from the jump table: the page of the RIP whose tag is in Scratch1.</summary>
    private static void EmitLearnBase(ref HostAssembler a)
    {
        const int and = 4;
        a.Op64(XorMemory, Scratch1, Rsp, Frame.Salt);
        a.Immediate32(and, Scratch1, ~(PageSize - 1), wide: true);
        a.StoreFrame(Frame.CodeBase, Scratch1);
    }

    /// <summary>
    /// A RIP into a register, cut to 32 bits in 32-bit code. Changes flags where a relative one is further than 2 GiB from its page.
    /// </summary>
    private void EmitLoadRip(ref HostAssembler a, int register, ulong rip)
    {
        const int add = 0x03;
        if (!_block->IsRelative)
        {
            a.LoadConstant(register, rip);
        }
        else if (Is32)
        {
            a.LoadFrame(register, Frame.CodeBase);
            a.Lea(register, register, HostRegister.None, 0, (int)(uint)rip, wide: false);
        }
        else if ((long)rip == (int)rip)
        {
            a.LoadFrame(register, Frame.CodeBase);
            a.Lea(register, register, (int)rip);
        }
        else
        {
            a.LoadConstant(register, rip);
            a.Op64(add, register, Rsp, Frame.CodeBase);
        }
    }
}
