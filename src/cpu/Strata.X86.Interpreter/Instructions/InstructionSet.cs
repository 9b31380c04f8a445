using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Interpreter.Vex;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>The instruction groups that make up the processor. Immutable once built; shared by all vCPUs.</summary>
internal static class InstructionSet
{
    public static InstructionTable Table { get; } = Build();

    private static InstructionTable Build()
    {
        InstructionTable table = new();
        SystemInstructions.Register(table);
        SegmentInstructions.Register(table);
        ControlInstructions.Register(table);
        InputOutputInstructions.Register(table);
        HypercallInstructions.Register(table);
        ArithmeticInstructions.Register(table);
        ShiftInstructions.Register(table);
        MultiplyInstructions.Register(table);
        BitInstructions.Register(table);
        ExchangeInstructions.Register(table);
        StringInstructions.Register(table);
        StackInstructions.Register(table);
        BranchInstructions.Register(table);
        MiscellaneousInstructions.Register(table);
        BitManipulationInstructions.Register(table);
        XsaveInstructions.Register(table);
        SseMoveInstructions.Register(table);
        SseIntegerInstructions.Register(table);
        SsePackInstructions.Register(table);
        SseShuffleInstructions.Register(table);
        SseShiftInstructions.Register(table);
        SseMultiplyInstructions.Register(table);
        SseHorizontalInstructions.Register(table);
        SseAbsoluteInstructions.Register(table);
        SseExtractInstructions.Register(table);
        SseFloatInstructions.Register(table);
        SseFloatHorizontalInstructions.Register(table);
        SseFloatCompareInstructions.Register(table);
        SseFloatRoundInstructions.Register(table);
        SseConvertInstructions.Register(table);
        SseTextInstructions.Register(table);
        AesInstructions.Register(table);
        ShaInstructions.Register(table);
        VexInstructions.Register(table);
        X87Instructions.Register(table);
        return table;
    }
}
