using System.Runtime.InteropServices;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Threaded;

namespace Strata.X86.Interpreter.Blocks;

/// <summary>
/// The decoded blocks of one vCPU, keyed by host page (which stands for the physical page), IP and mode. Bounded: when the arena
/// is full everything is dropped and decoded again. Only the vCPU's thread touches it.
/// </summary>
internal sealed unsafe class BlockCache : IDisposable
{
    private const nuint ArenaSize = 96 << 20;
    private const int BucketBits = 16;
    private const int MaxInstructionLength = 15;

    private readonly X86Cpu _cpu;
    private readonly BlockDecoder _decoder;
    private readonly BlockArena _arena = new(ArenaSize);
    private readonly Dictionary<nint, nint> _firstInPage = [];
    private readonly Op* _scratch;
    private readonly byte* _seam;
    private readonly JumpCacheState* _jumps;
    private Block** _buckets;

    public BlockCache(X86Cpu cpu, BlockDecoder decoder)
    {
        _cpu = cpu;
        _decoder = decoder;
        _jumps = JumpCache.Create();
        cpu.Context->Scratch0 = (nint)_jumps;

        // SAFETY: all freed in Dispose.
        _buckets = (Block**)NativeMemory.AllocZeroed(1 << BucketBits, (nuint)sizeof(Block*));
        _scratch = (Op*)NativeMemory.AllocZeroed(BlockDecoder.MaxInstructions + 1, (nuint)sizeof(Op));
        _seam = (byte*)NativeMemory.AllocZeroed(2 * MaxInstructionLength);
    }

    /// <summary>Blocks decoded since the start.</summary>
    public long Decoded { get; private set; }

    /// <summary>Times everything was dropped because the arena was full.</summary>
    public long Resets { get; private set; }

    /// <summary>The block at State.Rip, decoded if need be.</summary>
    /// <returns>Null if the fetch faulted; the exception is recorded.</returns>
    public Block* Find()
    {
        VcpuContext* c = _cpu.Context;
        ulong rip = c->State.Rip;
        c->InstructionRip = rip;
        if (!TryGetLinear(c, rip, out ulong linear) || !_cpu.TryTranslateFetch(linear, out byte* hostPage, out _))
        {
            return null;
        }

        if (hostPage == null)
        {
            return DecodeOutsideRam(c, rip, linear);
        }

        Block** slot = JumpCache.Slot(c, linear);
        Block* block = *slot;
        if (!Matches(block, linear, rip, c->Mode, hostPage) || block->HostPage2 != null)
        {
            block = Search(hostPage, linear, rip, c->Mode);
            block = block == null ? Decode(c, hostPage, linear, rip) : block;
            if (block == null)
            {
                return null;
            }

            *slot = block;
        }

        return block;
    }

    /// <summary>Drops the blocks of a host page.</summary>
    public void Invalidate(byte* hostPage)
    {
        if (!_firstInPage.Remove((nint)hostPage, out nint first))
        {
            return;
        }

        for (Block* block = (Block*)first; block != null;)
        {
            block->Linear = ulong.MaxValue;
            block = block->HostPage == hostPage ? block->NextInPage : block->NextInPage2;
        }

        _jumps->LinkOp = null;
        _cpu.Context->EndBlock = 1;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Resets++;
        _firstInPage.Clear();
        NativeMemory.Clear(_buckets, (nuint)sizeof(Block*) << BucketBits);
        JumpCache.Clear(_jumps);
        _arena.Reset();
    }

    /// <summary>Stores a block in the branch that asked for it, if both lie in one page.</summary>
    public void Link(Block* block)
    {
        Op* op = _jumps->LinkOp;
        _jumps->LinkOp = null;
        if (op == null || block->HostPage2 != null || block->Linear == ulong.MaxValue)
        {
            return;
        }

        bool taken = _jumps->LinkTaken != 0;
        if (block->Rip == (taken ? op->Imm : op->NextRip))
        {
            if (taken)
            {
                op->Taken = block;
            }
            else
            {
                op->Fall = block;
            }
        }
    }

    public void Dispose()
    {
        _cpu.Context->Scratch0 = 0;
        JumpCache.Free(_jumps);
        NativeMemory.Free(_scratch);
        NativeMemory.Free(_seam);
        if (_buckets != null)
        {
            NativeMemory.Free(_buckets);
            _buckets = null;
        }

        _arena.Dispose();
    }

    private static bool Matches(Block* block, ulong linear, ulong rip, ModeBits mode, byte* hostPage) =>
        block->Linear == linear && block->HostPage == hostPage && block->Mode == mode && block->Rip == rip;

    private bool TryGetLinear(VcpuContext* c, ulong rip, out ulong linear)
    {
        linear = rip + c->CodeBase;
        if ((c->Mode & ModeBits.Code64) != 0)
        {
            return true;
        }

        linear &= uint.MaxValue;
        return rip <= c->State.Cs.Limit || _cpu.RaiseGeneralProtection();
    }

    private static uint Bucket(byte* host) => (uint)(((ulong)host * 0x9E37_79B9_7F4A_7C15) >> (64 - BucketBits));

    /// <summary>Blocks that were dropped leave their chain when it is walked: code that rewrites itself makes one at every turn.</summary>
    private Block* Search(byte* hostPage, ulong linear, ulong rip, ModeBits mode)
    {
        Block** link = &_buckets[Bucket(hostPage + (linear & 0xFFF))];
        for (Block* block = *link; block != null; block = *link)
        {
            if (block->Linear == ulong.MaxValue)
            {
                *link = block->NextInBucket;
                continue;
            }

            link = &block->NextInBucket;
            if (Matches(block, linear, rip, mode, hostPage) && SecondPageStillMatches(block, linear))
            {
                return block;
            }
        }

        return null;
    }

    private bool SecondPageStillMatches(Block* block, ulong linear)
    {
        if (block->HostPage2 == null)
        {
            return true;
        }

        // A fault here is found again, and reported, when the instruction is decoded.
        uint pending = _cpu.Context->PendingException;
        bool ok = _cpu.TryTranslateFetch(NextPage(linear), out byte* second, out _) && second == block->HostPage2;
        _cpu.Context->PendingException = pending;
        return ok;
    }

    private ulong NextPage(ulong linear) => ((linear & ~0xFFFUL) + 0x1000) & _cpu.AddressMask;

    private Block* Decode(VcpuContext* c, byte* hostPage, ulong linear, ulong rip)
    {
        const nuint worst = (nuint)((BlockDecoder.MaxInstructions + 1) * 128) + 256;
        if (!_arena.HasRoom(worst))
        {
            Clear();
        }

        MarkCode(hostPage);
        new Span<byte>(_scratch, (BlockDecoder.MaxInstructions + 1) * sizeof(Op)).Clear();
        byte* start = hostPage + (linear & 0xFFF);
        ulong room = 0x1000 - (linear & 0xFFF);
        ulong allowed = (c->Mode & ModeBits.Code64) != 0 ? ulong.MaxValue : c->State.Cs.Limit - rip + 1; // the caller checked rip
        int count = _decoder.Decode(_scratch, start, start + Math.Min(room, allowed), rip, c->Mode);
        byte* second = null;
        if (count == 0)
        {
            if (allowed < room)
            {
                _cpu.RaiseGeneralProtection();
                return null;
            }

            if (!_cpu.TryTranslateFetch(NextPage(linear), out second, out _))
            {
                return null;
            }

            count = DecodeSeam(start, (int)room, second, rip, c->Mode);
            if (_scratch->Length > allowed)
            {
                _cpu.RaiseGeneralProtection();
                return null;
            }
        }

        Block* block = Store(count);
        block->Linear = linear;
        block->Rip = rip;
        block->Mode = c->Mode;
        block->HostPage = hostPage;
        block->HostPage2 = second;
        Chain(block, start);
        return block;
    }

    /// <summary>Decodes the one instruction whose bytes lie in two pages.</summary>
    private int DecodeSeam(byte* start, int first, byte* second, ulong rip, ModeBits mode)
    {
        new Span<byte>(_seam, 2 * MaxInstructionLength).Fill(0xFF);
        new Span<byte>(start, first).CopyTo(new Span<byte>(_seam, first));
        if (second != null)
        {
            MarkCode(second);
            new Span<byte>(second, MaxInstructionLength).CopyTo(new Span<byte>(_seam + first, MaxInstructionLength));
        }

        int count = _decoder.Decode(_scratch, _seam, _seam + MaxInstructionLength, rip, mode);
        return KeepFirst(Math.Max(count, 1));
    }

    /// <summary>Cuts the scratch block down to its first instruction.</summary>
    private int KeepFirst(int count)
    {
        _scratch->Flags |= OpFlags.CrossesPage;
        _scratch->Handler = _scratch->Single;
        if (count > 1 || (_scratch->Flags & OpFlags.Last) == 0)
        {
            _scratch->Flags |= OpFlags.Last;
            _scratch[1] = default;
            _scratch[1].NextRip = _scratch->NextRip;
            _scratch[1].Flags = OpFlags.CrossesPage;
            _scratch[1].Handler = _scratch[1].Single = &BranchHandlers.FallThrough;
        }
        else if (_scratch[1].Handler != null)
        {
            _scratch[1].Flags = OpFlags.CrossesPage;
        }

        return 1;
    }

    /// <summary>Code in ROM-less, RAM-less space: bytes come from the bus, one instruction at a time, nothing is cached.</summary>
    private Block* DecodeOutsideRam(VcpuContext* c, ulong rip, ulong linear)
    {
        if (!_arena.HasRoom(2 * 128 + 256))
        {
            Clear();
        }

        for (int i = 0; i < MaxInstructionLength; i++)
        {
            uint pending = c->PendingException;
            bool ok = _cpu.TryTranslateFetch((linear + (ulong)i) & _cpu.AddressMask, out byte* page, out ulong gpa);
            c->PendingException = pending;
            _seam[i] = !ok ? (byte)0xFF
                : page != null ? page[(linear + (ulong)i) & 0xFFF]
                : (byte)_cpu.Memory.Read(gpa, Core.Bus.AccessWidth.Byte);
        }

        new Span<byte>(_scratch, (BlockDecoder.MaxInstructions + 1) * sizeof(Op)).Clear();
        int count = KeepFirst(Math.Max(_decoder.Decode(_scratch, _seam, _seam + MaxInstructionLength, rip, c->Mode), 1));
        Block* block = Store(count);
        block->Linear = ulong.MaxValue;
        return block;
    }

    private Block* Store(int count)
    {
        int ops = _scratch[count].Handler != null ? count + 1 : count;
        Block* block = (Block*)_arena.Allocate((nuint)sizeof(Block));
        block->Ops = (Op*)_arena.Allocate((nuint)(ops * sizeof(Op)));
        block->Count = count;
        new Span<byte>(_scratch, ops * sizeof(Op)).CopyTo(new Span<byte>(block->Ops, ops * sizeof(Op)));
        Decoded++;
        return block;
    }

    private void Chain(Block* block, byte* start)
    {
        uint bucket = Bucket(start);
        block->NextInBucket = _buckets[bucket];
        _buckets[bucket] = block;
        block->NextInPage = (Block*)_firstInPage.GetValueOrDefault((nint)block->HostPage);
        _firstInPage[(nint)block->HostPage] = (nint)block;
        if (block->HostPage2 != null)
        {
            block->NextInPage2 = (Block*)_firstInPage.GetValueOrDefault((nint)block->HostPage2);
            _firstInPage[(nint)block->HostPage2] = (nint)block;
        }
    }

    private void MarkCode(byte* hostPage)
    {
        foreach (GuestMemory memory in _cpu.Memory.KnownMemories)
        {
            ulong offset = (ulong)(hostPage - memory.Base);
            if (offset < memory.Size)
            {
                memory.MarkCode(offset >> GuestMemory.PageShift);
                return;
            }
        }
    }
}
