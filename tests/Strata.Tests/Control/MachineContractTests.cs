using System.Text;
using Strata.Control;
using Strata.EndToEnd.Tests.Harness;
using Strata.Tests.Specs;

namespace Strata.Tests.Control;

/// <summary>What can be asked of a machine, of this process and of another: one contract, one set of tests.</summary>
public sealed class MachineContractTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly MachineRegistry _registry;
    private VirtualMachine? _machine;
    private ControlServer? _server;

    public MachineContractTests() => _registry = new MachineRegistry(_folder.PathOf("strata"));

    public async Task InitializeAsync()
    {
        MachineSpec spec = new()
        {
            Name = "hello",
            Kernel = _folder.Write("kernel", MultibootProgram.Assemble(c =>
            {
                c.Print('h');
                c.Print('i');
                c.hlt();
            })),
            Memory = 16 << 20,
            Engine = Engine.Interpreter,
            Networks = [],
        };
        _machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        _server = ControlServer.Start(_machine, await _registry.ReserveAsync("hello", "kernel", _timeout.Token));
        await _machine.Console.WaitForAsync("hi", _timeout.Token);
    }

    public async Task DisposeAsync()
    {
        await _server!.DisposeAsync();
        await _machine!.DisposeAsync();
    }

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Describe_NearAndFar_IsTheMachine(bool far)
    {
        IMachine machine = Machine(far);

        MachineDescription description = await machine.DescribeAsync(_timeout.Token);

        Assert.Equal("hello", machine.Name);
        Assert.Equal(
            ("hello", "kernel", Engine.Interpreter, 16UL << 20),
            (description.Name, description.Image, description.Engine, description.Memory));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task GetSpec_NearAndFar_IsWhatWasStarted(bool far) =>
        Assert.Equal(SpecSample.Flatten(_machine!.Spec), SpecSample.Flatten(await Machine(far).GetSpecAsync(_timeout.Token)));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SwitchEngine_NearAndFar_SaysFromWhereToWhere(bool far)
    {
        IMachine machine = Machine(far);

        EngineSwitch same = await machine.SwitchEngineAsync(Engine.Interpreter, _timeout.Token);

        Assert.Equal((Engine.Interpreter, Engine.Interpreter), (same.From, same.To));
        Assert.Equal(Engine.Interpreter, (await machine.ExplainEngineAsync(_timeout.Token)).InitialEngine);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Inspect_NearAndFar_SeesTheBoard(bool far)
    {
        MachineInspection inspection = await Machine(far).InspectAsync(_timeout.Token);

        Assert.Equal("hello", inspection.Machine.Name);
        Assert.Single(inspection.Board.Processors);
        Assert.NotEmpty(inspection.Board.Devices);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OpenConsole_NearAndFar_ShowsWhatWasPrintedToTheEnd(bool far)
    {
        IMachine machine = Machine(far);
        await using Stream console = await machine.OpenConsoleAsync(_timeout.Token);
        byte[] buffer = new byte[64];

        int first = await console.ReadAtLeastAsync(buffer, 2, cancellationToken: _timeout.Token);
        ValueTask<int> rest = console.ReadAsync(buffer.AsMemory(first), _timeout.Token);
        await machine.StopAsync(_timeout.Token);

        Assert.Equal("hi", Encoding.ASCII.GetString(buffer, 0, first));
        Assert.Equal(0, await rest);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Wake_GuestWithoutDrivers_IsAwakeAndLeftAlone(bool far)
    {
        IMachine machine = Machine(far);

        await machine.WakeAsync(_timeout.Token);

        Assert.False((await machine.DescribeAsync(_timeout.Token)).IsAsleep);
        Assert.False(_machine!.WaitForExitAsync(_timeout.Token).IsCompleted);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reset_NearAndFar_StartsTheGuestAgain(bool far)
    {
        IMachine machine = Machine(far);
        await using Stream console = await machine.OpenConsoleAsync(_timeout.Token);
        byte[] buffer = new byte[4];

        await machine.ResetAsync(_timeout.Token);
        await console.ReadExactlyAsync(buffer, _timeout.Token);

        Assert.Equal("hihi", Encoding.ASCII.GetString(buffer));
        Assert.False(_machine!.WaitForExitAsync(_timeout.Token).IsCompleted);
    }

    [Fact]
    public async Task Reset_MachineThatHasEnded_SaysSo()
    {
        IMachine machine = _machine!;
        await machine.StopAsync(_timeout.Token);

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => machine.ResetAsync(_timeout.Token));

        Assert.Contains("hello", error.Message, StringComparison.Ordinal);
        Assert.Contains("strata run", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stop_NearAndFar_IsSeenByWhoeverWaits(bool far)
    {
        IMachine machine = Machine(far);
        Task<MachineExit?> end = machine.WaitForExitAsync(_timeout.Token);

        await machine.StopAsync(_timeout.Token);

        Assert.Equal(MachineExitReason.Stopped, (await end)?.Reason);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connect_NearAndFarWithoutSockets_SaysWhatIsMissing(bool far)
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => Machine(far).ConnectAsync(1, _timeout.Token));

        Assert.Contains("MachineSpec.Sockets", error.Message, StringComparison.Ordinal);
    }

    private IMachine Machine(bool far) => far ? _registry.Find("hello") : _machine!;
}
