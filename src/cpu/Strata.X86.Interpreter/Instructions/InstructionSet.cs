using Strata.X86.Interpreter.Dispatch;

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
        return table;
    }
}
