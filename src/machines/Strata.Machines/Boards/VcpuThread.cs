using Strata.Core.Execution;
using Strata.X86.Apic;
using Strata.X86.Execution;

namespace Strata.Machines.Boards;

/// <summary>
/// A vCPU on its thread: runs, parks while halted, and stops at the request of the board. Members are safe on any thread.
/// </summary>
internal sealed class VcpuThread : ILocalApicHost, IDisposable
{
    /// <summary>Instructions between two looks at the board's requests; kicks end a run earlier.</summary>
    private const long RunBudget = 1_000_000;

    /// <summary>Interpreter handlers that are not yet compiled to tail calls nest: a slice's worth of frames must fit.</summary>
    private const int StackSize = 16 << 20;

    private readonly PcBoard _board;
    private readonly IX86Engine _engine;
    private readonly AutoResetEvent _wake = new(initialState: false);
    private readonly Thread _thread;
    private volatile bool _stop;

    public VcpuThread(PcBoard board, IX86Engine engine)
    {
        _board = board;
        _engine = engine;
        _thread = new Thread(Run, StackSize) { IsBackground = true, Name = $"strata-vcpu{engine.Index}" };
    }

    public X86Cpu Cpu => _engine.Cpu;

    public IX86Engine Engine => _engine;

    public void Start() => _thread.Start();

    public void Kick()
    {
        _engine.Kick();
        _wake.Set();
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
        _wake.Dispose();
    }

    private void Run()
    {
        try
        {
            while (!_stop)
            {
                switch (_engine.Run(RunBudget))
                {
                    case VcpuStop.Halted:
                        _wake.WaitOne();
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
    }
}
