using System.Collections.Immutable;
using System.Globalization;
using Iced.Intel;
using Strata.Core.Bus;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.Verification;

/// <summary>Reads a guest's code as a state sees it.</summary>
internal static class CodeReader
{
    private const int LongestInstruction = 15;
    private const ulong PageBase = ~0xFFFUL;

    /// <summary>An instruction that a run can come to.</summary>
    /// <param name="Stack">RSP before it, if that is known.</param>
    /// <param name="Calls">Where the run's calls return to that have not yet: their places on the stack may have been used anew.</param>
    /// <param name="Left">Instructions that may be executed from here on.</param>
    /// <param name="Undefined">Flags that may be undefined before it.</param>
    private readonly record struct Step(ulong Rip, ulong? Stack, ImmutableStack<ulong> Calls, int Left, ulong Undefined)
    {
        /// <summary>What it is known by: a function that is called twice in a run returns to two places.</summary>
        public (ulong Rip, ulong Caller) Place => (Rip, Calls.IsEmpty ? 0 : Calls.Peek());
    }

    /// <summary>Flags that may be undefined after a run of instructions with direct branches among them.</summary>
    /// <param name="count">Most instructions that were executed; fewer if one with a repeat prefix was executed in parts.</param>
    /// <param name="end">RIP after them.</param>
    public static ulong UndefinedFlags(AddressSpace memory, in X86CpuState state, int count, ulong end)
    {
        Dictionary<ulong, ulong> before = Follow(memory, state, count, out ulong elsewhere);
        return elsewhere | before.GetValueOrDefault(end);
    }

    /// <summary>Flags that may be undefined where a run of instructions has come to an address; none if it does not.</summary>
    /// <param name="count">Most instructions to look at.</param>
    public static ulong UndefinedFlagsAt(AddressSpace memory, in X86CpuState state, int count, ulong rip) =>
        Follow(memory, state, count, out _).GetValueOrDefault(rip);

    /// <summary>Lines of address, bytes and instruction.</summary>
    /// <param name="marked">Address of the instruction that gets an arrow, or null.</param>
    public static IReadOnlyList<string> Disassemble(AddressSpace memory, in X86CpuState state, int count, ulong? marked)
    {
        List<string> lines = [];
        NasmFormatter formatter = new(
            new FormatterOptions { HexPrefix = "0x", HexSuffix = string.Empty, SpaceAfterOperandSeparator = true });
        X86CpuState at = state;
        foreach (Instruction instruction in Decode(memory, state, count))
        {
            StringOutput text = new();
            formatter.Format(instruction, text);
            at.Rip = instruction.IP;
            byte[] code = Read(memory, at, crossing: true);
            string bytes = Convert.ToHexString(code.AsSpan(0, Math.Min(instruction.Length, code.Length)));
            string mark = instruction.IP == marked ? "->" : "  ";
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"{mark} {instruction.IP:x16}  {bytes,-30}  {text.ToStringAndReset()}"));
        }

        return lines;
    }

    /// <summary>
    /// Flags that may be undefined before each instruction that a run can come to. Which way a branch has gone is not known behind it, so
    /// both are followed: the translator's blocks go on at either. A return goes where the stack leads.
    /// </summary>
    /// <param name="elsewhere">The same where the code goes on at an address that is not known.</param>
    private static Dictionary<ulong, ulong> Follow(AddressSpace memory, in X86CpuState state, int count, out ulong elsewhere)
    {
        elsewhere = 0;
        Dictionary<ulong, ulong> before = new() { [state.Rip] = 0 };
        Dictionary<(ulong Rip, ulong Caller), ulong> known = [];
        Queue<Step> open = new([new Step(state.Rip, state.Rsp, [], count, 0)]);
        X86CpuState at = state;
        int bitness = BitnessOf(state);
        while (open.TryDequeue(out Step step))
        {
            bool isNew = !known.TryGetValue(step.Place, out ulong met);
            if (step.Left == 0 || (!isNew && (step.Undefined & ~met) == 0))
            {
                continue;
            }

            known[step.Place] = met | step.Undefined;
            at.Rip = step.Rip;
            Instruction instruction = DecodeOne(memory, at, bitness);
            ulong after = UndefinedAfter(instruction, met | step.Undefined);
            List<ulong> targets = TargetsOf(memory, at, instruction, step);
            if (targets.Count == 0)
            {
                elsewhere |= after;
            }

            ulong? stack = MovedStack(instruction, step.Stack);
            ImmutableStack<ulong> calls = MovedCalls(instruction, step.Calls);
            foreach (ulong target in targets)
            {
                before[target] = before.GetValueOrDefault(target) | after;
                open.Enqueue(new Step(target, stack, calls, step.Left - 1, after));
            }
        }

        return before;
    }

    /// <summary>Where an instruction may go on; nowhere if that is not known.</summary>
    /// <param name="state">Its mode and tables.</param>
    private static List<ulong> TargetsOf(AddressSpace memory, in X86CpuState state, in Instruction instruction, in Step step)
    {
        bool isNamed = instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64;
        switch (instruction.FlowControl)
        {
            case FlowControl.Next:
                return [instruction.NextIP];
            case FlowControl.ConditionalBranch:
                return [instruction.NextIP, instruction.NearBranchTarget];
            case FlowControl.UnconditionalBranch or FlowControl.Call when isNamed:
                return [instruction.NearBranchTarget];
            case FlowControl.Return when !step.Calls.IsEmpty:
                return [step.Calls.Peek()];
            case FlowControl.Return
                when step.Stack is { } stack && TryReadStack(memory, state, stack, ReturnSize(instruction), out ulong target):
                return [target];
            default:
                return [];
        }
    }

    /// <summary>Bytes of the address that a near return takes from the stack; 0 for another return.</summary>
    private static int ReturnSize(in Instruction instruction) => instruction.Code switch
    {
        Code.Retnq or Code.Retnq_imm16 => 8,
        Code.Retnd or Code.Retnd_imm16 => 4,
        Code.Retnw or Code.Retnw_imm16 => 2,
        _ => 0,
    };

    /// <summary>RSP behind an instruction; null if its operands do not tell.</summary>
    private static ulong? MovedStack(in Instruction instruction, ulong? stack)
    {
        bool isOfStack = instruction.Op0Kind == OpKind.Register && instruction.Op0Register is Register.RSP or Register.ESP or Register.SP;
        bool isImmediate = instruction.OpCount == 2 && instruction.Op1Kind is not (OpKind.Register or OpKind.Memory);
        return instruction.Mnemonic switch
        {
            Mnemonic.Add when isOfStack && isImmediate => stack + instruction.GetImmediate(1),
            Mnemonic.Sub when isOfStack && isImmediate => stack - instruction.GetImmediate(1),
            Mnemonic.Push or Mnemonic.Cmp or Mnemonic.Test => stack + (ulong)instruction.StackPointerIncrement,
            Mnemonic.Leave or Mnemonic.Enter or Mnemonic.Xchg => null,
            _ => isOfStack ? null : stack + (ulong)instruction.StackPointerIncrement,
        };
    }

    private static ImmutableStack<ulong> MovedCalls(in Instruction instruction, ImmutableStack<ulong> calls) =>
        instruction.FlowControl switch
        {
            FlowControl.Call => calls.Push(instruction.NextIP),
            FlowControl.Return when !calls.IsEmpty => calls.Pop(),
            _ => calls,
        };

    private static bool TryReadStack(AddressSpace memory, in X86CpuState state, ulong stack, int size, out ulong value)
    {
        bool isLong = BitnessOf(state) == 64;
        ulong offset = isLong || (state.Ss.Attributes & SegmentState.Big) != 0 ? stack : stack & ushort.MaxValue;
        value = 0;
        if (size == 0)
        {
            return false;
        }

        for (int i = 0; i < size; i++)
        {
            ulong va = isLong ? offset + (ulong)i : (state.Ss.Base + offset + (ulong)i) & uint.MaxValue;
            if (!TryRead(memory, state, va, out byte part))
            {
                return false;
            }

            value |= (ulong)part << (8 * i);
        }

        return true;
    }

    private static ulong UndefinedAfter(in Instruction instruction, ulong before)
    {
        // A shift by zero leaves the flags, so that it never makes a flag defined.
        ulong defined = X86.Comparison.UndefinedFlags.IsShift(instruction)
            ? 0
            : X86.Comparison.UndefinedFlags.ToRflags(instruction.RflagsModified);
        return (before & ~defined) | X86.Comparison.UndefinedFlags.AtMost(instruction);
    }

    private static List<Instruction> Decode(AddressSpace memory, in X86CpuState state, int count)
    {
        List<Instruction> result = [];
        X86CpuState at = state;
        int bitness = BitnessOf(state);
        for (int i = 0; i < count; i++)
        {
            Instruction instruction = DecodeOne(memory, at, bitness);
            result.Add(instruction);
            if (instruction.IsInvalid)
            {
                break;
            }

            at.Rip = instruction.NextIP;
        }

        return result;
    }

    /// <summary>
    /// One instruction. The page behind is looked at only if the instruction goes on there: looking marks a page as accessed.
    /// </summary>
    private static Instruction DecodeOne(AddressSpace memory, in X86CpuState state, int bitness)
    {
        Iced.Intel.Decoder decoder = Iced.Intel.Decoder.Create(bitness, Read(memory, state, crossing: false), state.Rip);
        decoder.Decode(out Instruction instruction);
        if (decoder.LastError == DecoderError.NoMoreBytes)
        {
            Iced.Intel.Decoder.Create(bitness, Read(memory, state, crossing: true), state.Rip).Decode(out instruction);
        }

        return instruction;
    }

    private static int BitnessOf(in X86CpuState state) =>
        (state.EferMsr & Efer.LMA) != 0 && (state.Cs.Attributes & SegmentState.Long) != 0 ? 64
        : (state.Cs.Attributes & SegmentState.Big) != 0 ? 32 : 16;

    /// <summary>Bytes at CS:RIP, as many as an instruction may have, or as the page has; fewer where nothing is mapped.</summary>
    private static byte[] Read(AddressSpace memory, in X86CpuState state, bool crossing)
    {
        List<byte> bytes = [];
        ulong start = BitnessOf(state) == 64 ? state.Rip : (state.Cs.Base + state.Rip) & uint.MaxValue;
        while (bytes.Count < LongestInstruction)
        {
            ulong va = start + (ulong)bytes.Count;
            bool isBehind = ((va ^ start) & PageBase) != 0;
            if ((isBehind && !crossing) || !TryRead(memory, state, va, out byte value))
            {
                break;
            }

            bytes.Add(value);
        }

        return [.. bytes];
    }

    private static bool TryRead(AddressSpace memory, in X86CpuState state, ulong va, out byte value)
    {
        value = 0;
        if (!PageWalker.TryWalk(state, memory, va, AccessKind.Read, user: false, smapOverride: true, out Translation found, out _)
            || !memory.TryGetSpan(found.Gpa, 1, out ReadOnlySpan<byte> place))
        {
            return false;
        }

        value = place[0];
        return true;
    }
}
