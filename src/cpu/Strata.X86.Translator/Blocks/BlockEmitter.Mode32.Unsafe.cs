using Iced.Intel;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Where 32-bit code differs: linear addresses and EIP are cut to 32 bits, stack slots have four bytes. The upper halves of guest
/// registers are what 64-bit code left in them until an instruction writes the register: addresses never take them in.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private bool Is32 => _block->Mode == CodeMode.Code32;

    /// <summary>Bytes that PUSH and POP move.</summary>
    private int SlotBytes => Is32 ? 4 : 8;

    /// <summary>RIP behind an instruction.</summary>
    private ulong NextOf(in Instruction instruction) => Is32 ? (uint)instruction.NextIP : instruction.NextIP;

    private void LoadSlot(ref HostAssembler a, int register, in HostOperand slot) => a.Op(0x8B, register, slot, wide: !Is32);

    private void StoreSlot(ref HostAssembler a, in HostOperand slot, int register) => a.Op(0x89, register, slot, wide: !Is32);

    private void StoreSlotImmediate(ref HostAssembler a, in HostOperand slot, int value)
    {
        a.Op(0xC7, 0, slot, wide: !Is32);
        a.Dword(value);
    }

    /// <summary>A stack address, or a new stack pointer, from a register.</summary>
    private void StackAddress(ref HostAssembler a, int to, int register, int displacement) =>
        a.Lea(to, register, HostRegister.None, 0, displacement, wide: !Is32);

    private void MoveStackPointer(ref HostAssembler a, int bytes) => StackAddress(ref a, GuestRsp, GuestRsp, bytes);

    private AddressForm StackForm(int register, int displacement) => new(register, HostRegister.None, 0, displacement, Wide: !Is32);

    /// <summary>
    /// Adds the base of FS or GS to the offset in Scratch1. A segment that may not be used for everything is the interpreter's.
    /// </summary>
    private void EmitAddBase32(ref HostAssembler a, in DecodedInstruction decoded)
    {
        bool isFs = decoded.Instruction.MemorySegment == Register.FS;
        a.CompareDword(Rsp, isFs ? Frame.FsAllowed : Frame.GsAllowed, 0);
        LeaveIf(ref a, HostCondition.Equal, new Site { Kind = SiteKind.Interpret, Rip = decoded.Instruction.IP });
        a.Op32(0x03, Scratch1, Rsp, isFs ? Frame.FsBase : Frame.GsBase);
    }

    /// <summary>An absolute address: its TLB entry and tag are known now. Uses Scratch1 only.</summary>
    private bool TryEmitConstantCheck32(
        ref HostAssembler a, in DecodedInstruction decoded, int size, bool write, byte* restart, out HostOperand operand)
    {
        operand = default;
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool constant = instruction.MemoryBase == Register.None && instruction.MemoryIndex == Register.None
            && instruction.MemorySegment is not (Register.FS or Register.GS) && !decoded.Traits.IsBitString;
        uint va = instruction.MemoryDisplacement32;
        int offset = (int)(va & (PageSize - 1));
        if (!constant || offset + size > PageSize || (decoded.Traits.IsAligned && (va & (uint)(size - 1)) != 0))
        {
            return false;
        }

        int entry = (int)((va >> 7) & Paging.Tlb.OffsetMask);
        a.LoadConstant(Scratch1, va - (uint)offset);
        a.Op64(CompareMemory, Scratch1, HostRegister.Tlb, entry + (write ? WriteTag : ReadTag));
        int site = AddSite(AccessSite(decoded, size, write, stack: instruction.MemorySegment == Register.SS, restart));
        _cold.Add(new ColdPath((nint)a.JumpIf(HostCondition.NotEqual), site) { Constant = va });
        a.Op64(0x03, Scratch1, HostRegister.Tlb, entry + AddendField);
        operand = new HostOperand(Scratch1, HostRegister.None, offset);
        return true;
    }

    /// <summary>Leaves if a register that REP uses has bits above 32, which would count as 64-bit code runs it here.</summary>
    private void RequireNarrow(ref HostAssembler a, in Site site)
    {
        const int or = 0x09;
        a.Move(Scratch1, Rcx);
        Wide(ref a, or, Rsi, Scratch1, wide: true);
        Wide(ref a, or, Rdi, Scratch1, wide: true);
        a.Shift64(HostAssembler.ShiftRight, Scratch1, 32);
        LeaveIf(ref a, HostCondition.NotEqual, site);
    }

    /// <summary>After REP: a pointer that has passed the last byte starts again at zero.</summary>
    private void Narrow(ref HostAssembler a, int register)
    {
        if (Is32)
        {
            Wide(ref a, 0x89, register, register, wide: false);
        }
    }
}
