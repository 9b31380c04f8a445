using Strata.Core.Execution;
using Strata.Core.Posix;
using Strata.X86.Apic;
using Strata.X86.Execution;

namespace Strata.Machines.Boards;

/// <summary>
/// A vCPU on its thread: runs, parks while halted or paused, and stops at the request of the board. The processor stays; its engine
/// can be replaced while it is paused. Members are safe on any thread; those about pausing are serialized by the board.
/// </summary>
internal sealed class VcpuThread : ILocalApicHost, IDisposable
{
    /// <summary>Instructions between two looks at the board's requests; kicks end a run earlier.</summary>
    private const long RunBudget = 1_000_000;

    /// <summary>Interpreter handlers that are not yet compiled to tail calls nest: a slice's worth of frames must fit.</summary>
    private const int StackSize = 16 << 20;

    /// <summary>Steal time is brought up to date no more often: a tick of most guests, in ns.</summary>
    private const long StealInterval = 4_000_000;

    private readonly PcBoard _board;
    private readonly HaltGate.Crew _crew;
    private readonly HaltGate _halt;
    private readonly Thread _thread;

    /// <summary>Guards the state of a pause; pulsed at each change. Nothing else is locked under it.</summary>
    private readonly object _pauseGate = new();
    private bool _isParked;
    private bool _hasEnded;
    private volatile IX86Engine _engine;
    private long _executedBefore;
    private volatile bool _pause;
    private volatile bool _stop;

    /// <summary>On the thread itself, as the two below: what the host took from it.</summary>
    private RunDelay? _delay;
    private ulong _delaySeen;
    private long _stealCounted;

    /// <param name="crew">Shared by the board's processors.</param>
    public VcpuThread(PcBoard board, X86Cpu cpu, IX86Engine engine, HaltGate.Crew crew)
    {
        _crew = crew;
        _halt = new HaltGate(crew);
        _board = board;
        Cpu = cpu;
        _engine = engine;
        _thread = new Thread(Run, StackSize) { IsBackground = true, Name = $"strata-vcpu{engine.Index}" };
    }

    public X86Cpu Cpu { get; }

    public IX86Engine Engine => _engine;

    /// <summary>Instructions of all engines so far, as far as they count them.</summary>
    public long InstructionsExecuted => Volatile.Read(ref _executedBefore) + _engine.InstructionsExecuted;

    public void Start() => _thread.Start();

    public void Kick()
    {
        _engine.Kick();
        _halt.Signal();
    }

    public void SignalNmi()
    {
        Cpu.PostNmi();
        Kick();
    }

    public void SignalInit()
    {
        Cpu.PostInit();
        Kick();
    }

    public void SignalWake()
    {
        Cpu.PostWake();
        Kick();
    }

    public void SignalStartup(byte vector)
    {
        Cpu.PostStartup(vector);
        Kick();
    }

    /// <summary>Asks the thread to end after the current instructions.</summary>
    public void RequestStop()
    {
        _stop = true;
        Kick();
    }

    /// <summary>Asks the processor to stand still at an instruction boundary.</summary>
    public void RequestPause()
    {
        _pause = true;
        Kick();
    }

    /// <summary>Waits until the processor stands still, or has ended.</summary>
    /// <returns>False if it did not within the time.</returns>
    public bool WaitPaused(TimeSpan limit)
    {
        lock (_pauseGate)
        {
            if (!StandsStill)
            {
                Monitor.Wait(_pauseGate, limit);
            }

            return StandsStill;
        }
    }

    /// <summary>Ends a pause.</summary>
    public void Resume()
    {
        lock (_pauseGate)
        {
            _pause = false;
            Monitor.PulseAll(_pauseGate);
        }
    }

    /// <summary>Gives the processor another engine; it stands still meanwhile.</summary>
    /// <param name="create">Makes the engine.</param>
    /// <param name="restore">Makes one like the old one, should that fail.</param>
    public void ReplaceEngine(Func<X86Cpu, IX86Engine> create, Func<X86Cpu, IX86Engine> restore)
    {
        Volatile.Write(ref _executedBefore, InstructionsExecuted);
        _engine.Dispose();
        Cpu.Tlb.FlushAll(); // the old engine knew who may write where
        Cpu.MoveTsc(0); // and its counter may have been another than the one that follows from virtual time
        try
        {
            _engine = create(Cpu);
        }
        catch
        {
            _engine = restore(Cpu);
            throw;
        }
    }

    /// <summary>Waits for the thread's end; a no-op on the thread itself.</summary>
    public void Join()
    {
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    public void Dispose()
    {
        RequestStop();
        Join();
        _engine.Dispose();
        Cpu.Dispose();
        _halt.Dispose();
    }

    /// <summary>Under <see cref="_pauseGate"/>.</summary>
    private bool StandsStill => _isParked || _hasEnded || (_thread.ThreadState & ThreadState.Unstarted) != 0;

    /// <summary>A new pause that begins before this one is over keeps the processor parked.</summary>
    private void Park()
    {
        lock (_pauseGate)
        {
            long start = _board.Clock.Now;
            _isParked = true;
            Monitor.PulseAll(_pauseGate);
            while (_pause)
            {
                Monitor.Wait(_pauseGate);
            }

            _isParked = false;
            if (_board.Clock.Now - start > PcBoard.StandstillLimit.Ticks * TimeSpan.NanosecondsPerTick)
            {
                Cpu.PostStoodStill(); // the guest's clock went on meanwhile
            }
        }
    }

    /// <summary>Tells the guest how long its processor had to wait for the host's.</summary>
    private void CountStealTime()
    {
        long now = _board.Clock.Now;
        if (!Cpu.Paravirtual.CountsStealTime || now - _stealCounted < StealInterval)
        {
            return;
        }

        _stealCounted = now;
        bool isFirst = _delay is null;
        _delay ??= RunDelay.Open();
        if (_delay is not null && _delay.TryRead(out ulong delay))
        {
            if (!isFirst && delay > _delaySeen)
            {
                Cpu.Paravirtual.AddStealTime(delay - _delaySeen);
            }

            _delaySeen = delay;
        }
    }

    private void Run()
    {
        _crew.Join();
        try
        {
            while (!_stop)
            {
                if (_pause)
                {
                    Park();
                    continue;
                }

                CountStealTime();
                switch (_engine.Run(RunBudget))
                {
                    case VcpuStop.Halted:
                        _halt.Wait();
                        break;
                    case VcpuStop.Shutdown:
                        _board.OnTripleFault(_engine);
                        return;
                    default:
                        break;
                }
            }
        }
#pragma warning disable CA1031 // A defect of the monitor must end this machine with a message, not the host process.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _board.OnError(_engine, error);
        }
        finally
        {
            _delay?.Dispose();
            _crew.Leave();
            lock (_pauseGate)
            {
                _hasEnded = true;
                Monitor.PulseAll(_pauseGate);
            }
        }
    }
}
