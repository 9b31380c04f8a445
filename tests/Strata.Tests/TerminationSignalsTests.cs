using System.Runtime.InteropServices;
using Strata.Cli;

namespace Strata.Tests;

/// <summary>What signals do to a command. They are raised here without the host's doing.</summary>
public sealed class TerminationSignalsTests : IDisposable
{
    private const int Terminate = 15;

    private readonly TerminationSignals _signals;
    private long _now = 1_000;

    public TerminationSignalsTests() => _signals = new TerminationSignals(() => _now);

    public void Dispose() => _signals.Dispose();

    [Fact]
    public void Raise_SameSignalAtOnce_CountsOnce()
    {
        List<int> seen = [];
        using IDisposable taken = _signals.Take(seen.Add);

        _signals.Raise(PosixSignal.SIGTERM);
        _now += 99;
        _signals.Raise(PosixSignal.SIGTERM);

        Assert.Equal([Terminate], seen);
    }

    [Fact]
    public void Raise_SameSignalLater_CountsTwice()
    {
        List<int> seen = [];
        using IDisposable taken = _signals.Take(seen.Add);

        _signals.Raise(PosixSignal.SIGTERM);
        _now += 100;
        _signals.Raise(PosixSignal.SIGTERM);

        Assert.Equal([Terminate, Terminate], seen);
    }

    [Fact]
    public void Raise_OtherSignalAtOnce_Counts()
    {
        List<int> seen = [];
        using IDisposable taken = _signals.Take(seen.Add);

        _signals.Raise(PosixSignal.SIGTERM);
        _signals.Raise(PosixSignal.SIGHUP);

        Assert.Equal([Terminate, 1], seen);
    }

    [Theory]
    [InlineData(PosixSignal.SIGTERM, 143)]
    [InlineData(PosixSignal.SIGINT, 130)]
    public async Task Run_SignalThatNobodyTakes_CancelsTheCommandAndIsTheSignalsCode(PosixSignal signal, int expected)
    {
        Task<int> run = _signals.RunAsync(async token =>
        {
            await Task.Delay(Timeout.Infinite, token);
            return 0;
        });

        _signals.Raise(signal);

        Assert.Equal(expected, await run.WaitAsync(TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public async Task Run_CommandThatDoesNotListen_IsAbandonedWithTheSignalsCode()
    {
        TaskCompletionSource<int> never = new();
        Task<int> run = _signals.RunAsync(_ => never.Task);

        _signals.Raise(PosixSignal.SIGTERM);

        Assert.Equal(143, await run.WaitAsync(TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public async Task Run_SignalBehindTheEnd_ChangesNothing()
    {
        Assert.Equal(7, await _signals.RunAsync(_ => Task.FromResult(7)));

        _signals.Dispose();
        _signals.Raise(PosixSignal.SIGTERM);
        _now += 1_000;
        _signals.Raise(PosixSignal.SIGTERM);

        SpinWait.SpinUntil(() => _signals.Token.IsCancellationRequested, TimeSpan.FromMinutes(1));
        Assert.True(_signals.Token.IsCancellationRequested); // and it was not an object that is gone
    }
}
