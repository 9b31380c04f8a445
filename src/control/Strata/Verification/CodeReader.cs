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
    /// both are followed, and a return goes back behind any call: the translator's blocks go on there.
    /// </summary>
    /// <param name="elsewhere">The same where the code goes on at an address that it does not name itself.</param>
    private static Dictionary<ulong, ulong> Follow(AddressSpace memory, in X86CpuState state, int count, out ulong elsewhere)
    {
        elsewhere = 0;
        Dictionary<ulong, ulong> before = new() { [state.Rip] = 0 };
        Queue<(ulong Rip, int Executed)> open = new([(state.Rip, 0)]);
        List<ulong> behindCalls = [];
        List<(ulong Undefined, int Executed)> returned = [];
        X86CpuState at = state;
        int bitness = BitnessOf(state);
        while (open.TryDequeue(out (ulong Rip, int Executed) next))
        {
            if (next.Executed == count)
            {
                continue;
            }

            at.Rip = next.Rip;
            Instruction instruction = DecodeOne(memory, at, bitness);
            ulong after = UndefinedAfter(instruction, before[next.Rip]);
            FlowControl flow = instruction.FlowControl;
            bool isNamed = flow is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch or FlowControl.Call
                && instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64;
            if (isNamed)
            {
                Reach(before, open, instruction.NearBranchTarget, after, next.Executed + 1);
            }

            if (flow is FlowControl.Next or FlowControl.ConditionalBranch)
            {
                Reach(before, open, instruction.NextIP, after, next.Executed + 1);
            }
            else if (!isNamed)
            {
                elsewhere |= after;
            }

            if (isNamed && flow == FlowControl.Call)
            {
                behindCalls.Add(instruction.NextIP);
                returned.ForEach(from => Reach(before, open, instruction.NextIP, from.Undefined, from.Executed));
            }
            else if (flow == FlowControl.Return)
            {
                returned.Add((after, next.Executed + 1));
                behindCalls.ForEach(to => Reach(before, open, to, after, next.Executed + 1));
            }
        }

        return before;
    }

    /// <summary>Adds what may be undefined at an address; what is new there is followed.</summary>
    private static void Reach(
        Dictionary<ulong, ulong> before, Queue<(ulong Rip, int Executed)> open, ulong rip, ulong undefined, int executed)
    {
        bool isKnown = before.TryGetValue(rip, out ulong known);
        if (!isKnown || (undefined & ~known) != 0)
        {
            before[rip] = known | undefined;
            open.Enqueue((rip, executed));
        }
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
