using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;

namespace Strata.X86.Interpreter.Threaded;

/// <summary>Joins CMP or TEST with the conditional jump behind it into one handler.</summary>
internal static unsafe class Fusion
{
    public static void Apply(Op* ops, int count)
    {
        if (count < 2)
        {
            return;
        }

        Op* first = ops + count - 2;
        Op* jump = ops + count - 1;
        if (jump->Kind0 != OperandKind.Branch || !HandlerSelector.TryGetCondition((Mnemonic)jump->Mnemonic, out int condition)
            || first->Kind0 != OperandKind.Gpr || first->Width < 4)
        {
            return;
        }

        bool wide = first->Width == 8;
        delegate*<VcpuContext*, Op*, long, long, void> fused = ((Mnemonic)first->Mnemonic, first->Kind1) switch
        {
            (Mnemonic.Cmp, OperandKind.Gpr) =>
                wide ? Register<CmpOperation, Qword64>(condition) : Register<CmpOperation, Dword32>(condition),
            (Mnemonic.Cmp, OperandKind.Immediate) =>
                wide ? Immediate<CmpOperation, Qword64>(condition) : Immediate<CmpOperation, Dword32>(condition),
            (Mnemonic.Test, OperandKind.Gpr) =>
                wide ? Register<TestOperation, Qword64>(condition) : Register<TestOperation, Dword32>(condition),
            (Mnemonic.Test, OperandKind.Immediate) =>
                wide ? Immediate<TestOperation, Qword64>(condition) : Immediate<TestOperation, Dword32>(condition),
            _ => null,
        };
        if (fused != null)
        {
            first->Handler = fused;
        }
    }

    private static delegate*<VcpuContext*, Op*, long, long, void> Register<TOperation, TWidth>(int condition)
        where TOperation : IAluOperation
        where TWidth : IWidth => condition switch
        {
            0 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, OverflowCondition>,
            1 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, NotOverflowCondition>,
            2 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, BelowCondition>,
            3 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, AboveOrEqualCondition>,
            4 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, ZeroCondition>,
            5 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, NotZeroCondition>,
            6 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, BelowOrEqualCondition>,
            7 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, AboveCondition>,
            8 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, SignCondition>,
            9 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, NotSignCondition>,
            10 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, ParityCondition>,
            11 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, NotParityCondition>,
            12 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, LessCondition>,
            13 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, GreaterOrEqualCondition>,
            14 => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, LessOrEqualCondition>,
            _ => &BranchHandlers.CompareRegisterJump<TOperation, TWidth, GreaterCondition>,
        };

    private static delegate*<VcpuContext*, Op*, long, long, void> Immediate<TOperation, TWidth>(int condition)
        where TOperation : IAluOperation
        where TWidth : IWidth => condition switch
        {
            0 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, OverflowCondition>,
            1 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, NotOverflowCondition>,
            2 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, BelowCondition>,
            3 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, AboveOrEqualCondition>,
            4 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, ZeroCondition>,
            5 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, NotZeroCondition>,
            6 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, BelowOrEqualCondition>,
            7 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, AboveCondition>,
            8 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, SignCondition>,
            9 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, NotSignCondition>,
            10 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, ParityCondition>,
            11 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, NotParityCondition>,
            12 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, LessCondition>,
            13 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, GreaterOrEqualCondition>,
            14 => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, LessOrEqualCondition>,
            _ => &BranchHandlers.CompareImmediateJump<TOperation, TWidth, GreaterCondition>,
        };
}
