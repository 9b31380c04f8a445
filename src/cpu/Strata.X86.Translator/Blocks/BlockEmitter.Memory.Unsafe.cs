using System.Numerics;
using Iced.Intel;
using Strata.X86.Paging;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>Addresses, the inline TLB check, and instructions whose memory accesses are implied.</summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int ReadTag = 0;
    private const int WriteTag = 8;
    private const int AddendField = 24;
    private const int PageSize = 4096;

    private static readonly int OffsetMask = (int)Paging.Tlb.OffsetMask;

    /// <summary>Guest register number of an address register.</summary>
    private static int NumberOf(Register register) => register.GetFullRegister() - Register.RAX;

    /// <summary>The linear address of the memory operand into Scratch1. Uses Scratch2; flags may change for FS and GS.</summary>
    private void EmitAddress(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        EmitEffectiveAddress(ref a, instruction, Scratch1, wide: !Is32);
        Register segment = instruction.MemorySegment;
        if (segment is Register.FS or Register.GS)
        {
            if (Is32)
            {
                EmitAddBase32(ref a, decoded);
                return;
            }

            a.Op64(0x03, Scratch1, Rsp, segment == Register.FS ? Frame.FsBase : Frame.GsBase);
        }
    }

    /// <summary>The offset of the memory operand, without a segment base.</summary>
    /// <param name="wide">False truncates to 32 bits; address-size prefixes do so in any case.</param>
    private void EmitEffectiveAddress(ref HostAssembler a, in Instruction instruction, int to, bool wide)
    {
        Register baseRegister = instruction.MemoryBase;
        if (baseRegister is Register.RIP or Register.EIP)
        {
            ulong target = instruction.MemoryDisplacement64;
            if (_block->IsRelative)
            {
                a.LoadFrame(to, Frame.CodeBase);
                a.Lea(to, to, HostRegister.None, 0, (int)target, wide);
                return;
            }

            a.LoadConstant(to, wide ? target : (uint)target);
            return;
        }

        int at = HostRegister.None;
        if (baseRegister != Register.None)
        {
            at = HomeOf(NumberOf(baseRegister));
            if (at < 0)
            {
                a.LoadFrame(Scratch1, SlotOf(NumberOf(baseRegister)));
                at = Scratch1;
            }
        }

        int index = HostRegister.None;
        if (instruction.MemoryIndex != Register.None)
        {
            index = HomeOf(NumberOf(instruction.MemoryIndex));
            if (index < 0)
            {
                a.LoadFrame(Scratch2, SlotOf(NumberOf(instruction.MemoryIndex)));
                index = Scratch2;
            }
        }

        bool is32 = IsAddress32(instruction);
        int scale = instruction.MemoryIndexScale switch { 1 => 0, 2 => 1, 4 => 2, _ => 3 };
        a.Lea(to, at, index, scale, (int)instruction.MemoryDisplacement64, wide && !is32);
    }

    private static bool IsAddress32(in Instruction instruction)
    {
        Register register = instruction.MemoryBase != Register.None ? instruction.MemoryBase : instruction.MemoryIndex;
        return register == Register.EIP || register.IsGPR32();
    }

    /// <summary>How the linear address of an access is formed: what is needed to form it again.</summary>
    /// <param name="Base">Host register; Scratch2 stands for <paramref name="Slot"/>; −1 when the address cannot be formed again.</param>
    /// <param name="Index">Host register, Scratch2 for <paramref name="Slot"/>, or −1.</param>
    /// <param name="Slot">Frame offset of the one part that has no host register.</param>
    /// <param name="Wide">False truncates to 32 bits.</param>
    private readonly record struct AddressForm(int Base, int Index, int Scale, int Displacement, int Slot = 0, bool Wide = true)
    {
        /// <summary>Not to be formed again: both parts live in the frame, or a segment base was added.</summary>
        public static AddressForm Lost => new(HostRegister.None, HostRegister.None, 0, 0);

        public bool UsesSlot => Base == Scratch2 || Index == Scratch2;

        /// <summary>Whether the address has to be kept instead of formed again.</summary>
        public bool IsKept(bool keepScratch2) => Base < 0 || (keepScratch2 && UsesSlot);
    }

    private static AddressForm FormOf(in Instruction instruction)
    {
        if (instruction.MemorySegment is Register.FS or Register.GS
            || instruction.MemoryBase is Register.None or Register.RIP or Register.EIP)
        {
            return AddressForm.Lost;
        }

        int baseNumber = NumberOf(instruction.MemoryBase);
        bool indexed = instruction.MemoryIndex != Register.None;
        int indexNumber = indexed ? NumberOf(instruction.MemoryIndex) : HostRegister.None;
        bool baseInFrame = HomeOf(baseNumber) < 0;
        bool indexInFrame = indexed && HomeOf(indexNumber) < 0;
        if (baseInFrame && indexInFrame)
        {
            return AddressForm.Lost;
        }

        int at = baseInFrame ? Scratch2 : HomeOf(baseNumber);
        int index = indexInFrame ? Scratch2 : indexed ? HomeOf(indexNumber) : HostRegister.None;
        int slot = baseInFrame ? SlotOf(baseNumber) : indexInFrame ? SlotOf(indexNumber) : 0;
        int scale = instruction.MemoryIndexScale switch { 1 => 0, 2 => 1, 4 => 2, _ => 3 };
        return new AddressForm(at, index, scale, (int)instruction.MemoryDisplacement64, slot, Wide: !IsAddress32(instruction));
    }

    /// <summary>
    /// Checks that the linear address in Scratch1 leads to RAM with the rights needed, or leaves. Clobbers both scratch registers
    /// and the host's flags.
    /// </summary>
    /// <param name="site">What to do otherwise, and the access: 1 to 64 bytes.</param>
    /// <param name="keepScratch2">The caller needs Scratch2, or changes registers of the address: neither must be part of the
    /// operand.</param>
    /// <param name="isRun">Several accesses, which are checked one by one where they do not lie in one page.</param>
    /// <returns>The host's operand for the access.</returns>
    private HostOperand EmitCheck(ref HostAssembler a, in AddressForm form, in Site site, bool keepScratch2, bool isRun = false)
    {
        int tag = site.IsWrite ? WriteTag : ReadTag;
        int apart = isRun ? AddSite(new Site { Kind = SiteKind.Apart, Rip = site.Rip }) : 0;
        a.ShiftedCopy(Scratch2, Scratch1, 7);
        a.And32(Scratch2, OffsetMask);
        a.Op64Indexed(0x2B, Scratch1, HostRegister.Tlb, Scratch2, tag);
        a.Immediate32(7, Scratch1, PageSize - site.Size, wide: true);
        _cold.Add(new ColdPath(
            (nint)a.JumpIf(HostCondition.Above),
            AddSite(site)) { TagOffset = tag, SharedSize = isRun ? site.Size : (byte)0, Apart = apart });
        if (site.IsAligned)
        {
            a.Byte(0x41); // test r14b, 15 or 31
            a.Byte(0xF6);
            a.Byte(0xC0 | (Scratch1 & 7));
            a.Byte(site.Size - 1);
            LeaveIf(ref a, HostCondition.NotEqual, new Site { Kind = SiteKind.Interpret, Rip = site.Rip });
        }

        // The address is formed again beside the TLB's load rather than behind it: two cycles less for what waits for the data.
        if (form.IsKept(keepScratch2))
        {
            a.Op64Indexed(0x03, Scratch1, HostRegister.Tlb, Scratch2, tag);
            a.Op64Indexed(0x03, Scratch1, HostRegister.Tlb, Scratch2, AddendField);
            return new HostOperand(Scratch1);
        }

        if (form.UsesSlot)
        {
            a.Op64Indexed(0x8B, Scratch1, HostRegister.Tlb, Scratch2, AddendField);
            a.LoadFrame(Scratch2, form.Slot);
            if (form.Index < 0 && form.Wide)
            {
                return new HostOperand(Scratch2, Scratch1, form.Displacement);
            }

            a.Lea(Scratch2, form.Base, form.Index, form.Scale, form.Displacement, form.Wide);
            return new HostOperand(Scratch2, Scratch1, 0);
        }

        if (form.Index < 0 && form.Wide && !keepScratch2)
        {
            a.Op64Indexed(0x8B, Scratch2, HostRegister.Tlb, Scratch2, AddendField);
            return new HostOperand(form.Base, Scratch2, form.Displacement);
        }

        a.Lea(Scratch1, form.Base, form.Index, form.Scale, form.Displacement, form.Wide);
        if (keepScratch2)
        {
            a.Op64Indexed(0x03, Scratch1, HostRegister.Tlb, Scratch2, AddendField);
            return new HostOperand(Scratch1);
        }

        a.Op64Indexed(0x8B, Scratch2, HostRegister.Tlb, Scratch2, AddendField);
        return new HostOperand(Scratch1, Scratch2, 0);
    }

    private static Site AccessSite(in DecodedInstruction decoded, int size, bool write, bool stack, byte* restart) => new()
    {
        Kind = SiteKind.Access,
        Rip = decoded.Instruction.IP,
        Resume = restart,
        IsWrite = write,
        IsStack = stack,
        IsAligned = decoded.Traits.IsAligned,
        Size = (byte)size,
        FirstSize = (byte)size,
    };

    /// <summary>Check of the explicit memory operand.</summary>
    /// <param name="restart">Where to start again when a later access of the instruction misses.</param>
    private HostOperand EmitOperandCheck(
        ref HostAssembler a, in DecodedInstruction decoded, bool write, bool keepScratch2, out byte* restart)
    {
        if (decoded.Shared.IsShared)
        {
            return EmitSharedCheck(ref a, decoded, keepScratch2, out restart);
        }

        PreserveFlags(ref a, decoded);
        restart = a.At;
        ref readonly Instruction instruction = ref decoded.Instruction;
        int size = Math.Max(1, instruction.MemorySize.GetSize());
        if (_isSegmented)
        {
            return EmitSegmentedCheck(ref a, decoded, size, write, restart, keepScratch2);
        }

        if (Is32 && TryEmitConstantCheck32(ref a, decoded, size, write, restart, out HostOperand known))
        {
            return known;
        }

        if (!decoded.Traits.IsBitString && TryEmitConstantCheck(ref a, decoded, size, write, restart, out HostOperand operand))
        {
            return operand;
        }

        EmitAddress(ref a, decoded);
        if (decoded.Table != 0 && BitOperations.IsPow2(size) && !decoded.Traits.IsAligned && !decoded.Traits.IsBitString)
        {
            return EmitTableCheck(ref a, decoded, size, write, restart, keepScratch2);
        }

        if (decoded.Traits.IsBitString)
        {
            return EmitBitStringCheck(ref a, decoded, size, write, restart, keepScratch2);
        }

        Site site = AccessSite(decoded, size, write, instruction.MemorySegment == Register.SS, restart);
        return EmitCheck(ref a, FormOf(instruction), site, keepScratch2);
    }

    /// <summary>
    /// An address in Scratch1 that probably lies in a known page: its TLB entry does not depend on the address, which so is not in
    /// the way of the access. Otherwise, the common check is made apart from the straight line.
    /// </summary>
    private HostOperand EmitTableCheck(
        ref HostAssembler a, in DecodedInstruction decoded, int size, bool write, byte* restart, bool keepScratch2)
    {
        const int and = 4;
        int tag = write ? WriteTag : ReadTag;
        int entry = (int)((decoded.Table >> 7) & Paging.Tlb.OffsetMask);
        a.Move(Scratch2, Scratch1);
        a.Immediate32(and, Scratch2, ~(PageSize - 1) | (size - 1), wide: true); // what is not aligned may cross the page
        a.Op64(CompareMemory, Scratch2, HostRegister.Tlb, entry + tag);
        byte* elsewhere = a.JumpIf(HostCondition.NotEqual);
        a.Load(Scratch2, HostRegister.Tlb, entry + AddendField);
        Site site = AccessSite(decoded, size, write, decoded.Instruction.MemorySegment == Register.SS, restart);
        _tables.Add(new TablePath((nint)elsewhere, (nint)a.At, AddSite(site), tag, size));
        if (keepScratch2)
        {
            a.Op64(0x03, Scratch1, Scratch2);
            return new HostOperand(Scratch1);
        }

        return new HostOperand(Scratch1, Scratch2, 0);
    }

    /// <summary>The common check for accesses outside of the page that was guessed.</summary>
    private void EmitTablePaths(ref HostAssembler a)
    {
        foreach (TablePath path in _tables)
        {
            HostAssembler.Patch((byte*)path.Place, a.At);
            a.ShiftedCopy(Scratch2, Scratch1, 7);
            a.And32(Scratch2, OffsetMask);
            a.Op64Indexed(0x2B, Scratch1, HostRegister.Tlb, Scratch2, path.Tag);
            a.Immediate32(CompareGroup, Scratch1, PageSize - path.Size, wide: true);
            _cold.Add(new ColdPath((nint)a.JumpIf(HostCondition.Above), path.Site) { TagOffset = path.Tag });
            a.Op64Indexed(0x03, Scratch1, HostRegister.Tlb, Scratch2, path.Tag);
            a.Op64Indexed(0x8B, Scratch2, HostRegister.Tlb, Scratch2, AddendField);
            a.Jump((byte*)path.Back);
        }
    }

    /// <summary>An address that is known now: so are its TLB entry and tag. Uses Scratch1 only.</summary>
    private bool TryEmitConstantCheck(
        ref HostAssembler a, in DecodedInstruction decoded, int size, bool write, byte* restart, out HostOperand operand)
    {
        operand = default;
        ref readonly Instruction instruction = ref decoded.Instruction;
        ulong va = instruction.MemoryDisplacement64;
        bool constant = instruction.MemoryBase == Register.RIP
            && !_block->IsRelative
            && instruction.MemorySegment is not (Register.FS or Register.GS);
        bool fits = (long)va == (int)va && (va & (PageSize - 1)) + (ulong)size <= PageSize;
        if (!constant || !fits || (decoded.Traits.IsAligned && (va & (ulong)(size - 1)) != 0))
        {
            return false;
        }

        int entry = (int)((va >> 7) & Paging.Tlb.OffsetMask);
        a.CompareQword(HostRegister.Tlb, entry + (write ? WriteTag : ReadTag), (int)(va & ~(ulong)(PageSize - 1)));
        int site = AddSite(AccessSite(decoded, size, write, stack: false, restart));
        _cold.Add(new ColdPath((nint)a.JumpIf(HostCondition.NotEqual), site) { Constant = va });
        a.Load(Scratch1, HostRegister.Tlb, entry + AddendField);
        operand = new HostOperand(Scratch1, HostRegister.None, (int)va);
        return true;
    }

    /// <summary>
    /// Checks the word that holds the selected bit, as far from the operand in Scratch1 as it may be. The host's own instruction
    /// starts from the operand and goes the same way.
    /// </summary>
    private HostOperand EmitBitStringCheck(
        ref HostAssembler a, in DecodedInstruction decoded, int size, bool write, byte* restart, bool keepScratch2)
    {
        const int add = 0x01;
        const int subtract = 0x29;
        ref readonly Instruction instruction = ref decoded.Instruction;
        AddressForm form = IsAddress32(instruction) ? AddressForm.Lost : FormOf(instruction);
        EmitBitOffset(ref a, instruction, size);
        Wide(ref a, add, Scratch2, Scratch1, wide: !Is32);
        Site site = AccessSite(decoded, size, write, instruction.MemorySegment == Register.SS, restart);
        HostOperand operand = EmitCheck(ref a, form, site, keepScratch2);
        if (form.IsKept(keepScratch2))
        {
            EmitBitOffset(ref a, instruction, size);
            Wide(ref a, subtract, Scratch2, Scratch1, wide: true);
        }

        return operand;
    }

    /// <summary>How far from a bit string's start the selected bit's word lies: bytes, into Scratch2.</summary>
    private static void EmitBitOffset(ref HostAssembler a, in Instruction instruction, int size)
    {
        int guest = NumberOf(instruction.Op1Register);
        if (HomeOf(guest) >= 0)
        {
            a.Move(Scratch2, HomeOf(guest));
        }
        else
        {
            a.LoadFrame(Scratch2, SlotOf(guest));
        }

        int unused = 64 - (size * 8);
        if (unused != 0)
        {
            a.Shift64(HostAssembler.ShiftLeft, Scratch2, unused);
        }

        a.Shift64(HostAssembler.ShiftRightSigned, Scratch2, unused + BitOperations.Log2((uint)size * 8));
        a.Shift64(HostAssembler.ShiftLeft, Scratch2, BitOperations.Log2((uint)size));
    }

    /// <summary>LEA; a 16-bit destination is the interpreter's.</summary>
    private void EmitLea(ref HostAssembler a, in DecodedInstruction decoded)
    {
        int guest = NumberOf(decoded.Instruction.Op0Register);
        int home = HomeOf(guest);
        bool wide = decoded.Instruction.Op0Register.IsGPR64();
        EmitEffectiveAddress(ref a, decoded.Instruction, home >= 0 ? home : Scratch1, wide);
        if (home < 0)
        {
            a.StoreFrame(SlotOf(guest), Scratch1);
        }
    }

    private void EmitPush(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        byte* restart = null;
        if (instruction.Op0Kind == OpKind.Memory)
        {
            EmitLoadTemporary(ref a, decoded, out restart);
        }

        int value = instruction.Op0Kind == OpKind.Register ? HomeOf(NumberOf(instruction.Op0Register)) : HostRegister.None;
        bool isConstant = instruction.Op0Kind is not (OpKind.Register or OpKind.Memory);
        HostOperand place = EmitPushCheck(ref a, decoded, restart, keepScratch2: value < 0 && !isConstant);
        if (isConstant)
        {
            StoreSlotImmediate(ref a, place, (int)instruction.GetImmediate(0));
        }
        else if (value >= 0)
        {
            StoreSlot(ref a, place, value);
        }
        else
        {
            a.LoadFrame(Scratch2, instruction.Op0Kind == OpKind.Memory ? Frame.Temporary : SlotOf(NumberOf(instruction.Op0Register)));
            StoreSlot(ref a, place, Scratch2);
        }

        MoveStackPointer(ref a, -SlotBytes);
    }

    /// <summary>Reads the memory operand into the frame, as another access follows.</summary>
    private void EmitLoadTemporary(ref HostAssembler a, in DecodedInstruction decoded, out byte* restart)
    {
        HostOperand operand = EmitOperandCheck(ref a, decoded, write: false, keepScratch2: false, out restart);
        LoadSlot(ref a, Scratch1, operand);
        a.StoreFrame(Frame.Temporary, Scratch1);
    }

    /// <summary>Checks that the slot below RSP can be written. RSP is not changed yet.</summary>
    /// <param name="restart">Where the instruction starts, or null for here.</param>
    private HostOperand EmitPushCheck(ref HostAssembler a, in DecodedInstruction decoded, byte* restart, bool keepScratch2)
    {
        PreserveFlags(ref a, decoded);
        restart = restart == null ? a.At : restart;
        StackAddress(ref a, Scratch1, GuestRsp, -SlotBytes);
        return EmitCheck(
            ref a, StackForm(GuestRsp, -SlotBytes), AccessSite(decoded, SlotBytes, write: true, stack: true, restart), keepScratch2);
    }

    /// <summary>Checks that a slot at a register can be read.</summary>
    private HostOperand EmitStackRead(ref HostAssembler a, in DecodedInstruction decoded, int register)
    {
        PreserveFlags(ref a, decoded);
        byte* restart = a.At;
        StackAddress(ref a, Scratch1, register, 0);
        return EmitCheck(
            ref a, StackForm(register, 0), AccessSite(decoded, SlotBytes, write: false, stack: true, restart), keepScratch2: false);
    }

    private void EmitPop(ref HostAssembler a, in DecodedInstruction decoded)
    {
        HostOperand place = EmitStackRead(ref a, decoded, GuestRsp);
        int guest = NumberOf(decoded.Instruction.Op0Register);
        int home = HomeOf(guest);
        LoadSlot(ref a, home < 0 ? Scratch2 : home, place);
        if (home < 0)
        {
            a.StoreFrame(SlotOf(guest), Scratch2);
        }

        if (home != GuestRsp)
        {
            MoveStackPointer(ref a, SlotBytes); // POP RSP keeps the popped value
        }
    }

    private void EmitLeave(ref HostAssembler a, in DecodedInstruction decoded)
    {
        HostOperand place = EmitStackRead(ref a, decoded, Rbp);
        StackAddress(ref a, GuestRsp, Rbp, SlotBytes);
        LoadSlot(ref a, Rbp, place);
    }
}
