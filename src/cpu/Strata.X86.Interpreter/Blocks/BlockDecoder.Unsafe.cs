using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Interpreter.Threaded;

namespace Strata.X86.Interpreter.Blocks;

/// <summary>Turns guest bytes into ops with handlers chosen.</summary>
internal sealed unsafe class BlockDecoder
{
    /// <summary>Longest block, in instructions; keeps chains of tail calls short while handlers are not optimised yet.</summary>
    public const int MaxInstructions = 48;

    private const int MaxLength = 15;
    private readonly InstructionTable _table;
    private readonly PageReader _reader = new();
    private readonly Decoder _decoder16;
    private readonly Decoder _decoder32;
    private readonly Decoder _decoder64;

    public BlockDecoder(InstructionTable table)
    {
        _table = table;
        _decoder16 = Decoder.Create(16, _reader);
        _decoder32 = Decoder.Create(32, _reader);
        _decoder64 = Decoder.Create(64, _reader);
    }

    /// <summary>Decodes up to <see cref="MaxInstructions"/> instructions that lie wholly in [start, end).</summary>
    /// <param name="ops">Room for <see cref="MaxInstructions"/> + 1 ops, zeroed.</param>
    /// <param name="start">Host address of the first byte.</param>
    /// <param name="end">End of the host page.</param>
    /// <returns>Number of instructions; zero if the first one is cut off by <paramref name="end"/>.</returns>
    /// <param name="limit">Most instructions to decode.</param>
    public int Decode(Op* ops, byte* start, byte* end, ulong rip, ModeBits mode, int limit = MaxInstructions)
    {
        Decoder decoder = (mode & ModeBits.Code64) != 0 ? _decoder64 : (mode & ModeBits.Code32) != 0 ? _decoder32 : _decoder16;
        _reader.Reset(start, end);
        decoder.IP = rip;
        int count = 0;
        bool ended = false;
        byte* at = start;
        while (count < limit && !ended)
        {
            decoder.Decode(out Instruction instruction);
            if (decoder.LastError == DecoderError.NoMoreBytes && end - at < MaxLength)
            {
                break;
            }

            Op* op = ops + count;
            OpBuilder.Fill(op, instruction, at, mode);
            ended = Choose(op, instruction, mode);
            at += instruction.Length;
            count++;
        }

        if (count == 0)
        {
            return 0;
        }

        Op* last = ops + count - 1;
        if (!ended)
        {
            Op* next = ops + count;
            next->NextRip = last->NextRip;
            next->Handler = next->Single = &BranchHandlers.FallThrough;
        }

        last->Flags |= OpFlags.Last;
        Fusion.Apply(ops, count);
        return count;
    }

    /// <summary>Sets the handlers of one op.</summary>
    /// <returns>True if the block ends with it.</returns>
    private bool Choose(Op* op, in Instruction instruction, ModeBits mode)
    {
        if (instruction.Code == Code.INVALID)
        {
            op->Handler = op->Single = op->Length >= MaxLength ? &GenericHandlers.TooLong : &GenericHandlers.Undefined;
            return true;
        }

        bool ends = _table.EndsBlock(instruction.Code, instruction.Mnemonic) || instruction.FlowControl != FlowControl.Next;
        op->Semantic = _table.Find(instruction.Code, instruction.Mnemonic);
        op->Handler = HandlerSelector.Select(op, instruction, mode);
        if (op->Handler == null)
        {
            ends |= op->Semantic == null;
            op->Handler = op->Semantic == null ? &GenericHandlers.Undefined : ends ? &GenericHandlers.End : &GenericHandlers.Continue;
        }

        op->Single = op->Handler;
        return ends;
    }
}
