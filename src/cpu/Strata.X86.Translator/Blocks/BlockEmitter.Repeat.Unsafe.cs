using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// REP STOS and REP MOVS within one page each for source and destination, as kernels clear and copy structures with them. The
/// registers they use are at home in the host's registers of the same name.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private void EmitRepeat(ref HostAssembler a, in DecodedInstruction decoded)
    {
        PreserveFlags(ref a, decoded);
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool copies = instruction.Mnemonic is Mnemonic.Movsb or Mnemonic.Movsd or Mnemonic.Movsq;
        int size = instruction.MemorySize.GetSize();
        Site site = new()
        {
            Kind = SiteKind.Interpret,
            Rip = instruction.IP,
            Code = (ushort)instruction.Code,
            Length = (byte)instruction.Length,
        };

        RequireForward(ref a, site);
        if (Is32)
        {
            RequireNarrow(ref a, site);
        }

        a.Immediate32(CompareGroup, Rcx, PageSize / size, wide: true);
        LeaveIf(ref a, HostCondition.Above, site);
        if (copies)
        {
            EmitRangeCheck(ref a, Rsi, ReadTag, size, site);
            a.StoreFrame(Frame.Temporary, Scratch2);
        }

        EmitRangeCheck(ref a, Rdi, WriteTag, size, site);
        if (copies)
        {
            a.LoadFrame(Scratch1, Frame.Temporary);
            Wide(ref a, 0x01, Scratch1, Rsi, wide: true);
        }

        Wide(ref a, 0x01, Scratch2, Rdi, wide: true);
        a.Byte(0xF3);
        if (size == 8)
        {
            a.Byte(0x48);
        }

        a.Byte((copies ? 0xA4 : 0xAA) | (size == 1 ? 0 : 1));
        Wide(ref a, 0x29, Scratch2, Rdi, wide: true);
        Narrow(ref a, Rdi);
        if (copies)
        {
            Wide(ref a, 0x29, Scratch1, Rsi, wide: true);
            Narrow(ref a, Rsi);
        }
    }

    /// <summary>Leaves unless RCX elements at a register's address lie in one page that the TLB knows; its addend into Scratch2.</summary>
    private void EmitRangeCheck(ref HostAssembler a, int register, int tag, int size, Site site)
    {
        a.ShiftedCopy(Scratch2, register, 7);
        a.And32(Scratch2, OffsetMask);
        a.Move(Scratch1, register);
        a.Op64Indexed(0x2B, Scratch1, HostRegister.Tlb, Scratch2, tag);
        a.Immediate32(CompareGroup, Scratch1, PageSize - 1, wide: true);
        LeaveIf(ref a, HostCondition.Above, site);
        a.Lea(Scratch1, Scratch1, Rcx, System.Numerics.BitOperations.Log2((uint)size), 0, wide: true);
        a.Immediate32(CompareGroup, Scratch1, PageSize, wide: true);
        LeaveIf(ref a, HostCondition.Above, site);
        a.Op64Indexed(0x8B, Scratch2, HostRegister.Tlb, Scratch2, AddendField);
    }
}
