using Strata.Core.Execution;

namespace Strata.Core.Tests.Execution;

public sealed class HaltGateTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly AwakeProcessors _awake = new();
    private readonly HaltGate _gate;

    public HaltGateTests()
    {
        _awake.Join();
        _gate = new HaltGate(_awake);
    }

    public void Dispose() => _gate.Dispose();

    [Fact]
    public async Task Wait_SignaledBefore_ReturnsAtOnceAndOnlyOnce()
    {
        _gate.Signal();
        _gate.Signal();
        _gate.Wait();

        Task second = Task.Run(_gate.Wait);
        Task first = await Task.WhenAny(second, Task.Delay(50));
        _gate.Signal();
        await second.WaitAsync(Patience);

        Assert.NotSame(second, first);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task Wait_SignaledByAnotherThread_LosesNoneOfThem(int others)
    {
        const int rounds = 20_000;
        for (int i = 0; i < others; i++)
        {
            _awake.Join(); // more than the host has: nobody looks out, each wait sleeps
        }

        using HaltGate answer = new(_awake);
        _awake.Join();
        int turns = 0;
        Task other = Task.Run(() =>
        {
            for (int i = 0; i < rounds; i++)
            {
                _gate.Wait();
                turns++;
                answer.Signal();
            }
        });
        Task mine = Task.Run(() =>
        {
            for (int i = 0; i < rounds; i++)
            {
                _gate.Signal();
                answer.Wait();
            }
        });

        await Task.WhenAll(mine, other).WaitAsync(Patience);

        Assert.Equal(rounds, turns);
    }
}
