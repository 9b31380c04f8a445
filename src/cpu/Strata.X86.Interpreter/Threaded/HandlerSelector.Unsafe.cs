using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>Chooses the threaded handler of an op; null sends it to its semantic routine.</summary>
internal static unsafe class HandlerSelector
{
    public static delegate*<VcpuContext*, Op*, long, long, void> Select(Op* op, in Instruction instruction, ModeBits mode)
    {
        if ((op->Flags & OpFlags.Lock) != 0)
        {
            return null;
        }

        bool code64 = (mode & ModeBits.Code64) != 0;
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Mov:
                return SelectMove(op, code64);
            case Mnemonic.Movzx:
            case Mnemonic.Movsx:
            case Mnemonic.Movsxd:
                return SelectExtend(op, code64, instruction.Mnemonic == Mnemonic.Movzx);
            case Mnemonic.Lea:
                return SelectLea(op);
            case Mnemonic.Add:
                return SelectAlu<AddOperation>(op, code64);
            case Mnemonic.Adc:
                return SelectAlu<AdcOperation>(op, code64);
            case Mnemonic.Sub:
                return SelectAlu<SubOperation>(op, code64);
            case Mnemonic.Sbb:
                return SelectAlu<SbbOperation>(op, code64);
            case Mnemonic.Cmp:
                return SelectAlu<CmpOperation>(op, code64);
            case Mnemonic.And:
                return SelectAlu<AndOperation>(op, code64);
            case Mnemonic.Test:
                return SelectAlu<TestOperation>(op, code64);
            case Mnemonic.Or:
                return SelectAlu<OrOperation>(op, code64);
            case Mnemonic.Xor:
                return SelectAlu<XorOperation>(op, code64);
            case Mnemonic.Inc:
                return SelectUnary<IncOperation>(op, code64);
            case Mnemonic.Dec:
                return SelectUnary<DecOperation>(op, code64);
            case Mnemonic.Neg:
                return SelectUnary<NegOperation>(op, code64);
            case Mnemonic.Not:
                return SelectUnary<NotOperation>(op, code64);
            case Mnemonic.Shl:
            case Mnemonic.Sal:
                return SelectShift<ShlOperation>(op, code64);
            case Mnemonic.Shr:
                return SelectShift<ShrOperation>(op, code64);
            case Mnemonic.Sar:
                return SelectShift<SarOperation>(op, code64);
            case Mnemonic.Mul:
                return op->Kind0 == OperandKind.Gpr && op->Width == 8 ? &MultiplyHandlers.Unsigned64 : null;
            case Mnemonic.Imul:
                return SelectSignedMultiply(op);
            case Mnemonic.Nop:
            case Mnemonic.Pause:
            case Mnemonic.Endbr64:
            case Mnemonic.Endbr32:
                return &GenericHandlers.Nop;
            case Mnemonic.Jmp:
                return SelectJump(op, code64);
            case Mnemonic.Call:
                return code64 ? SelectCall(op) : null;
            case Mnemonic.Ret:
                op->Segment = (byte)SegmentIndex.Ss;
                return code64 && op->OperandSize == 8 ? &BranchHandlers.Return : null;
            case Mnemonic.Push:
                return code64 && op->OperandSize == 8 ? SelectPush(op) : null;
            case Mnemonic.Pop:
                op->Segment = op->Kind0 == OperandKind.Memory ? op->Segment : (byte)SegmentIndex.Ss;
                return code64 && op->OperandSize == 8 && op->Kind0 == OperandKind.Gpr ? &BranchHandlers.PopRegister : null;
            default:
                return SelectConditional(op, instruction.Mnemonic, code64);
        }
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectSignedMultiply(Op* op) => (op->Kind1, op->Kind2, op->Width) switch
    {
        (OperandKind.Gpr, OperandKind.None, 8) => &MultiplyHandlers.Signed64,
        (OperandKind.Gpr, OperandKind.None, 4) => &MultiplyHandlers.Signed32,
        (OperandKind.Gpr, OperandKind.Immediate, 8) => &MultiplyHandlers.Signed64Immediate,
        (OperandKind.Gpr, OperandKind.Immediate, 4) => &MultiplyHandlers.Signed32Immediate,
        _ => null,
    };

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectJump(Op* op, bool code64) => op->Kind0 switch
    {
        OperandKind.Branch => &BranchHandlers.Jump,
        OperandKind.Gpr when code64 && op->Width == 8 => &BranchHandlers.JumpRegister,
        OperandKind.Memory when code64 && op->MemorySize == 8 => AddressOf(op) switch
        {
            AddressForm.Flat => &BranchHandlers.JumpMemory<Flat64>,
            AddressForm.Based => &BranchHandlers.JumpMemory<Based64>,
            _ => &BranchHandlers.JumpMemory<AnyAddress>,
        },
        _ => null,
    };

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectCall(Op* op) => op->Kind0 switch
    {
        OperandKind.Branch => &BranchHandlers.Call,
        OperandKind.Gpr when op->Width == 8 => &BranchHandlers.CallRegister,
        OperandKind.Memory when op->MemorySize == 8 && (Code)op->Code == Code.Call_rm64 => AddressOf(op) switch
        {
            AddressForm.Flat => &BranchHandlers.CallMemory<Flat64>,
            AddressForm.Based => &BranchHandlers.CallMemory<Based64>,
            _ => &BranchHandlers.CallMemory<AnyAddress>,
        },
        _ => null,
    };

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectPush(Op* op) => op->Kind0 switch
    {
        OperandKind.Gpr => &BranchHandlers.PushRegister,
        OperandKind.Immediate => &BranchHandlers.PushImmediate,
        _ => null,
    };

    private enum AddressForm
    {
        Flat,
        Based,
        Any,
    }

    /// <summary>Only called for ops of 64-bit code.</summary>
    private static AddressForm AddressOf(Op* op) =>
        op->AddressSize != 8 ? AddressForm.Any : op->Segment >= (byte)SegmentIndex.Fs ? AddressForm.Based : AddressForm.Flat;

    private static AddressForm FormOf(Op* op, bool code64) => code64 ? AddressOf(op) : AddressForm.Any;

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectAlu<TOperation>(Op* op, bool code64)
        where TOperation : IAluOperation
    {
        return op->Width switch
        {
            1 => SelectAlu<TOperation, Byte8>(op, code64),
            2 => SelectAlu<TOperation, Word16>(op, code64),
            4 => SelectAlu<TOperation, Dword32>(op, code64),
            _ => SelectAlu<TOperation, Qword64>(op, code64),
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectAlu<TOperation, TWidth>(Op* op, bool code64)
        where TOperation : IAluOperation
        where TWidth : IWidth
    {
        if (op->Kind0 == OperandKind.Gpr)
        {
            if (op->Kind1 == OperandKind.Gpr)
            {
                return &AluHandlers<TOperation, TWidth>.RegisterRegister;
            }

            if (op->Kind1 == OperandKind.Immediate)
            {
                return &AluHandlers<TOperation, TWidth>.RegisterImmediate;
            }

            return FormOf(op, code64) switch
            {
                AddressForm.Flat => &AluHandlers<TOperation, TWidth>.RegisterMemory<Flat64>,
                AddressForm.Based => &AluHandlers<TOperation, TWidth>.RegisterMemory<Based64>,
                _ => &AluHandlers<TOperation, TWidth>.RegisterMemory<AnyAddress>,
            };
        }

        if (op->Kind1 == OperandKind.Gpr)
        {
            return FormOf(op, code64) switch
            {
                AddressForm.Flat => &AluHandlers<TOperation, TWidth>.MemoryRegister<Flat64>,
                AddressForm.Based => &AluHandlers<TOperation, TWidth>.MemoryRegister<Based64>,
                _ => &AluHandlers<TOperation, TWidth>.MemoryRegister<AnyAddress>,
            };
        }

        return FormOf(op, code64) switch
        {
            AddressForm.Flat => &AluHandlers<TOperation, TWidth>.MemoryImmediate<Flat64>,
            AddressForm.Based => &AluHandlers<TOperation, TWidth>.MemoryImmediate<Based64>,
            _ => &AluHandlers<TOperation, TWidth>.MemoryImmediate<AnyAddress>,
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectUnary<TOperation>(Op* op, bool code64)
        where TOperation : IUnaryOperation
    {
        return op->Width switch
        {
            1 => SelectUnary<TOperation, Byte8>(op, code64),
            2 => SelectUnary<TOperation, Word16>(op, code64),
            4 => SelectUnary<TOperation, Dword32>(op, code64),
            _ => SelectUnary<TOperation, Qword64>(op, code64),
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectUnary<TOperation, TWidth>(Op* op, bool code64)
        where TOperation : IUnaryOperation
        where TWidth : IWidth
    {
        if (op->Kind0 == OperandKind.Gpr)
        {
            return &UnaryHandlers<TOperation, TWidth>.Register;
        }

        return FormOf(op, code64) switch
        {
            AddressForm.Flat => &UnaryHandlers<TOperation, TWidth>.Memory<Flat64>,
            AddressForm.Based => &UnaryHandlers<TOperation, TWidth>.Memory<Based64>,
            _ => &UnaryHandlers<TOperation, TWidth>.Memory<AnyAddress>,
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectShift<TOperation>(Op* op, bool code64)
        where TOperation : IUnaryOperation
    {
        // A count of zero leaves the flags alone and one beyond the width has rules of its own: both go the generic way.
        if (op->Kind1 != OperandKind.Immediate)
        {
            return null;
        }

        ulong count = op->Imm & (op->Width == 8 ? 63UL : 31UL);
        if (count == 0 || count >= (ulong)op->Width * 8)
        {
            return null;
        }

        op->Imm = count;
        return SelectUnary<TOperation>(op, code64);
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectMove(Op* op, bool code64)
    {
        if (op->Kind0 is not (OperandKind.Gpr or OperandKind.Memory)
            || op->Kind1 is not (OperandKind.Gpr or OperandKind.Memory or OperandKind.Immediate))
        {
            return null; // segment, control and debug registers
        }

        return op->Width switch
        {
            1 => SelectMove<Byte8>(op, code64),
            2 => SelectMove<Word16>(op, code64),
            4 => SelectMove<Dword32>(op, code64),
            _ => SelectMove<Qword64>(op, code64),
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectMove<TWidth>(Op* op, bool code64)
        where TWidth : IWidth
    {
        if (op->Kind0 == OperandKind.Gpr)
        {
            if (op->Kind1 == OperandKind.Gpr)
            {
                return &MoveHandlers<TWidth>.RegisterRegister;
            }

            if (op->Kind1 == OperandKind.Immediate)
            {
                return &MoveHandlers<TWidth>.RegisterImmediate;
            }

            return FormOf(op, code64) switch
            {
                AddressForm.Flat => &MoveHandlers<TWidth>.RegisterMemory<Flat64>,
                AddressForm.Based => &MoveHandlers<TWidth>.RegisterMemory<Based64>,
                _ => &MoveHandlers<TWidth>.RegisterMemory<AnyAddress>,
            };
        }

        if (op->Kind1 == OperandKind.Gpr)
        {
            return FormOf(op, code64) switch
            {
                AddressForm.Flat => &MoveHandlers<TWidth>.MemoryRegister<Flat64>,
                AddressForm.Based => &MoveHandlers<TWidth>.MemoryRegister<Based64>,
                _ => &MoveHandlers<TWidth>.MemoryRegister<AnyAddress>,
            };
        }

        return FormOf(op, code64) switch
        {
            AddressForm.Flat => &MoveHandlers<TWidth>.MemoryImmediate<Flat64>,
            AddressForm.Based => &MoveHandlers<TWidth>.MemoryImmediate<Based64>,
            _ => &MoveHandlers<TWidth>.MemoryImmediate<AnyAddress>,
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectLea(Op* op)
    {
        if (op->AddressSize == 8)
        {
            return op->Width switch
            {
                2 => &MoveHandlers<Word16>.LoadAddress,
                4 => &MoveHandlers<Dword32>.LoadAddress,
                _ => &MoveHandlers<Qword64>.LoadAddress,
            };
        }

        return op->Width switch
        {
            2 => &MoveHandlers<Word16>.LoadNarrowAddress,
            4 => &MoveHandlers<Dword32>.LoadNarrowAddress,
            _ => &MoveHandlers<Qword64>.LoadNarrowAddress,
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectExtend(Op* op, bool code64, bool zero)
    {
        return (op->Width, op->Width1) switch
        {
            (2, 1) => SelectExtend<Word16, Byte8>(op, code64, zero),
            (4, 1) => SelectExtend<Dword32, Byte8>(op, code64, zero),
            (8, 1) => SelectExtend<Qword64, Byte8>(op, code64, zero),
            (2, 2) => SelectExtend<Word16, Word16>(op, code64, zero),
            (4, 2) => SelectExtend<Dword32, Word16>(op, code64, zero),
            (8, 2) => SelectExtend<Qword64, Word16>(op, code64, zero),
            (2, 4) => SelectExtend<Word16, Dword32>(op, code64, zero),
            (4, 4) => SelectExtend<Dword32, Dword32>(op, code64, zero),
            _ => SelectExtend<Qword64, Dword32>(op, code64, zero),
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectExtend<TWidth, TSource>(Op* op, bool code64, bool zero)
        where TWidth : IWidth
        where TSource : IWidth
    {
        if (op->Kind1 == OperandKind.Gpr)
        {
            return zero ? &ExtendHandlers<TWidth, TSource>.ZeroRegister : &ExtendHandlers<TWidth, TSource>.SignRegister;
        }

        if (zero)
        {
            return FormOf(op, code64) switch
            {
                AddressForm.Flat => &ExtendHandlers<TWidth, TSource>.ZeroMemory<Flat64>,
                AddressForm.Based => &ExtendHandlers<TWidth, TSource>.ZeroMemory<Based64>,
                _ => &ExtendHandlers<TWidth, TSource>.ZeroMemory<AnyAddress>,
            };
        }

        return FormOf(op, code64) switch
        {
            AddressForm.Flat => &ExtendHandlers<TWidth, TSource>.SignMemory<Flat64>,
            AddressForm.Based => &ExtendHandlers<TWidth, TSource>.SignMemory<Based64>,
            _ => &ExtendHandlers<TWidth, TSource>.SignMemory<AnyAddress>,
        };
    }

    /// <summary>Condition code 0..15 of a conditional jump.</summary>
    public static bool TryGetCondition(Mnemonic mnemonic, out int condition)
    {
        condition = mnemonic switch
        {
            Mnemonic.Jo => 0,
            Mnemonic.Jno => 1,
            Mnemonic.Jb => 2,
            Mnemonic.Jae => 3,
            Mnemonic.Je => 4,
            Mnemonic.Jne => 5,
            Mnemonic.Jbe => 6,
            Mnemonic.Ja => 7,
            Mnemonic.Js => 8,
            Mnemonic.Jns => 9,
            Mnemonic.Jp => 10,
            Mnemonic.Jnp => 11,
            Mnemonic.Jl => 12,
            Mnemonic.Jge => 13,
            Mnemonic.Jle => 14,
            Mnemonic.Jg => 15,
            _ => -1,
        };
        return condition >= 0;
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectConditional(Op* op, Mnemonic mnemonic, bool code64)
    {
        return mnemonic switch
        {
            Mnemonic.Jo => &BranchHandlers.JumpIf<OverflowCondition>,
            Mnemonic.Seto => SelectSet<OverflowCondition>(op, code64),
            Mnemonic.Cmovo => SelectConditionalMove<OverflowCondition>(op, code64),
            Mnemonic.Jno => &BranchHandlers.JumpIf<NotOverflowCondition>,
            Mnemonic.Setno => SelectSet<NotOverflowCondition>(op, code64),
            Mnemonic.Cmovno => SelectConditionalMove<NotOverflowCondition>(op, code64),
            Mnemonic.Jb => &BranchHandlers.JumpIf<BelowCondition>,
            Mnemonic.Setb => SelectSet<BelowCondition>(op, code64),
            Mnemonic.Cmovb => SelectConditionalMove<BelowCondition>(op, code64),
            Mnemonic.Jae => &BranchHandlers.JumpIf<AboveOrEqualCondition>,
            Mnemonic.Setae => SelectSet<AboveOrEqualCondition>(op, code64),
            Mnemonic.Cmovae => SelectConditionalMove<AboveOrEqualCondition>(op, code64),
            Mnemonic.Je => &BranchHandlers.JumpIf<ZeroCondition>,
            Mnemonic.Sete => SelectSet<ZeroCondition>(op, code64),
            Mnemonic.Cmove => SelectConditionalMove<ZeroCondition>(op, code64),
            Mnemonic.Jne => &BranchHandlers.JumpIf<NotZeroCondition>,
            Mnemonic.Setne => SelectSet<NotZeroCondition>(op, code64),
            Mnemonic.Cmovne => SelectConditionalMove<NotZeroCondition>(op, code64),
            Mnemonic.Jbe => &BranchHandlers.JumpIf<BelowOrEqualCondition>,
            Mnemonic.Setbe => SelectSet<BelowOrEqualCondition>(op, code64),
            Mnemonic.Cmovbe => SelectConditionalMove<BelowOrEqualCondition>(op, code64),
            Mnemonic.Ja => &BranchHandlers.JumpIf<AboveCondition>,
            Mnemonic.Seta => SelectSet<AboveCondition>(op, code64),
            Mnemonic.Cmova => SelectConditionalMove<AboveCondition>(op, code64),
            Mnemonic.Js => &BranchHandlers.JumpIf<SignCondition>,
            Mnemonic.Sets => SelectSet<SignCondition>(op, code64),
            Mnemonic.Cmovs => SelectConditionalMove<SignCondition>(op, code64),
            Mnemonic.Jns => &BranchHandlers.JumpIf<NotSignCondition>,
            Mnemonic.Setns => SelectSet<NotSignCondition>(op, code64),
            Mnemonic.Cmovns => SelectConditionalMove<NotSignCondition>(op, code64),
            Mnemonic.Jp => &BranchHandlers.JumpIf<ParityCondition>,
            Mnemonic.Setp => SelectSet<ParityCondition>(op, code64),
            Mnemonic.Cmovp => SelectConditionalMove<ParityCondition>(op, code64),
            Mnemonic.Jnp => &BranchHandlers.JumpIf<NotParityCondition>,
            Mnemonic.Setnp => SelectSet<NotParityCondition>(op, code64),
            Mnemonic.Cmovnp => SelectConditionalMove<NotParityCondition>(op, code64),
            Mnemonic.Jl => &BranchHandlers.JumpIf<LessCondition>,
            Mnemonic.Setl => SelectSet<LessCondition>(op, code64),
            Mnemonic.Cmovl => SelectConditionalMove<LessCondition>(op, code64),
            Mnemonic.Jge => &BranchHandlers.JumpIf<GreaterOrEqualCondition>,
            Mnemonic.Setge => SelectSet<GreaterOrEqualCondition>(op, code64),
            Mnemonic.Cmovge => SelectConditionalMove<GreaterOrEqualCondition>(op, code64),
            Mnemonic.Jle => &BranchHandlers.JumpIf<LessOrEqualCondition>,
            Mnemonic.Setle => SelectSet<LessOrEqualCondition>(op, code64),
            Mnemonic.Cmovle => SelectConditionalMove<LessOrEqualCondition>(op, code64),
            Mnemonic.Jg => &BranchHandlers.JumpIf<GreaterCondition>,
            Mnemonic.Setg => SelectSet<GreaterCondition>(op, code64),
            Mnemonic.Cmovg => SelectConditionalMove<GreaterCondition>(op, code64),
            _ => null,
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectSet<TCondition>(Op* op, bool code64)
        where TCondition : ICondition
    {
        if (op->Kind0 == OperandKind.Gpr)
        {
            return &ConditionalHandlers<TCondition>.SetRegister;
        }

        return FormOf(op, code64) switch
        {
            AddressForm.Flat => &ConditionalHandlers<TCondition>.SetMemory<Flat64>,
            AddressForm.Based => &ConditionalHandlers<TCondition>.SetMemory<Based64>,
            _ => &ConditionalHandlers<TCondition>.SetMemory<AnyAddress>,
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectConditionalMove<TCondition>(Op* op, bool code64)
        where TCondition : ICondition
    {
        return op->Width switch
        {
            2 => SelectConditionalMove<TCondition, Word16>(op, code64),
            4 => SelectConditionalMove<TCondition, Dword32>(op, code64),
            _ => SelectConditionalMove<TCondition, Qword64>(op, code64),
        };
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> SelectConditionalMove<TCondition, TWidth>(Op* op, bool code64)
        where TCondition : ICondition
        where TWidth : IWidth
    {
        if (op->Kind1 == OperandKind.Gpr)
        {
            return &ConditionalHandlers<TCondition>.MoveRegister<TWidth>;
        }

        return FormOf(op, code64) switch
        {
            AddressForm.Flat => &ConditionalHandlers<TCondition>.MoveMemory<TWidth, Flat64>,
            AddressForm.Based => &ConditionalHandlers<TCondition>.MoveMemory<TWidth, Based64>,
            _ => &ConditionalHandlers<TCondition>.MoveMemory<TWidth, AnyAddress>,
        };
    }
}
