namespace Strata.Tests;

/// <summary>What a machine that has ended, or has been disposed, answers: never with memory that is gone, and never with silence.</summary>
public sealed class EndedMachineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }

    [Fact]
    public async Task Inspect_DisposedMachine_IsRefused()
    {
        VirtualMachine machine = await StartAsync();
        await machine.DisposeAsync();

        Assert.Throws<ObjectDisposedException>(() => machine.Inspect());
    }

    [Fact]
    public async Task Inspect_MachineThatIsBeingDisposed_AnswersOrIsRefused()
    {
        VirtualMachine machine = await StartAsync();
        using CancellationTokenSource end = new();
        TaskCompletionSource looked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<int> looking = Task.Run(() =>
        {
            int times = 0;
            try
            {
                for (; !end.IsCancellationRequested; times++)
                {
                    machine.Inspect();
                    looked.TrySetResult();
                }
            }
            catch (ObjectDisposedException)
            {
                return times;
            }

            return -1;
        });
        await looked.Task.WaitAsync(_timeout.Token);

        await machine.DisposeAsync();

        Assert.InRange(await looking.WaitAsync(_timeout.Token), 1, int.MaxValue);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SwitchEngineAsync_MachineThatHasEnded_SaysSo(bool disposed)
    {
        await using VirtualMachine machine = await StartAsync();
        await machine.StopAsync();
        if (disposed)
        {
            await machine.DisposeAsync();
        }

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => machine.SwitchEngineAsync(Engine.Translator, _timeout.Token));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("has ended", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_DisposedMachine_SaysSo()
    {
        VirtualMachine machine = await StartAsync();
        await machine.DisposeAsync();

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => machine.Agent.RunAsync(GuestCommand.Shell("true"), default, _timeout.Token));

        Assert.Contains("has ended", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetStatisticsAsync_DisposedMachine_SaysSo()
    {
        VirtualMachine machine = await StartAsync();
        await machine.DisposeAsync();

        IOException error = await Assert.ThrowsAsync<IOException>(() => machine.Balloon.GetStatisticsAsync(_timeout.Token));

        Assert.Contains("has ended", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public async Task SetNetworkLink_CardThatIsNotThere_SaysHowManyThereAre(int card)
    {
        await using VirtualMachine machine = await StartAsync();

        ArgumentOutOfRangeException error = Assert.Throws<ArgumentOutOfRangeException>(() => machine.SetNetworkLink(card, up: false));

        Assert.Contains("1 network cards", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A machine whose processor halts at once.</summary>
    private Task<VirtualMachine> StartAsync() => VirtualMachine.StartAsync(
        new MachineSpec
        {
            Kernel = _folder.Write("kernel", BzImage.Create()),
            Memory = 64UL << 20,
            Engine = Engine.Interpreter,
            Sockets = true,
            Balloon = true,
        },
        _timeout.Token);
}
