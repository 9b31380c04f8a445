using Strata.Core.Posix;
using Strata.Core.Time;

namespace Strata.Core.Execution;

/// <summary>
/// A vCPU on its thread: runs, waits while it is halted or paused, and stops at the request of its machine. The vCPU can be replaced by
/// another while it is paused. Members are safe on any thread; those about pausing are serialized by the machine.
/// </summary>
public sealed class VcpuThread : IDisposable
{
    /// <summary>Guests are told when they stood still for longer. Linux's watchdogs wait for ten seconds and more.</summary>
    public static readonly TimeSpan StandstillLimit = TimeSpan.FromSeconds(2);

    /// <summary>Instructions between two looks at the machine's requests; kicks end a run earlier.</summary>
    private const long RunBudget = 1_000_000;

    /// <summary>Interpreter handlers that are not yet compiled to tail calls nest: a slice's worth of frames must fit.</summary>
    private const int StackSize = 16 << 20;

    /// <summary>Steal time is brought up to date no more often: a tick of most guests, in ns.</summary>
    private const long StealInterval = 4_000_000;

    private readonly IVcpuHost _host;
    private readonly IVirtualClock _clock;
    private readonly AwakeProcessors _awake;
    private readonly HaltGate _halt;
    private readonly Thread _thread;

    /// <summary>Guards the state of a pause; pulsed at each change. Nothing else is locked under it.</summary>
    private readonly object _pauseGate = new();
    private bool _isParked;
    private bool _hasEnded;
    private volatile IVcpu _vcpu;
    private long _executedBefore;
    private volatile bool _pause;
    private volatile bool _stop;
    private volatile bool _isHalted;

    /// <summary>On the thread itself, as the two below: what the host took from it.</summary>
    private RunDelay? _delay;
    private ulong _delaySeen;
    private long _stealCounted;

    /// <param name="vcpu">Disposed with the thread.</param>
    /// <param name="awake">Shared by the machine's processors.</param>
    public VcpuThread(IVcpu vcpu, IVcpuHost host, IVirtualClock clock, AwakeProcessors awake)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        _awake = awake;
        _halt = new HaltGate(awake);
        _host = host;
        _clock = clock;
        _vcpu = vcpu;
        _thread = new Thread(Run, StackSize) { IsBackground = true, Name = $"strata-vcpu{vcpu.Index}" };
    }

    /// <summary>The vCPU that runs now.</summary>
    public IVcpu Vcpu => _vcpu;

    /// <summary>Whether it waits for an interrupt, or for another processor to start it.</summary>
    public bool IsHalted => _isHalted;

    /// <summary>Whether the caller runs on it, as a device does that a vCPU's instruction reads or writes.</summary>
    public bool IsCurrent => Thread.CurrentThread == _thread;

    /// <summary>Instructions of all vCPUs that have run here, as far as they count them.</summary>
    public long InstructionsExecuted => Volatile.Read(ref _executedBefore) + _vcpu.InstructionsExecuted;

    /// <summary>Starts the thread; once.</summary>
    public void Start() => _thread.Start();

    /// <summary>Makes the vCPU look for interrupts, and wakes it.</summary>
    public void Kick()
    {
        _vcpu.Kick();
        _halt.Signal();
    }

    /// <summary>Asks the thread to end after the current instructions.</summary>
    public void RequestStop()
    {
        lock (_pauseGate)
        {
            _stop = true;
            Monitor.PulseAll(_pauseGate);
        }

        Kick();
    }

    /// <summary>Asks the processor to stand still at an instruction boundary.</summary>
    public void RequestPause()
    {
        lock (_pauseGate)
        {
            _pause = true;
            Monitor.PulseAll(_pauseGate);
        }

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

    /// <summary>Gives the thread another vCPU; it stands still meanwhile.</summary>
    /// <param name="create">Makes it; the old one has been disposed.</param>
    /// <param name="restore">Makes one like the old one, should that fail.</param>
    public void Replace(Func<IVcpu> create, Func<IVcpu> restore)
    {
        ArgumentNullException.ThrowIfNull(create);
        ArgumentNullException.ThrowIfNull(restore);
        Volatile.Write(ref _executedBefore, InstructionsExecuted);
        _vcpu.Dispose();
        try
        {
            _vcpu = create();
        }
        catch
        {
            _vcpu = restore();
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

    /// <summary>Stops the thread, waits for it, and disposes the vCPU.</summary>
    public void Dispose()
    {
        RequestStop();
        Join();
        _vcpu.Dispose();
        _halt.Dispose();
    }

    /// <summary>Under <see cref="_pauseGate"/>.</summary>
    private bool StandsStill => _isParked || _hasEnded || (_thread.ThreadState & ThreadState.Unstarted) != 0;

    /// <summary>A new pause that begins before this one is over keeps the processor parked.</summary>
    private void Park()
    {
        lock (_pauseGate)
        {
            long start = _clock.Now;
            _isParked = true;
            Monitor.PulseAll(_pauseGate);
            while (_pause && !_stop)
            {
                Monitor.Wait(_pauseGate);
            }

            _isParked = false;
            (_delay, _stealCounted) = (ForgetDelay(), _clock.Now); // no pause is stolen time, and the clock may have become another
            if (_clock.Now - start > StandstillLimit.Ticks * TimeSpan.NanosecondsPerTick)
            {
                _host.OnStoodStill(); // the guest's clock went on meanwhile
            }
        }
    }

    /// <summary>A processor that has shut down executes nothing: only the machine can change that.</summary>
    private void WaitForRequest()
    {
        lock (_pauseGate)
        {
            while (!_pause && !_stop)
            {
                Monitor.Wait(_pauseGate);
            }
        }
    }

    /// <summary>The host's count starts over with the next look at it.</summary>
    private RunDelay? ForgetDelay()
    {
        _delay?.Dispose();
        return null;
    }

    /// <summary>Tells the guest how long its processor had to wait for the host's.</summary>
    private void CountStealTime()
    {
        long now = _clock.Now;
        if (!_host.CountsStealTime || now - _stealCounted < StealInterval)
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
                _host.AddStealTime(delay - _delaySeen);
            }

            _delaySeen = delay;
        }
    }

    private void Run()
    {
        _awake.Join();
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
                switch (_vcpu.Run(RunBudget))
                {
                    case VcpuStop.Halted:
                        _isHalted = true;
                        _halt.Wait();
                        _isHalted = false;
                        break;
                    case VcpuStop.Shutdown:
                        _host.OnShutdown();
                        WaitForRequest();
                        break;
                    default:
                        break;
                }
            }
        }
#pragma warning disable CA1031 // A defect of the monitor must end this machine with a message, not the host process.
        catch (Exception error)
#pragma warning restore CA1031
        {
            _host.OnError(error);
        }
        finally
        {
            _delay?.Dispose();
            _awake.Leave();
            lock (_pauseGate)
            {
                _hasEnded = true;
                Monitor.PulseAll(_pauseGate);
            }
        }
    }
}
