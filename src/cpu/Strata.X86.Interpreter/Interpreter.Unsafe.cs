using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Iced.Intel;
using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Interpreter.Instructions;
using Strata.X86.Interpreter.Threaded;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter;

/// <summary>
/// The reference engine: decodes guest code into blocks of ops and runs them by chains of tail calls. Portable C#, no code
/// emission needed.
/// <para>Threads: <see cref="Run"/> on the vCPU's thread; <see cref="Kick"/> and the code-tracking callbacks on any.</para>
/// </summary>
public sealed unsafe class Interpreter : IX86Engine
{
    /// <summary>
    /// Instructions between two looks at interrupts. Also bounds the stack while handlers are not yet compiled to real tail calls.
    /// </summary>
    private const long SliceInstructions = 1000;

    private const ulong LongestInstruction = 15;

    private readonly VcpuContext* _context;
    private readonly BlockCache _blocks;
    private readonly ConcurrentQueue<Request> _requests = new();
    private readonly OpCache _single;
    private readonly long[] _stepped = new long[(int)Enum.GetValues<Code>().Max() + 1];
    private readonly Op* _step;
    private readonly byte* _bounce;
    private readonly bool _ownsCpu;
    private int _threadId = -1;
    private int _inside; // 1 between EnterGuest and LeaveGuest
    private int _kicked;
    private long _forgotten;

    /// <param name="wiring">The engine makes the processor and disposes it.</param>
    public Interpreter(X86CpuWiring wiring)
        : this(new X86Cpu(wiring)) => _ownsCpu = true;

    /// <param name="cpu">The processor as another engine left it; not disposed with the engine.</param>
    public Interpreter(X86Cpu cpu)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        Cpu = cpu;
        Index = cpu.Wiring.Index;
        _context = Cpu.Context;
        BlockDecoder decoder = new(InstructionSet.Table);
        _blocks = new BlockCache(Cpu, decoder);
        _single = new OpCache(decoder);

        // SAFETY: freed in Dispose.
        _step = (Op*)NativeMemory.AllocZeroed(2, (nuint)sizeof(Op));
        _bounce = (byte*)NativeMemory.AllocZeroed(64);
        _context->Scratch1 = (nint)_bounce;
        Cpu.Memory.CodeWritten += OnCodeWritten;
        Cpu.Memory.CodeMarked += OnCodeMarked;
        Cpu.Memory.WritesRevoked += OnWritesRevoked;
        Cpu.Memory.MapChanged += OnMapChanged;
        Cpu.Tlb.BeforeFlush = OnFlush;
    }

    public int Index { get; }

    public X86Cpu Cpu { get; }

    /// <summary>
    /// Count every instruction, also where a fault or an event ends a block early, so that <see cref="Run"/> executes exactly its
    /// budget: one block at a time, hence slower. For deterministic time and for comparing engines.
    /// </summary>
    public bool CountsExactly { get; init; }

    public long InstructionsExecuted { get; private set; }

    /// <summary>Instructions executed by <see cref="Step"/>, by Iced's code. For tools: approximate while running.</summary>
    public IReadOnlyList<long> SteppedByCode => _stepped;

    public string DescribeCounters() => $"{InstructionsExecuted} instructions, {BlocksDecoded} blocks decoded";

    /// <summary>Blocks decoded since the start.</summary>
    public long BlocksDecoded => _blocks.Decoded;

    /// <summary>
    /// Set by an engine that executes with this interpreter's help: a host page of code has changed. Called on the vCPU's thread.
    /// </summary>
    public Action<nint>? PageInvalidated { get; set; }

    /// <summary>Set by such an engine, too: the map has changed, and the TLB is empty. Called on the vCPU's thread.</summary>
    public Action? MapTaken { get; set; }

    /// <summary>
    /// Set by an engine whose guest code does not look at the attention flag: somebody has just set it. Called on any thread.
    /// </summary>
    public Action? AttentionAsked { get; set; }

    /// <summary>Makes the calling thread the vCPU's; <see cref="Run"/> does so by itself.</summary>
    public void BindThread() => _threadId = Environment.CurrentManagedThreadId;

    /// <summary>Drops all decoded code: guest memory was written where nobody saw it.</summary>
    public void ForgetCode()
    {
        if (_blocks.Decoded != _forgotten)
        {
            _blocks.Clear();
            _forgotten = _blocks.Decoded;
        }
    }

    public VcpuStop Run(long instructionBudget)
    {
        BindThread();
        EnterGuest();
        try
        {
            return RunInside(instructionBudget);
        }
        finally
        {
            LeaveGuest();
        }
    }

    /// <summary>
    /// From here to <see cref="LeaveGuest"/> guest code may run, with the rights that the TLB holds: who asks this vCPU to give them up
    /// waits. Requests of the time before are served now. On the vCPU's thread; <see cref="Run"/> does both by itself.
    /// </summary>
    public void EnterGuest() => SetInside(1);

    /// <summary>Guest code runs no longer. Who waits for this vCPU need not any longer.</summary>
    public void LeaveGuest() => SetInside(0);

    /// <summary><see cref="Run"/> for an engine that has entered already.</summary>
    public VcpuStop RunInside(long instructionBudget)
    {
        long left = instructionBudget;
        while (left > 0)
        {
            if (Volatile.Read(ref _context->Attention) != 0 && !Attend())
            {
                return VcpuStop.Kicked;
            }

            if (_context->State.Activity != ActivityState.Running && !Cpu.TryWake())
            {
                return _context->State.Activity == ActivityState.Shutdown ? VcpuStop.Shutdown : VcpuStop.Halted;
            }

            Cpu.DeliverInterrupts();
            if (_context->State.Activity != ActivityState.Running)
            {
                continue; // the delivery has shut the processor down
            }

            if (Cpu.IsUserCodeHeld)
            {
                return VcpuStop.Halted;
            }

            left -= Cpu.NeedsSlowStep || _context->State.Shadow != InterruptShadow.None
                ? Step()
                : RunChain(Math.Min(left, SliceInstructions));
        }

        return VcpuStop.BudgetSpent;
    }

    public void Kick()
    {
        if (Environment.CurrentManagedThreadId == _threadId)
        {
            _context->EndBlock = 1; // an instruction of this vCPU caused it: act behind that instruction
        }

        Volatile.Write(ref _kicked, 1);
        Volatile.Write(ref _context->Attention, 1);
        AttentionAsked?.Invoke();
    }

    public void Dispose()
    {
        Cpu.Memory.CodeWritten -= OnCodeWritten;
        Cpu.Memory.CodeMarked -= OnCodeMarked;
        Cpu.Memory.WritesRevoked -= OnWritesRevoked;
        Cpu.Memory.MapChanged -= OnMapChanged;
        if (Cpu.Tlb.BeforeFlush == OnFlush)
        {
            Cpu.Tlb.BeforeFlush = null; // no other engine has taken over
        }


        _blocks.Dispose();
        _single.Dispose();
        NativeMemory.Free(_step);
        NativeMemory.Free(_bounce);
        if (_ownsCpu)
        {
            Cpu.Dispose();
        }
    }

    /// <summary>Runs linked blocks until the slice is spent or something needs the loop.</summary>
    /// <returns>Instructions executed, at least one.</returns>
    private long RunChain(long slice)
    {
        Block* block = _blocks.Find();
        if (block == null)
        {
            Cpu.DeliverPendingException();
            InstructionsExecuted++;
            return 1;
        }

        if (CountsExactly)
        {
            return block->Count > slice ? Step() : RunBlock(block);
        }

        _blocks.Link(block);
        _context->EndBlock = 0;
        _context->Budget = slice - block->Count;
        Op* op = block->Ops;
        op->Handler(_context, op, _context->LazyResult, _context->LazyAux);
        if (_context->PendingException != 0)
        {
            Cpu.DeliverPendingException();
        }

        // A block that did not fit left the budget negative by its count without having run: close enough for accounting.
        long executed = Math.Max(1, slice - Math.Max(_context->Budget, 0));
        InstructionsExecuted += executed;
        return executed;
    }

    /// <summary>Runs one block.</summary>
    /// <returns>Instructions executed, one that faulted included.</returns>
    private long RunBlock(Block* block)
    {
        _context->EndBlock = 0;
        _context->Budget = 0; // no block fits behind this one
        Op* op = block->Ops;
        op->Handler(_context, op, _context->LazyResult, _context->LazyAux);
        long executed = CountExecuted(block);
        if (_context->PendingException != 0)
        {
            Cpu.DeliverPendingException();
        }

        InstructionsExecuted += executed;
        return executed;
    }

    /// <summary>After a block: how many of its instructions have been executed.</summary>
    private int CountExecuted(Block* block)
    {
        if (_context->PendingException == 0 && _context->EndBlock == 0)
        {
            return block->Count;
        }

        for (int i = 0; i < block->Count; i++)
        {
            Op* op = block->Ops + i;
            if (op->Rip == _context->InstructionRip)
            {
                bool stoppedHere = _context->PendingException != 0 || _context->State.Rip == op->NextRip
                    || (_context->State.Rip == op->Rip && (op->Flags & (OpFlags.Rep | OpFlags.Repne)) != 0);
                return stoppedHere ? i + 1 : block->Count;
            }
        }

        return block->Count;
    }

    /// <summary>
    /// Executes exactly one instruction, delivers the exception or trap it raises, and honours shadows, single step and breakpoints.
    /// Other engines call it for what they do not execute themselves.
    /// </summary>
    /// <returns>1.</returns>
    public long Step()
    {
        InterruptShadow shadow = _context->State.Shadow;
        if (Cpu.CheckInstructionBreakpoints())
        {
            Cpu.DeliverPendingException();
            return 1;
        }

        bool trap = (_context->State.Rflags & RFlags.TF) != 0;
        Op* op = FindSingle();
        if (op != null)
        {
            _stepped[op->Code]++;
            _context->EndBlock = 0;
            _context->Budget = 0;
            op->Handler(_context, op, _context->LazyResult, _context->LazyAux);
            ((JumpCacheState*)_context->Scratch0)->LinkOp = null;
        }

        if (_context->State.Shadow == shadow)
        {
            _context->State.Shadow = InterruptShadow.None;
        }

        if (_context->PendingException != 0)
        {
            Cpu.DeliverPendingException();
        }
        else
        {
            Cpu.DeliverTraps(trap);
        }

        InstructionsExecuted++;
        return 1;
    }

    /// <summary>The instruction at State.Rip, followed by an op that stops; null if the fetch faulted.</summary>
    private Op* FindSingle()
    {
        ulong rip = _context->State.Rip;
        ulong linear = rip + _context->CodeBase;

        // Near the limit of CS, decoding as a block finds out whether the whole instruction is within it.
        bool within = (_context->Mode & ModeBits.Code64) != 0
            || (rip + LongestInstruction <= _context->State.Cs.Limit && linear <= uint.MaxValue);
        if (within && Cpu.TryGetFetchPage(linear, out byte* page))
        {
            int offset = (int)(linear & 0xFFF);
            Op* op = _single.Find(page + offset, 0x1000 - offset, rip, _context->Mode);
            if (op != null)
            {
                return op;
            }
        }

        Block* block = _blocks.Find();
        if (block == null)
        {
            return null;
        }

        _step[0] = block->Ops[0];
        _step[0].Handler = _step[0].Single;
        _step[0].Taken = _step[0].Fall = null;
        _step[1] = default;
        _step[1].NextRip = _step[0].NextRip;
        _step[1].Handler = &BranchHandlers.StopAfterOne;
        return _step;
    }

    /// <summary>Serves what other threads asked for; the vCPU's thread calls it when the context's attention flag is set.</summary>
    /// <returns>False if <c>Run</c> should return.</returns>
    public bool Attend()
    {
        Volatile.Write(ref _context->Attention, 0);
        Interlocked.MemoryBarrier();
        ServeRequests();
        Cpu.Tlb.ForgetDisplacedWriters();
        return Interlocked.Exchange(ref _kicked, 0) == 0;
    }

    private void OnFlush()
    {
        Interlocked.MemoryBarrier(); // stores have landed, or the request of who has read before is seen
        ServeRequests();
    }

    private void SetInside(int inside)
    {
        Volatile.Write(ref _inside, inside);
        Interlocked.MemoryBarrier(); // either the asker sees it, or the request is seen here
        ServeRequests();
    }

    /// <summary>Serves what other threads asked for, on the vCPU's thread or while that stands still.</summary>
    public void ServeRequests()
    {
        while (_requests.TryDequeue(out Request request))
        {
            switch (request.Kind)
            {
                case RequestKind.CodeWritten:
                    Invalidate((byte*)request.HostPage);
                    break;
                case RequestKind.CodeMarked when Cpu.Tlb.RevokeWrite((byte*)request.HostPage):
                    // This vCPU may have written since the page was decoded: decode it again.
                    request.Memory!.InvalidateCode(request.Index);
                    break;
                case RequestKind.RevokeWrites:
                    Cpu.Tlb.RevokeAllWrites();
                    break;
                case RequestKind.MapChanged:
                    TakeMap();
                    break;
                default:
                    break;
            }

            request.Ticket?.Settle();
        }
    }

    /// <summary>What the TLB holds may lie elsewhere now. Decoded code belongs to host pages, which are found anew.</summary>
    private void TakeMap()
    {
        Cpu.Tlb.FlushAll();
        _context->EndBlock = 1;
        MapTaken?.Invoke();
    }

    private void Invalidate(byte* page)
    {
        _blocks.Invalidate(page);
        PageInvalidated?.Invoke((nint)page);
    }

    private void OnCodeWritten(GuestMemory memory, ulong page)
    {
        byte* hostPage = memory.Base + (page << GuestMemory.PageShift);
        if (IsOwnThread)
        {
            Invalidate(hostPage);
        }
        else
        {
            Post(new Request(RequestKind.CodeWritten, (nint)hostPage));
        }
    }

    private void OnCodeMarked(GuestMemory memory, ulong page)
    {
        byte* hostPage = memory.Base + (page << GuestMemory.PageShift);
        if (IsOwnThread)
        {
            Cpu.Tlb.RevokeWrite(hostPage);
        }
        else
        {
            Post(new Request(RequestKind.CodeMarked, (nint)hostPage, memory, page));
        }
    }

    private void OnWritesRevoked(GuestMemory memory, AttentionRound round)
    {
        if (IsOwnThread)
        {
            Cpu.Tlb.RevokeAllWrites();
        }
        else
        {
            Post(RequestKind.RevokeWrites, round);
        }
    }

    private void OnMapChanged(AddressSpace space, AttentionRound round)
    {
        if (IsOwnThread)
        {
            TakeMap();
        }
        else
        {
            Post(RequestKind.MapChanged, round);
        }
    }

    private bool IsOwnThread => Environment.CurrentManagedThreadId == _threadId;

    /// <summary>Asks for something that somebody may wait for.</summary>
    private void Post(RequestKind kind, AttentionRound round)
    {
        AttentionTicket ticket = round.Join();
        Post(new Request(kind, Ticket: ticket));
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _inside) == 0)
        {
            ticket.Settle(); // the request is served before guest code runs again
        }
    }

    private void Post(Request request)
    {
        _requests.Enqueue(request);
        Volatile.Write(ref _context->Attention, 1);
        AttentionAsked?.Invoke();
    }

    private enum RequestKind
    {
        /// <summary>A page of code was written.</summary>
        CodeWritten,

        /// <summary>A page became a source of code, and is not to be written unnoticed.</summary>
        CodeMarked,

        /// <summary>No page is to be written unnoticed.</summary>
        RevokeWrites,

        /// <summary>Other RAM or ROM shows than before.</summary>
        MapChanged,
    }

    /// <param name="HostPage">Of the page that it is about. Its memory may be gone when the request is served.</param>
    private readonly record struct Request(
        RequestKind Kind, nint HostPage = 0, GuestMemory? Memory = null, ulong Index = 0, AttentionTicket? Ticket = null);
}
