using System.Collections.Concurrent;
using Strata.Core.Execution;
using Strata.Core.Time;

namespace Strata.Core.Tests.Execution;

public sealed class VcpuThreadTests : IVcpuHost, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly ScriptedVcpu _vcpu = new();
    private readonly BlockingCollection<string> _heard = [];
    private readonly VcpuThread _thread;

    public VcpuThreadTests() => _thread = new VcpuThread(_vcpu, this, new ManualClock(), new AwakeProcessors());

    bool IVcpuHost.CountsStealTime => false;

    public void Dispose()
    {
        _thread.Dispose();
        _heard.Dispose();
        _vcpu.Script.Dispose();
    }

    [Fact]
    public void Run_Shutdown_TellsTheHostOnceAndStandsStill()
    {
        _thread.Start();
        _vcpu.Script.Add(() => VcpuStop.Shutdown);

        Assert.Equal("shutdown", Take());
        _vcpu.Script.Add(() => VcpuStop.Shutdown);
        Assert.False(_heard.TryTake(out _, TimeSpan.FromMilliseconds(50)));
    }

    [Fact]
    public void Resume_BehindAPauseOfAShutDownProcessor_RunsItAgain()
    {
        _thread.Start();
        _vcpu.Script.Add(() => VcpuStop.Shutdown);
        Take();

        _thread.RequestPause();
        Assert.True(_thread.WaitPaused(Patience));
        _vcpu.Script.Add(() => VcpuStop.Shutdown);
        _thread.Resume();

        Assert.Equal("shutdown", Take());
    }

    [Fact]
    public void RequestPause_BeforeStart_HoldsTheProcessorFromItsFirstInstruction()
    {
        _vcpu.Script.Add(() => VcpuStop.Shutdown);
        _thread.RequestPause();
        _thread.Start();

        Assert.False(_heard.TryTake(out _, TimeSpan.FromMilliseconds(50)));
        _thread.Resume();
        Assert.Equal("shutdown", Take());
    }

    [Fact]
    public async Task RequestStop_WhilePaused_EndsTheThread()
    {
        _thread.Start();
        _thread.RequestPause();
        Assert.True(_thread.WaitPaused(Patience));

        _thread.RequestStop();

        await Task.Run(_thread.Join).WaitAsync(Patience);
    }

    [Fact]
    public void Run_MonitorFails_TellsTheHostAndCountsAsStandingStill()
    {
        _thread.Start();
        _vcpu.Script.Add(() => throw new InvalidOperationException("on purpose"));

        Assert.Equal("on purpose", Take());
        _thread.RequestPause();
        Assert.True(_thread.WaitPaused(Patience));
    }

    [Fact]
    public void Replace_ByOneThatCannotBeMade_GoesOnWithOneLikeTheOld()
    {
        _thread.Start();
        _thread.RequestPause();
        Assert.True(_thread.WaitPaused(Patience));
        ScriptedVcpu restored = new();

        Assert.Throws<NotSupportedException>(() => _thread.Replace(() => throw new NotSupportedException(), () => restored));

        Assert.Same(restored, _thread.Vcpu);
        restored.Script.Add(() => VcpuStop.Shutdown);
        _thread.Resume();
        Assert.Equal("shutdown", Take());
    }

    void IVcpuHost.AddStealTime(ulong nanoseconds) => throw new NotSupportedException("Nobody counts.");

    void IVcpuHost.OnStoodStill() => _heard.Add("stood still");

    void IVcpuHost.OnShutdown() => _heard.Add("shutdown");

    void IVcpuHost.OnError(Exception error) => _heard.Add(error.Message);

    private string Take() => _heard.TryTake(out string? heard, Patience) ? heard : throw new TimeoutException("The thread told nothing.");

    /// <summary>Does one thing after another, and halts in between.</summary>
    private sealed class ScriptedVcpu : IVcpu
    {
        public BlockingCollection<Func<VcpuStop>> Script { get; } = [];

        public int Index => 0;

        public long InstructionsExecuted => 0;

        public VcpuStop Run(long instructionBudget) =>
            Script.TryTake(out Func<VcpuStop>? next, TimeSpan.FromMilliseconds(1)) ? next() : VcpuStop.BudgetSpent;

        public void Kick()
        {
            // It looks around every millisecond.
        }

        public string DescribeCounters() => string.Empty;

        public void Dispose()
        {
            // The test still adds to the script.
        }
    }
}
