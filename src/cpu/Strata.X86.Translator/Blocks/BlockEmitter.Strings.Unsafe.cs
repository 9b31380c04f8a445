using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// String instructions without REP, forward, as loads, stores and comparisons with an addition behind them. Their registers are at
/// home in the host's registers of the same name.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int LoadOpcode = 0x8A;
    private const int StoreOpcode = 0x88;
    private const int CompareOpcode = 0x3A;

    private void EmitString(ref HostAssembler a, in DecodedInstruction decoded)
    {
        if (decoded.Instruction.HasRepPrefix)
        {
            if (_isSegmented)
            {
                EmitSegmentedRepeat(ref a, decoded);
            }
            else
            {
                EmitRepeat(ref a, decoded);
            }

            return;
        }

        ref readonly Instruction instruction = ref decoded.Instruction;
        int size = instruction.MemorySize.GetSize();
        PreserveFlags(ref a, decoded);
        byte* restart = a.At;
        RequireForward(ref a, new Site { Kind = SiteKind.Interpret, Rip = instruction.IP });
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd or Mnemonic.Lodsq:
                Sized(ref a, LoadOpcode, Rax, EmitElementCheck(ref a, decoded, Rsi, write: false, restart), size);
                break;
            case Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd or Mnemonic.Stosq:
                Sized(ref a, StoreOpcode, Rax, EmitElementCheck(ref a, decoded, Rdi, write: true, restart), size);
                break;
            case Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd or Mnemonic.Scasq:
                Sized(ref a, CompareOpcode, Rax, EmitElementCheck(ref a, decoded, Rdi, write: false, restart), size);
                break;
            default:
                bool compares = decoded.MayWrite != 0;
                Sized(ref a, LoadOpcode, Scratch1, EmitElementCheck(ref a, decoded, Rsi, write: false, restart), size);
                a.StoreFrame(Frame.Temporary, Scratch1);
                HostOperand second = EmitElementCheck(ref a, decoded, Rdi, write: !compares, restart);
                a.LoadFrame(Scratch2, Frame.Temporary);
                Sized(ref a, compares ? CompareOpcode : StoreOpcode, Scratch2, second, size);
                break;
        }

        NoteFlags(decoded);
        Advance(ref a, instruction, size);
    }

    /// <summary>Checks the element at a register; the operand leaves Scratch2 free.</summary>
    private HostOperand EmitElementCheck(ref HostAssembler a, in DecodedInstruction decoded, int register, bool write, byte* restart)
    {
        if (_isSegmented)
        {
            return EmitSegmentedElement(ref a, decoded, register, write, restart);
        }

        bool stack = register == Rsi && decoded.Instruction.SegmentPrefix == Register.SS;
        StackAddress(ref a, Scratch1, register, 0);
        Site site = AccessSite(decoded, decoded.Instruction.MemorySize.GetSize(), write, stack, restart);
        return EmitCheck(ref a, StackForm(register, 0), site, keepScratch2: true);
    }

    /// <summary>ESI, EDI or both behind the element. Changes no flags.</summary>
    private void Advance(ref HostAssembler a, in Instruction instruction, int size)
    {
        if (_isSegmented)
        {
            AdvanceSegmented(ref a, instruction, size);
            return;
        }

        for (int i = 0; i < instruction.OpCount; i++)
        {
            switch (instruction.GetOpKind(i))
            {
                case OpKind.MemorySegESI or OpKind.MemorySegRSI:
                    StackAddress(ref a, Rsi, Rsi, size);
                    break;
                case OpKind.MemoryESEDI or OpKind.MemoryESRDI:
                    StackAddress(ref a, Rdi, Rdi, size);
                    break;
            }
        }
    }

    /// <summary>Leaves if RFLAGS.DF is set.</summary>
    private void RequireForward(ref HostAssembler a, in Site site)
    {
        a.Byte(0xF7); // test dword [rsp + SystemFlags], DF
        a.Memory(0, Rsp, Frame.SystemFlags);
        a.Dword((int)RFlags.DF);
        LeaveIf(ref a, HostCondition.NotEqual, site);
    }

    /// <summary>An operation of RAX or a register above 7 with memory, of 1, 2, 4 or 8 bytes.</summary>
    /// <param name="opcode">The form for bytes; the one above it is for the other sizes.</param>
    private static void Sized(ref HostAssembler a, int opcode, int register, in HostOperand operand, int size)
    {
        if (size == 2)
        {
            a.Byte(0x66);
        }

        a.Op(size == 1 ? opcode : opcode + 1, register, operand, wide: size == 8);
    }
}
