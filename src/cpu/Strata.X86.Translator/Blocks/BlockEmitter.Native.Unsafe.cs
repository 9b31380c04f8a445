using Iced.Intel;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>Instructions that the host executes itself, re-encoded with other registers and address.</summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int CompareGroup = 7;

    private void EmitNative(ref HostAssembler a, in DecodedInstruction decoded, byte* code)
    {
        GuestEncoding e = GuestEncoding.Parse(code, decoded.Instruction.Length, _block->Mode);
        if (_isSegmented)
        {
            AdjustOperandSize(ref e, decoded.Instruction);
        }

        InstructionTraits traits = decoded.Traits;
        bool memory = e.HasModRm && !e.IsRegisterForm;
        if (e.CanExchange && HomeOf(e.Reg) < 0 && !traits.WritesReg && HomeOf(e.Rm) >= 0)
        {
            e = e.Exchanged(); // what lives in the frame is read there
            traits = traits.Exchanged();
        }

        NoteUppers(ref a, decoded);
        e.Lock &= !IsLockNeedless(decoded.Instruction);
        RegisterMap map = new(traits, e);
        HostOperand operand = default;
        if (memory)
        {
            bool keep = map.ReadsScratch2 || map.SwapsBytes || decoded.NeedsHostFlags; // restoring flags takes Scratch2 as well
            operand = EmitOperandCheck(ref a, decoded, decoded.Traits.WritesMemory, keep, out _);
        }
        else if (map.RmSlot >= 0)
        {
            operand = new HostOperand(Rsp, HostRegister.None, map.RmSlot);
        }

        ProvideFlags(ref a, decoded);
        map.Load(ref a);
        if (e.IsVex)
        {
            EmitVex(ref a, e, map, operand);
        }
        else
        {
            EmitLegacy(ref a, e, map, operand);
        }

        new ReadOnlySpan<byte>(e.Immediate, e.ImmediateSize).CopyTo(new Span<byte>(a.At, e.ImmediateSize));
        a.At += e.ImmediateSize;
        if (Is32 && e.NamesRegisterInImmediate)
        {
            a.At[-1] &= 0x7F; // 32-bit code ignores the fourth bit here as well
        }

        map.Store(ref a);
        NoteFlags(decoded);
    }

    /// <summary>
    /// Before an instruction that may make an upper half other than zero, or that makes them zero: says so to the exit stub.
    /// </summary>
    private void NoteUppers(ref HostAssembler a, in DecodedInstruction decoded)
    {
        if (decoded.Instruction.Mnemonic is Mnemonic.Vzeroupper or Mnemonic.Vzeroall)
        {
            a.StoreDword(Rsp, Frame.UppersDirty, 0);
            _uppersNoted = false;
        }
        else if (decoded.Traits.WritesUppers && !_uppersNoted)
        {
            a.StoreDword(Rsp, Frame.UppersDirty, 1);
            _uppersNoted = true;
        }
    }

    /// <summary>
    /// Whether nobody can tell that an instruction is not locked. One on the stack is kept: it stands for a fence, which a driver in a
    /// user program may use between its accesses and a device's.
    /// </summary>
    private bool IsLockNeedless(in Instruction instruction) =>
        _block->OmitsLocks && instruction.MemoryBase is not (Register.RSP or Register.ESP);

    private static void EmitLegacy(ref HostAssembler a, in GuestEncoding e, in RegisterMap map, in HostOperand operand)
    {
        if (e.Prefix66)
        {
            a.Byte(0x66);
        }

        if (e.Repeat != 0)
        {
            a.Byte(e.Repeat);
        }

        if (e.Lock)
        {
            a.Byte(0xF0);
        }

        int rm = !e.HasModRm ? map.Opcode >> 3 : UsesRegister(e, map) ? map.Rm >> 3 : operand.Rex;
        int rex = (e.W ? 8 : 0) | ((map.Reg >> 3) << 2) | rm;
        if (rex != 0 || map.NeedsRex)
        {
            a.Byte(0x40 | rex);
        }

        if (e.Map != 0)
        {
            a.Byte(0x0F);
        }

        if (e.Map >= 2)
        {
            a.Byte(e.Map == 2 ? 0x38 : 0x3A);
        }

        a.Byte(map.HasOpcode ? (e.Opcode & 0xF8) | (map.Opcode & 7) : e.Opcode);
        if (e.HasModRm)
        {
            EmitModRm(ref a, e, map, operand);
        }
    }

    private static void EmitVex(ref HostAssembler a, in GuestEncoding e, in RegisterMap map, in HostOperand operand)
    {
        a.Byte(0xC4);
        int rex = UsesRegister(e, map) ? map.Rm >> 3 : operand.Rex;
        a.Byte((map.Reg < 8 ? 0x80 : 0) | ((~rex & 3) << 5) | e.Map);
        a.Byte((e.VexW ? 0x80 : 0) | ((~map.Vvvv & 0xF) << 3) | (e.VexL ? 4 : 0) | e.VexPrefix);
        a.Byte(e.Opcode);
        if (e.HasModRm)
        {
            EmitModRm(ref a, e, map, operand);
        }
    }

    private static bool UsesRegister(in GuestEncoding e, in RegisterMap map) => e.IsRegisterForm && map.RmSlot < 0;

    private static void EmitModRm(ref HostAssembler a, in GuestEncoding e, in RegisterMap map, in HostOperand operand)
    {
        if (UsesRegister(e, map))
        {
            a.Byte(0xC0 | ((map.Reg & 7) << 3) | (map.Rm & 7));
        }
        else
        {
            a.Memory(map.Reg, operand);
        }
    }

    /// <summary>
    /// DIV and IDIV of 32 and 64 bits. What would raise #DE on the host is left to the interpreter: for DIV, a divisor not above
    /// the high half; for IDIV, a dividend wider than its low half, and divisors 0 and −1.
    /// </summary>
    private void EmitDivide(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool wide = instruction.Code is Code.Div_rm64 or Code.Idiv_rm64;
        bool signed = instruction.Mnemonic == Mnemonic.Idiv;
        if (instruction.Op0Kind == OpKind.Memory)
        {
            HostOperand operand = EmitOperandCheck(ref a, decoded, write: false, keepScratch2: false, out _);
            a.Op(0x8B, Scratch2, operand, wide);
        }
        else
        {
            PreserveFlags(ref a, decoded);
            int guest = NumberOf(instruction.Op0Register);
            if (HomeOf(guest) >= 0)
            {
                a.Move(Scratch2, HomeOf(guest));
            }
            else
            {
                a.LoadFrame(Scratch2, SlotOf(guest));
            }
        }

        Site site = new() { Kind = SiteKind.Interpret, Rip = instruction.IP };
        if (signed)
        {
            Wide(ref a, 0x89, Rax, Scratch1, wide);
            Shift31(ref a, Scratch1, wide);
            Wide(ref a, 0x39, Rdx, Scratch1, wide);
            LeaveIf(ref a, HostCondition.NotEqual, site);
            a.Lea(Scratch1, Scratch2, HostRegister.None, 0, 1, wide);
            a.Immediate32(CompareGroup, Scratch1, 1, wide);
            LeaveIf(ref a, HostCondition.BelowOrEqual, site);
        }
        else
        {
            Wide(ref a, 0x39, Scratch2, Rdx, wide);
            LeaveIf(ref a, HostCondition.AboveOrEqual, site);
        }

        Wide(ref a, 0xF7, signed ? 7 : 6, Scratch2, wide);
        _flagsInHost = true;
        _flagsInFrame = false;
    }

    /// <summary>A 32- or 64-bit operation of a register and a register.</summary>
    private static void Wide(ref HostAssembler a, int opcode, int register, int rm, bool wide)
    {
        int rex = (wide ? 8 : 0) | ((register >> 3) << 2) | (rm >> 3);
        if (rex != 0)
        {
            a.Byte(0x40 | rex);
        }

        a.Byte(opcode);
        a.Byte(0xC0 | ((register & 7) << 3) | (rm & 7));
    }

    /// <summary>SAR by 31 or 63: the sign in every bit.</summary>
    private static void Shift31(ref HostAssembler a, int register, bool wide)
    {
        a.Byte(0x40 | (wide ? 8 : 0) | (register >> 3));
        a.Byte(0xC1);
        a.Byte(0xF8 | (register & 7));
        a.Byte(wide ? 63 : 31);
    }
}
