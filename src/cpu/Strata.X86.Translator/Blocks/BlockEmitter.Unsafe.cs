using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Emits one block. Guest registers are in their homes at every instruction boundary, and nothing of an instruction takes
/// effect before its memory accesses are known to succeed: leaving at a site and executing the instruction otherwise is always right.
/// <para>Arithmetic flags are in the frame at block boundaries, unless nobody reads them; inside a block they stay in the
/// host's as long as no TLB check comes between.</para>
/// </summary>
internal sealed unsafe partial class BlockEmitter(TranslationCache cache)
{
    /// <summary>Most bytes emitted for one guest instruction, cold part included.</summary>
    public const int MaxBytesPerInstruction = 512;

    private readonly List<ColdPath> _cold = [];
    private readonly List<TablePath> _tables = [];
    private readonly List<(nint Place, int Site)> _apart = [];
    private TranslatedBlock* _block;
    private Stubs _stubs = cache.Stubs;
    private CodeSegment _segment;
    private bool _isSegmented;
    private bool _flagsInHost;
    private bool _flagsInFrame;
    private bool _uppersNoted;
    private int _completed;

    /// <summary>Emits a block's code at <paramref name="at"/>.</summary>
    /// <param name="code">Where the bytes of the first instruction are.</param>
    /// <param name="next">RIP behind the last instruction.</param>
    /// <param name="blockEnd">How the block ends if its last instruction is no branch.</param>
    /// <returns>The end of the code.</returns>
    public byte* EmitBlock(
        byte* at, TranslatedBlock* block, byte* code, ReadOnlySpan<DecodedInstruction> instructions, ulong next, BlockEnd blockEnd)
    {
        _cold.Clear();
        _tables.Clear();
        _apart.Clear();
        _block = block;
        _segment = cache.Segments[block->Segment];
        _isSegmented = block->Mode.IsSegmented();
        _stubs = _isSegmented ? cache.SegmentedStubs : cache.Stubs;
        ulong rip = _isSegmented ? (uint)(block->Rip - _segment.Base) : block->Rip;
        _flagsInHost = false;
        _flagsInFrame = true;
        _uppersNoted = false;
        _completed = 0;
        block->Count = (byte)instructions.Length;
        HostAssembler a = new(at);
        EmitHead(ref a, instructions, rip);
        bool branched = false;
        for (int i = 0; i < instructions.Length;)
        {
            int count = EmitNext(ref a, instructions[i..], code, blockEnd, out branched);
            for (int end = i + count; i < end; i++)
            {
                code += instructions[i].Instruction.Length;
            }

            _completed = i;
        }

        if (!branched)
        {
            bool live = instructions.Length != 0 && instructions[^1].LiveAfter != 0;
            EmitEnd(ref a, next, blockEnd, live);
        }

        if (block->SecondPage != null)
        {
            block->TableEntry = a.At;
            EmitTableJump(ref a, rip, new Site { Kind = SiteKind.Dispatch, Rip = rip });
        }

        EmitTablePaths(ref a);
        EmitColdPaths(ref a);
        return a.At;
    }

    private void EmitHead(ref HostAssembler a, ReadOnlySpan<DecodedInstruction> instructions, ulong rip)
    {
        if (_block->IsRelative)
        {
            EmitLearnBase(ref a);
        }

        _block->LinkEntry = a.At;
        a.LoadFrame(Scratch1, Frame.Attention);
        a.CompareDword(Scratch1, 0, 0);
        LeaveIf(ref a, HostCondition.NotEqual, new Site { Kind = SiteKind.Attention, Rip = rip });
        _block->ForwardEntry = a.At;
        if (cache.CountInstructions)
        {
            EmitCount(ref a, instructions.Length, rip);
        }

        bool vectors = false;
        bool avx = false;
        bool x87 = false;
        foreach (ref readonly DecodedInstruction decoded in instructions)
        {
            vectors |= decoded.Traits.UsesVectors;
            avx |= decoded.Traits.UsesAvx;
            x87 |= decoded.Traits.UsesX87;
        }

        if (vectors)
        {
            EmitLoader(ref a, Frame.VectorsLoaded, _stubs.LoadVectors, SiteKind.Vectors, rip);
        }

        if (avx)
        {
            EmitLoader(ref a, Frame.AvxLoaded, cache.Stubs.LoadAvx, SiteKind.Vectors, rip);
        }

        if (x87)
        {
            EmitLoader(ref a, Frame.X87Loaded, _stubs.LoadX87, SiteKind.X87, rip);
        }
    }

    /// <summary>Takes the block's instructions from the budget, or leaves if there are fewer left.</summary>
    private void EmitCount(ref HostAssembler a, int count, ulong rip)
    {
        EmitSubtractCount(ref a, count);
        LeaveIf(ref a, HostCondition.Below, new Site { Kind = SiteKind.Budget, Rip = rip });
    }

    private static void EmitSubtractCount(ref HostAssembler a, int count)
    {
        a.LoadFrame(Scratch1, Frame.Bridge);
        a.Byte(0x41); // sub dword [r14 + Left], count
        a.Byte(0x81);
        a.Memory(5, Scratch1, Bridge.OffsetOf(nameof(Bridge.Left)));
        a.Dword(count);
    }

    private void EmitLoader(ref HostAssembler a, int flag, byte* loader, SiteKind kind, ulong rip)
    {
        a.CompareDword(Rsp, flag, 0);
        byte* place = a.JumpIf(HostCondition.Equal);
        _cold.Add(new ColdPath((nint)place, AddSite(new Site { Kind = kind, Rip = rip })) { Loader = (nint)loader, Back = (nint)a.At });
    }

    /// <summary>Emits the first instruction, or the run of stack instructions that it starts.</summary>
    /// <param name="branched">Whether the last of them was a branch, which ends the block.</param>
    /// <returns>Instructions emitted.</returns>
    private int EmitNext(
        ref HostAssembler a, ReadOnlySpan<DecodedInstruction> instructions, byte* code, BlockEnd blockEnd, out bool branched)
    {
        branched = false;
        if (_isSegmented)
        {
            branched = EmitSegmented(ref a, instructions[0], code);
            return 1;
        }

        int run = _block->IsApart ? 0 : FindPushRun(instructions);
        if (run != 0)
        {
            EmitPushRun(ref a, instructions[..run]);
            return run;
        }

        run = _block->IsApart ? 0 : FindPopRun(instructions);
        if (run != 0)
        {
            branched = EmitPopRun(ref a, instructions[..run]);
            return run;
        }

        if (instructions[0].Traits.Handling == Handling.JumpIf && (instructions.Length > 1 || blockEnd.IsInterpreted))
        {
            EmitSideExit(ref a, instructions[0]);
            return 1;
        }

        branched = EmitInstruction(ref a, instructions[0], code);
        return 1;
    }

    /// <returns>Whether the instruction was a branch, which ends the block.</returns>
    private bool EmitInstruction(ref HostAssembler a, in DecodedInstruction decoded, byte* code)
    {
        switch (decoded.Traits.Handling)
        {
            case Handling.Native:
                EmitNative(ref a, decoded, code);
                return false;
            case Handling.Nothing:
                return false;
            case Handling.Lea:
                EmitLea(ref a, decoded);
                return false;
            case Handling.System:
                EmitSystem(ref a, decoded);
                return false;
            case Handling.String:
                EmitString(ref a, decoded);
                return false;
            case Handling.Push:
                EmitPush(ref a, decoded);
                return false;
            case Handling.Pop:
                EmitPop(ref a, decoded);
                return false;
            case Handling.Leave:
                EmitLeave(ref a, decoded);
                return false;
            case Handling.Divide:
                EmitDivide(ref a, decoded);
                return false;
            case Handling.Jump:
                EmitJump(ref a, decoded);
                return true;
            case Handling.JumpIf:
                EmitJumpIf(ref a, decoded);
                return true;
            case Handling.Call:
                EmitCall(ref a, decoded);
                return true;
            case Handling.Return:
                EmitReturn(ref a, decoded);
                return true;
            default:
                throw new InvalidOperationException($"{decoded.Instruction} cannot be translated.");
        }
    }

    private void EmitEnd(ref HostAssembler a, ulong next, BlockEnd end, bool live)
    {
        if (live)
        {
            SaveFlags(ref a);
        }

        if (end.IsInterpreted)
        {
            bool isGate = Is32 ? end.Code is Code.Sysenter or Code.Sysexitd
                : !_isSegmented && end.Code is Code.Syscall or Code.Sysretq;
            if (isGate && cache.CountInstructions)
            {
                _completed--; // the gate's own count is to be given back where the gate is not passed
                EmitSubtractCount(ref a, 1);
            }

            Code code = _isSegmented ? Code.INVALID : end.Code;
            Site site = new() { Kind = SiteKind.Interpret, Rip = next, Code = (ushort)code, Length = end.Length };
            int number = AddSite(site);
            if (isGate && cache.CountInstructions)
            {
                a.LoadConstant(Scratch2, (uint)number);
                a.JumpIf(HostCondition.Below, _stubs.Exit);
            }

            if (isGate && end.Code == Code.Syscall)
            {
                EmitLoadRip(ref a, Scratch1, next + end.Length);
            }

            EmitWayOut(ref a, number);
            a.Jump(end.Code switch
            {
                _ when !isGate => _stubs.Exit,
                Code.Syscall => _stubs.Gates.Syscall,
                Code.Sysenter => _stubs.Gates.Sysenter,
                Code.Sysexitd => _stubs.Gates.Sysexit,
                _ => _stubs.Gates.Sysret,
            });
            return;
        }

        EmitContinue(ref a, next, new Site { Kind = SiteKind.Dispatch, Rip = next });
    }

    /// <summary>
    /// Before something clobbers the host's flags: keeps them if they are needed at or after the instruction, or by the frame of
    /// a fault that it may raise.
    /// </summary>
    private void PreserveFlags(ref HostAssembler a, in DecodedInstruction decoded)
    {
        if ((decoded.LiveBefore | decoded.Kept) != 0)
        {
            SaveFlags(ref a);
        }

        _flagsInHost = false;
    }

    private void SaveFlags(ref HostAssembler a)
    {
        if (_flagsInHost && !_flagsInFrame)
        {
            a.SaveFlags();
            _flagsInFrame = true;
        }
    }

    /// <summary>Before an instruction that needs the guest's flags in the host's.</summary>
    private void ProvideFlags(ref HostAssembler a, in DecodedInstruction decoded)
    {
        if (decoded.NeedsHostFlags && !_flagsInHost)
        {
            a.RestoreFlags();
            _flagsInHost = true;
        }
    }

    /// <summary>After an instruction has been emitted whose host form changes the flags as the guest's does.</summary>
    private void NoteFlags(in DecodedInstruction decoded)
    {
        if (decoded.MayWrite != 0)
        {
            _flagsInHost = true;
            _flagsInFrame = false;
        }
    }

    private int AddSite(Site site)
    {
        site.Block = _block;
        site.Completed = site.Kind switch
        {
            // before the block was counted, or at its end
            SiteKind.Attention or SiteKind.Link or SiteKind.Dispatch or SiteKind.Cross => (sbyte)_block->Count,
            _ => (sbyte)_completed,
        };
        return cache.AddSite(site);
    }

    private void LeaveIf(ref HostAssembler a, int condition, Site site)
    {
        byte* place = a.JumpIf(condition);
        _cold.Add(new ColdPath((nint)place, AddSite(site)));
    }

    private void EmitColdPaths(ref HostAssembler a)
    {
        foreach (ColdPath cold in _cold)
        {
            HostAssembler.Patch((byte*)cold.Place, a.At);
            if (cold.TagOffset >= 0)
            {
                // The check has subtracted the tag: give the address back.
                a.Op64Indexed(0x03, Scratch1, HostRegister.Tlb, Scratch2, cold.TagOffset);
            }

            if (cold.Constant is { } address)
            {
                a.LoadConstant(Scratch1, address);
            }

            if (cold.SharedSize != 0)
            {
                EmitUnlessOnePage(ref a, cold);
            }

            EmitWayOut(ref a, cold.Site);
            if (cold.Loader != 0)
            {
                a.Call((byte*)cold.Loader);
                a.Jump((byte*)cold.Back);
            }
            else
            {
                a.Jump(cold.IsMiss ? _stubs.Miss
                    : cache.SiteAt((uint)cold.Site)->Kind == SiteKind.Dispatch ? _stubs.Dispatch
                    : _stubs.Exit);
            }
        }

        foreach ((nint place, int site) in _apart)
        {
            HostAssembler.Patch((byte*)place, a.At);
            EmitWayOut(ref a, site);
            a.Jump(_stubs.Exit);
        }
    }

    /// <summary>
    /// The number of a site into Scratch2, before a jump or call of a stub, which must follow at once: kept code gets both anew.
    /// </summary>
    private void EmitWayOut(ref HostAssembler a, int site)
    {
        a.LoadConstant(Scratch2, (uint)site);
        cache.SiteAt((uint)site)->Way = (ushort)(a.At - sizeof(int) - _block->Entry);
    }

    /// <summary>The check of a table look-up that is elsewhere.</summary>
    private readonly record struct TablePath(nint Place, nint Back, int Site, int Tag, int Size);

    /// <summary>Code apart from the block's straight line.</summary>
    private readonly record struct ColdPath(nint Place, int Site)
    {
        /// <summary>Offset of the tag that a failed check subtracted, or −1.</summary>
        public int TagOffset { get; init; } = -1;

        /// <summary>The linear address of an access, where it is known.</summary>
        public ulong? Constant { get; init; }

        /// <summary>Bytes of all accesses that share the check, or 0; and the site for going on with a check for each.</summary>
        public byte SharedSize { get; init; }

        public int Apart { get; init; }

        /// <summary>A failed check, whose site says where to try again.</summary>
        public bool IsMiss => TagOffset >= 0 || Constant != null;

        public nint Loader { get; init; }

        public nint Back { get; init; }
    }
}

/// <summary>How a block ends that does not end with a branch.</summary>
/// <param name="Code">The instruction that follows, if it is the interpreter's.</param>
/// <param name="Length">Its bytes.</param>
internal readonly record struct BlockEnd(Code Code, byte Length)
{
    /// <summary>Another block follows.</summary>
    public static BlockEnd Continue => default;

    /// <summary>What follows is no valid instruction.</summary>
    public static BlockEnd Interpret => new(Code.INVALID, 1);

    public bool IsInterpreted => Length != 0;
}
