using System.Runtime.InteropServices;
using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator.Blocks;

/// <summary>Turns guest code into a translated block: decode, find live flags, emit.</summary>
internal sealed unsafe partial class BlockTranslator : IDisposable
{
    /// <summary>Longest block, in instructions.</summary>
    public const int MaxInstructions = 64;

    /// <summary>
    /// Conditional jumps that a block goes on behind: what is not taken costs no jump, no look at the attention flag, and no check again.
    /// </summary>
    private const int MaxSideExits = 2;

    /// <summary>How far a successor is looked into for flags that it reads.</summary>
    private const int LookAhead = 6;

    private const int PageSize = 4096;
    private const int LongestInstruction = 15;

    private readonly TranslationCache _cache;
    private readonly BlockEmitter _emitter;
    private readonly SharedChecks _shared = new();
    private readonly MemoryReader _reader = new();
    private readonly Decoder _decoder64;
    private readonly Decoder _decoder32;
    private readonly Decoder _decoder16;
    private readonly byte* _seam;
    private readonly DecodedInstruction[] _instructions = new DecodedInstruction[MaxInstructions];
    private Decoder _decoder;
    private CodeMode _mode;
    private CodeSegment _segment;
    private bool _isSegmented;
    private bool _isRelative;

    public BlockTranslator(TranslationCache cache)
    {
        _cache = cache;
        _emitter = new BlockEmitter(cache);
        _decoder = _decoder64 = Decoder.Create(64, _reader);
        _decoder32 = Decoder.Create(32, _reader);
        _decoder16 = Decoder.Create(16, _reader);

        // SAFETY: freed in Dispose.
        _seam = (byte*)NativeMemory.AllocZeroed(2 * LongestInstruction);
    }

    /// <summary>Translates the code at a new block's RIP.</summary>
    /// <param name="at">Where the code goes.</param>
    /// <param name="limit">Most instructions to translate.</param>
    /// <returns>The end of the code.</returns>
    /// <param name="registers">The guest's registers RAX..R15 now.</param>
    public byte* Translate(byte* at, TranslatedBlock* block, ulong* registers, int limit, out int guestBytes)
    {
        _mode = block->Mode;
        _isRelative = block->IsRelative;
        _segment = _cache.Segments[block->Segment];
        _isSegmented = _mode.IsSegmented();
        _decoder = _mode switch { CodeMode.Code64 => _decoder64, CodeMode.Code16 => _decoder16, _ => _decoder32 };
        ulong next = block->Rip;
        byte* page = block->HostPage;
        int count = Decode(block, limit, ref next, out BlockEnd end);
        byte* code = page + (block->Rip & (PageSize - 1));
        if (count == 0 && !end.IsInterpreted)
        {
            count = DecodeSeam(block, ref next, out code);
            end = count == 0 ? BlockEnd.Interpret : end;
        }

        block->SecondPage = count == 0 || code != _seam ? null : block->SecondPage;
        guestBytes = (int)(next - block->Rip);
        if (count != 0)
        {
            FindLiveFlags(page, count, next - _segment.Base, end);
            if (!_isRelative && !_isSegmented)
            {
                TableLookups.Find(_instructions.AsSpan(0, count), _mode, new ReadOnlySpan<ulong>(registers, Gpr.None));
            }

            if (!block->IsApart && !_isSegmented)
            {
                _shared.Find(_instructions.AsSpan(0, count), _mode, _cache.IsOnlyProcessor);
            }
        }

        next = _mode == CodeMode.Code64 ? next : (uint)(next - _segment.Base);
        return _emitter.EmitBlock(at, block, code, _instructions.AsSpan(0, count), next, end);
    }

    public void Dispose() => NativeMemory.Free(_seam);

    /// <summary>Decodes the one instruction whose bytes lie in two pages.</summary>
    /// <returns>Instructions decoded: one or none.</returns>
    private int DecodeSeam(TranslatedBlock* block, ref ulong rip, out byte* code)
    {
        code = _seam;
        int first = (int)(PageSize - (rip & (PageSize - 1)));
        if (block->SecondPage == null || first > LongestInstruction)
        {
            return 0;
        }

        new Span<byte>(block->HostPage + PageSize - first, first).CopyTo(new Span<byte>(_seam, first));
        new Span<byte>(block->SecondPage, LongestInstruction).CopyTo(new Span<byte>(_seam + first, LongestInstruction));
        if (!TryDecode(_seam, _seam + LongestInstruction, rip, out DecodedInstruction decoded) || !CanTranslate(decoded, _seam))
        {
            return 0;
        }

        _instructions[0] = decoded;
        rip += (ulong)decoded.Instruction.Length;
        return 1;
    }

    private int Decode(TranslatedBlock* block, int limit, ref ulong rip, out BlockEnd end)
    {
        byte* page = block->HostPage;
        ulong pageBase = rip & ~(ulong)(PageSize - 1);
        int count = 0;
        int sideExits = 0;
        (bool Vectors, bool Avx, bool X87) uses = default;
        end = BlockEnd.Continue;
        while (count < limit && (rip & ~(ulong)(PageSize - 1)) == pageBase)
        {
            byte* code = page + (rip & (PageSize - 1));
            if (!TryDecode(code, page + PageSize, rip, out DecodedInstruction decoded))
            {
                end = _decoder.LastError == DecoderError.NoMoreBytes ? BlockEnd.Continue : BlockEnd.Interpret;
                break;
            }

            if (!CanTranslate(decoded, code))
            {
                end = new BlockEnd(decoded.Instruction.Code, (byte)decoded.Instruction.Length);
                break;
            }

            InstructionTraits traits = decoded.Traits;
            (bool, bool, bool) all = (uses.Vectors | traits.UsesVectors, uses.Avx | traits.UsesAvx, uses.X87 | traits.UsesX87);
            if (sideExits != 0 && all != uses)
            {
                break; // what the block's head makes ready should be used
            }

            uses = all;
            _instructions[count++] = decoded;
            rip += (ulong)decoded.Instruction.Length;
            bool canGoOn = decoded.Instruction.IsJccShortOrNear && sideExits < MaxSideExits && !_isSegmented;
            if (canGoOn && !_cache.IsTranslated(block, rip))
            {
                sideExits++;
            }
            else if (decoded.Traits.Handling >= Handling.Jump)
            {
                break;
            }
        }

        if (count > 0
            && HoldsOffInterrupts(_instructions[count - 1].Instruction)
            && (_cache.CountInstructions || !end.IsInterpreted))
        {
            // Interrupts stay off for one more instruction, and behind this one the engine may look for them.
            ref readonly Instruction last = ref _instructions[--count].Instruction;
            rip -= (ulong)last.Length;
            end = new BlockEnd(last.Code, (byte)last.Length);
        }

        return count;
    }

    /// <returns>False if there is no valid instruction before the end.</returns>
    private bool TryDecode(byte* start, byte* end, ulong rip, out DecodedInstruction decoded)
    {
        _reader.Reset(start, end);
        _decoder.IP = _isSegmented ? (uint)(rip - _segment.Base) : rip;
        _decoder.Decode(out Instruction instruction);
        if (instruction.IsInvalid)
        {
            decoded = default;
            return false;
        }

        decoded = _isSegmented ? DecodedInstruction.OfSegmented(instruction) : DecodedInstruction.Of(instruction);
        return true;
    }

    private bool CanTranslate(in DecodedInstruction decoded, byte* code)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        if (_isSegmented)
        {
            return CanTranslateSegmented(decoded, new ReadOnlySpan<byte>(code, instruction.Length));
        }

        switch (decoded.Traits.Handling)
        {
            case Handling.Interpret:
                return false;
            case Handling.Nothing:
                return true;
            case Handling.System when IsSegmentLoad(instruction):
                return _mode == CodeMode.Code32 && CanLoadSegment(instruction);
            case Handling.Lea:
                return !instruction.Op0Register.IsGPR16() && CanAddress(instruction);
            case Handling.String:
                return HasPlainAddresses(instruction) && (!IsRepeated(instruction) || CanRepeat(instruction));
            case Handling.Native when _mode == CodeMode.Code32 && instruction.Mnemonic is (Mnemonic.Vzeroupper or Mnemonic.Vzeroall):
                return false; // there, it leaves the registers alone that 32-bit code cannot name
            case Handling.Native or Handling.Divide:
                return CanAddress(instruction)
                    && !IsShortBitString(decoded)
                    && RegisterMap.CanEncode(decoded.Traits, GuestEncoding.Parse(code, instruction.Length, _mode));
            default:
                return CanAddress(instruction);
        }
    }

    /// <summary>Whether the registers of an instruction that is re-encoded have place.</summary>
    private bool CanEncode(in DecodedInstruction decoded, ReadOnlySpan<byte> code)
    {
        // SAFETY: parsing stays within the instruction, which has been decoded.
        fixed (byte* at = code)
        {
            return RegisterMap.CanEncode(decoded.Traits, GuestEncoding.Parse(at, code.Length, _mode));
        }
    }

    /// <summary>A bit string whose address, the selected word's distance included, wraps at 4 GiB in 64-bit mode.</summary>
    private bool IsShortBitString(in DecodedInstruction decoded) => decoded.Traits.IsBitString && _mode != CodeMode.Code32
        && (decoded.Instruction.MemoryBase.IsGPR32()
            || decoded.Instruction.MemoryIndex.IsGPR32()
            || decoded.Instruction.MemoryBase == Register.EIP);

    /// <summary>A string instruction with addresses of the mode's size, through flat segments.</summary>
    private bool HasPlainAddresses(in Instruction instruction)
    {
        bool plain = instruction.SegmentPrefix is not (Register.CS or Register.FS or Register.GS);
        for (int i = 0; i < instruction.OpCount; i++)
        {
            plain &= instruction.GetOpKind(i) is OpKind.Register
                || (_mode == CodeMode.Code32
                    ? instruction.GetOpKind(i) is OpKind.MemoryESEDI or OpKind.MemorySegESI
                    : instruction.GetOpKind(i) is OpKind.MemoryESRDI or OpKind.MemorySegRSI);
        }

        return plain;
    }

    private static bool IsRepeated(in Instruction instruction) => instruction.HasRepPrefix || instruction.HasRepnePrefix;

    /// <summary>With REP, which makes the count be in a register of the mode's size.</summary>
    private static bool CanRepeat(in Instruction instruction) => instruction.HasRepPrefix && !instruction.HasRepnePrefix
        && instruction.Code is Code.Stosb_m8_AL
            or Code.Stosd_m32_EAX
            or Code.Stosq_m64_RAX
            or Code.Movsb_m8_m8
            or Code.Movsd_m32_m32
            or Code.Movsq_m64_m64;

    /// <summary>
    /// Whether translated code can form the address of the memory operand. An absolute address with a 32-bit address size differs from
    /// one without above 2 GiB in 64-bit mode: rare enough to leave.
    /// </summary>
    private bool CanAddress(in Instruction instruction)
    {
        bool isMemory = false;
        for (int i = 0; i < instruction.OpCount; i++)
        {
            isMemory |= instruction.GetOpKind(i) == OpKind.Memory;
        }

        if (_mode == CodeMode.Code32)
        {
            return !isMemory || CanAddress32(instruction);
        }

        if (_isRelative && isMemory && instruction.IsIPRelativeMemoryOperand)
        {
            return instruction.MemoryBase == Register.RIP
                && (long)instruction.MemoryDisplacement64 == (int)instruction.MemoryDisplacement64;
        }

        return !isMemory || instruction.MemoryBase != Register.None || instruction.MemoryIndex != Register.None
            || ((long)instruction.MemoryDisplacement64 == (int)instruction.MemoryDisplacement64
                && !InstructionTraitsTable.HasAbsoluteAddress(instruction.Code));
    }

    /// <summary>Backwards: which flags somebody may still read after each instruction.</summary>
    private void FindLiveFlags(byte* page, int count, ulong next, BlockEnd end)
    {
        RflagsBits live = LiveAtEnd(page, _instructions[count - 1], next, end);
        for (int i = count - 1; i >= 0; i--)
        {
            if (_instructions[i].Traits.Handling == Handling.JumpIf && (i < count - 1 || end.IsInterpreted))
            {
                ref readonly Instruction jump = ref _instructions[i].Instruction;
                RflagsBits taken = _cache.ExactFlags ? DecodedInstruction.Arithmetic : LiveAt(page, jump.IP, jump.NearBranchTarget);
                _instructions[i].LiveTaken = taken;
                live |= taken;
            }

            _instructions[i].LiveAfter = live;
            _instructions[i].Kept = _cache.ExactFlags && CanLeave(_instructions[i]) ? DecodedInstruction.Arithmetic : 0;
            live = _instructions[i].LiveBefore | _instructions[i].Kept;
        }
    }

    /// <summary>Whether an instruction may fault, or be left to the interpreter: then its flags so far can be seen.</summary>
    private static bool CanLeave(in DecodedInstruction decoded) =>
        decoded.HasMemory || decoded.Traits.Handling is not (Handling.Native or Handling.Nothing or Handling.Lea);

    private RflagsBits LiveAtEnd(byte* page, in DecodedInstruction last, ulong next, BlockEnd end)
    {
        if (_cache.ExactFlags || end.IsInterpreted)
        {
            return DecodedInstruction.Arithmetic;
        }

        return last.Traits.Handling switch
        {
            Handling.JumpIf =>
                LiveAt(page, last.Instruction.IP, last.Instruction.NearBranchTarget) | LiveAt(page, last.Instruction.IP, next),
            Handling.Jump when last.IsDirectBranch => LiveAt(page, last.Instruction.IP, last.Instruction.NearBranchTarget),
            >= Handling.Jump => DecodedInstruction.Arithmetic,
            _ => LiveAt(page, last.Instruction.IP, next),
        };
    }

    /// <summary>Flags that code at <paramref name="rip"/> may read before it writes them, as far as one looks within the page.</summary>
    private RflagsBits LiveAt(byte* page, ulong from, ulong rip)
    {
        RflagsBits unknown = DecodedInstruction.Arithmetic;
        RflagsBits live = 0;
        if (_isSegmented)
        {
            from = (uint)(from + _segment.Base);
            rip = (uint)(rip + _segment.Base);
        }

        ulong pageBase = from & ~(ulong)(PageSize - 1);
        for (int i = 0; i < LookAhead && unknown != 0; i++)
        {
            bool inside = (rip & ~(ulong)(PageSize - 1)) == pageBase && (rip & (PageSize - 1)) <= PageSize - LongestInstruction;
            if (!inside
                || !TryDecode(page + (rip & (PageSize - 1)), page + PageSize, rip, out DecodedInstruction decoded)
                || decoded.Traits.Handling == Handling.Interpret)
            {
                break;
            }

            live |= decoded.Reads & unknown;
            unknown &= ~decoded.MustWrite;
            if (decoded.Traits.Handling >= Handling.Jump)
            {
                break;
            }

            rip += (ulong)decoded.Instruction.Length;
        }

        return live | unknown;
    }

    /// <summary>Feeds the decoder from host memory.</summary>
    private sealed class MemoryReader : CodeReader
    {
        private byte* _at;
        private byte* _end;

        public void Reset(byte* start, byte* end)
        {
            _at = start;
            _end = end;
        }

        public override int ReadByte() => _at < _end ? *_at++ : -1;
    }
}
