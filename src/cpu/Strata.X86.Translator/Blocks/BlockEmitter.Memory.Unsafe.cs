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
    private const int PageField = 24;
    private const int PageSize = 4096;

    private static readonly int OffsetMask = (int)Paging.Tlb.OffsetMask;

    /// <summary>Guest register number of an address register.</summary>
    private static int NumberOf(Register register) => register.GetFullRegister() - Register.RAX;

    /// <summary>The linear address of the memory operand into Scratch1. Uses Scratch2; flags may change for FS and GS.</summary>
    private static void EmitAddress(ref HostAssembler a, in Instruction instruction)
    {
        EmitEffectiveAddress(ref a, instruction, Scratch1, wide: true);
        Register segment = instruction.MemorySegment;
        if (segment is Register.FS or Register.GS)
        {
            a.Op64(0x03, Scratch1, Rsp, segment == Register.FS ? Frame.FsBase : Frame.GsBase);
        }
    }

    /// <summary>The offset of the memory operand, without a segment base.</summary>
    /// <param name="wide">False truncates to 32 bits; address-size prefixes do so in any case.</param>
    private static void EmitEffectiveAddress(ref HostAssembler a, in Instruction instruction, int to, bool wide)
    {
        Register baseRegister = instruction.MemoryBase;
        if (baseRegister is Register.RIP or Register.EIP)
        {
            ulong target = instruction.MemoryDisplacement64;
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

    /// <summary>
    /// Turns the linear address in Scratch1 into a host address, or leaves. Clobbers Scratch2 and the host's flags.
    /// </summary>
    /// <param name="size">Bytes, 1..64.</param>
    private void EmitCheck(ref HostAssembler a, in DecodedInstruction decoded, int size, bool write, bool stack, byte* restart, bool aligned = false)
    {
        int tag = write ? WriteTag : ReadTag;
        a.ShiftedCopy(Scratch2, Scratch1, 7);
        a.And32(Scratch2, OffsetMask);
        a.Op64Indexed(0x2B, Scratch1, HostRegister.Tlb, Scratch2, tag);
        a.Immediate32(7, Scratch1, PageSize - size, wide: true);
        int site = AddSite(new Site
        {
            Kind = SiteKind.Access,
            Rip = decoded.Instruction.IP,
            Resume = restart,
            IsWrite = write,
            IsStack = stack,
            Size = (byte)size,
        });
        _cold.Add(new ColdPath((nint)a.JumpIf(HostCondition.Above), site) { TagOffset = tag });
        if (aligned)
        {
            a.Byte(0x41); // test r14b, 15
            a.Byte(0xF6);
            a.Byte(0xC0 | (Scratch1 & 7));
            a.Byte(15);
            LeaveIf(ref a, HostCondition.NotEqual, new Site { Kind = SiteKind.Interpret, Rip = decoded.Instruction.IP });
        }

        a.Op64Indexed(0x03, Scratch1, HostRegister.Tlb, Scratch2, PageField);
    }

    /// <summary>Address and check of the explicit memory operand; the host address is in Scratch1 afterwards.</summary>
    /// <returns>Where to start again when a later access of the instruction misses.</returns>
    private byte* EmitOperandCheck(ref HostAssembler a, in DecodedInstruction decoded, bool write)
    {
        PreserveFlags(ref a, decoded);
        byte* restart = a.At;
        EmitAddress(ref a, decoded.Instruction);
        int size = Math.Max(1, decoded.Instruction.MemorySize.GetSize());
        bool stack = decoded.Instruction.MemorySegment == Register.SS;
        EmitCheck(ref a, decoded, size, write, stack, restart, decoded.Traits.IsAligned);
        return restart;
    }

    /// <summary>LEA; a 16-bit destination is the interpreter's.</summary>
    private static void EmitLea(ref HostAssembler a, in DecodedInstruction decoded)
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
        bool fromMemory = instruction.Op0Kind == OpKind.Memory;
        byte* restart = null;
        if (fromMemory)
        {
            restart = EmitOperandCheck(ref a, decoded, write: false);
            a.Load(Scratch1, Scratch1, 0);
            a.StoreFrame(Frame.Temporary, Scratch1);
        }

        EmitPushCheck(ref a, decoded, restart);
        int value = Scratch2;
        if (fromMemory)
        {
            a.LoadFrame(Scratch2, Frame.Temporary);
        }
        else if (instruction.Op0Kind == OpKind.Register)
        {
            int guest = NumberOf(instruction.Op0Register);
            value = HomeOf(guest);
            if (value < 0)
            {
                a.LoadFrame(Scratch2, SlotOf(guest));
                value = Scratch2;
            }
        }
        else
        {
            a.LoadConstant(Scratch2, instruction.GetImmediate(0));
        }

        a.Store(Scratch1, 0, value);
        a.Lea(GuestRsp, GuestRsp, -8);
    }

    /// <summary>Checks that eight bytes below RSP can be written; their host address is in Scratch1. RSP is not changed yet.</summary>
    /// <param name="restart">Where the instruction starts, or null for here.</param>
    private void EmitPushCheck(ref HostAssembler a, in DecodedInstruction decoded, byte* restart)
    {
        PreserveFlags(ref a, decoded);
        restart = restart == null ? a.At : restart;
        a.Lea(Scratch1, GuestRsp, -8);
        EmitCheck(ref a, decoded, 8, write: true, stack: true, restart);
    }

    /// <summary>Checks that eight bytes at a register can be read; their host address is in Scratch1.</summary>
    private void EmitStackRead(ref HostAssembler a, in DecodedInstruction decoded, int register)
    {
        PreserveFlags(ref a, decoded);
        byte* restart = a.At;
        a.Move(Scratch1, register);
        EmitCheck(ref a, decoded, 8, write: false, stack: true, restart);
    }

    private void EmitPop(ref HostAssembler a, in DecodedInstruction decoded)
    {
        EmitStackRead(ref a, decoded, GuestRsp);
        int guest = NumberOf(decoded.Instruction.Op0Register);
        int home = HomeOf(guest);
        a.Lea(GuestRsp, GuestRsp, 8);
        a.Load(home < 0 ? Scratch2 : home, Scratch1, 0); // POP RSP keeps the popped value
        if (home < 0)
        {
            a.StoreFrame(SlotOf(guest), Scratch2);
        }
    }

    private void EmitLeave(ref HostAssembler a, in DecodedInstruction decoded)
    {
        EmitStackRead(ref a, decoded, Rbp);
        a.Lea(GuestRsp, Rbp, 8);
        a.Load(Rbp, Scratch1, 0);
    }
}
