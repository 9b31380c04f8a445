using System.Net;
using System.Net.Sockets;
using System.Text;
using Iced.Intel;
using Strata.Control;
using Strata.EndToEnd.Tests.Harness;
using Strata.Networking.Nat;

namespace Strata.Tests.Control;

/// <summary>A machine that idles, and what its control socket says and does.</summary>
public sealed class ControlServerTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly MachineRegistry _registry;
    private VirtualMachine? _machine;
    private ControlServer? _server;

    public ControlServerTests() => _registry = new MachineRegistry(_folder.PathOf("strata"));

    private string Disk => _folder.PathOf("disk.raw");

    private static NetworkCard Network => NetworkCard.User(new UserNetworkOptions
    {
        Forwards = [
            new(TransportProtocol.Tcp, IPAddress.Loopback, 0, 22), new(TransportProtocol.Udp, IPAddress.Loopback, 0, 53),
            new(TransportProtocol.Tcp, IPAddress.Loopback, 0, 22)],
    });

    private IMachine Running => _registry.Find("idle");

    public async Task InitializeAsync()
    {
        _folder.Write("disk.raw", new byte[1 << 20]);
        MachineSpec spec = new()
        {
            Kernel = _folder.Write("kernel", MultibootProgram.Assemble(Idle)),
            Memory = 16 << 20,
            Engine = Engine.Interpreter,
            Networks = [Network],
            Disks = [new DiskSpec { Path = Disk, Format = "raw" }],
        };
        _machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        _server = ControlServer.Start(_machine, await _registry.ReserveAsync("idle", "kernel", _timeout.Token));
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

    [Fact]
    public async Task Describe_RunningMachine_IsWhatWasStarted()
    {
        MachineDescription machine = Assert.Single(await _registry.ListAsync(_timeout.Token));

        Assert.Equal(
            ("idle", "kernel", Engine.Interpreter, 1, 16UL << 20, Environment.ProcessId, true),
            (machine.Name, machine.Image, machine.Engine, machine.Processors, machine.Memory, machine.ProcessId, machine.Answers));
        Assert.InRange(machine.UptimeSeconds, 0, 30);
    }

    [Fact]
    public async Task Describe_PortsThatTheHostChose_AreTheOnesThatListen()
    {
        MachineDescription machine = await Running.DescribeAsync(_timeout.Token);

        Assert.Equal(
            [(TransportProtocol.Tcp, 22), (TransportProtocol.Udp, 53), (TransportProtocol.Tcp, 22)],
            machine.Forwards.Select(forward => (forward.Protocol, forward.GuestPort)));
        Assert.Equal(
            _machine!.ForwardedPorts.Select(port => port.HostEndPoint),
            machine.Forwards.Select(forward => new IPEndPoint(IPAddress.Parse(forward.HostAddress), forward.HostPort)));
        Assert.NotEqual(machine.Forwards[0].HostPort, machine.Forwards[2].HostPort);
        foreach (int port in (int[])[machine.Forwards[0].HostPort, machine.Forwards[2].HostPort])
        {
            using TcpClient caller = new();
            await caller.ConnectAsync(IPAddress.Loopback, port, _timeout.Token);
        }
    }

    [Theory]
    [InlineData(TransportProtocol.Tcp, "127.0.0.1", "127.0.0.1:2222:22")]
    [InlineData(TransportProtocol.Udp, "::1", "udp:[::1]:2222:22")]
    public void ForwardToString_AnyProtocol_IsTheOption(TransportProtocol protocol, string address, string expected) =>
        Assert.Equal(expected, new MachineForward(protocol, address, 2222, 22).ToString());

    /// <summary>As in `strata run`, whose process ends when the machine has.</summary>
    [Fact]
    public async Task Stop_ServerEndsWithTheMachine_IsAnswered()
    {
        Task end = EndAsync();

        await Running.StopAsync(_timeout.Token);

        await end;
        Assert.Equal(MachineExitReason.Stopped, (await _machine!.WaitForExitAsync(_timeout.Token)).Reason);

        async Task EndAsync()
        {
            await _machine!.WaitForExitAsync(_timeout.Token);
            await _server!.DisposeAsync();
        }
    }

    [Fact]
    public async Task SwitchEngine_ToTheSame_IsNoSwitch()
    {
        EngineSwitch done = await Running.SwitchEngineAsync(Engine.Interpreter, _timeout.Token);

        Assert.Equal((Engine.Interpreter, Engine.Interpreter, 0.0), (done.From, done.To, done.PauseMilliseconds));
        Assert.Empty((await Running.ExplainEngineAsync(_timeout.Token)).Switches);
    }

    [Fact]
    public async Task SwitchEngine_ToTheTranslator_IsDoneAndRemembered()
    {
        EngineSwitch done = await Running.SwitchEngineAsync(Engine.Translator, _timeout.Token);

        EngineReport report = await Running.ExplainEngineAsync(_timeout.Token);
        Assert.Equal((Engine.Interpreter, Engine.Translator), (done.From, done.To));
        Assert.InRange(done.PauseMilliseconds, 0.0001, 30_000);
        Assert.Equal((Engine.Translator, Engine.Interpreter, "Asked for."), (report.Engine, report.InitialEngine, report.Reason));
        Assert.Equal(Engine.Translator, Assert.Single(report.Switches).To);
        Assert.Equal(Engine.Translator, _machine!.Engine);
    }

    [Fact]
    public async Task Inspect_MachineWithoutADriver_ShowsItsBoard()
    {
        BoardInspection board = (await Running.InspectAsync(_timeout.Token)).Board;

        Assert.Equal(0, Assert.Single(board.Processors).Index);
        Assert.Equal(24, board.InterruptPins.Count);
        Assert.Equal((ushort)0x1237, board.Devices[0].Pci.DeviceId);
        Assert.Equal(("entropy", 0), (board.Devices[1].Virtio!.TypeName, board.Devices[1].Virtio!.Status));
        Assert.False(Assert.Single(board.Devices[1].Virtio!.Queues).IsEnabled);
    }

    [Fact]
    public async Task Stop_Machine_EndsItAndWhoWaitsHearsHow()
    {
        Task<MachineExit?> end = Running.WaitForExitAsync(_timeout.Token);

        await Running.StopAsync(_timeout.Token);

        Assert.Equal(MachineExitReason.Stopped, (await end)!.Reason);
        Assert.Equal(MachineExitReason.Stopped, (await _machine!.WaitForExitAsync(_timeout.Token)).Reason);
    }

    [Fact]
    public async Task WaitForRelease_MachineThatIsStopped_EndsWhenItsDisksAndNameAreFree()
    {
        Task release = Running.WaitForReleaseAsync(_timeout.Token);
        await Running.StopAsync(_timeout.Token);
        await Assert.ThrowsAsync<StrataException>(() => _registry.ReserveAsync("idle", "kernel", _timeout.Token));
        Assert.Throws<IOException>(OpenDisk);
        Assert.False(release.IsCompleted);

        await _machine!.DisposeAsync();
        await release;

        OpenDisk();
        await using MachineReservation next = await _registry.ReserveAsync("idle", "kernel", _timeout.Token);
        Assert.Equal("idle", next.Name);
    }

    /// <summary>The order in which `await using` of both has it.</summary>
    [Fact]
    public async Task WaitForRelease_ServerIsDisposedFirst_StillWaitsForTheDisks()
    {
        Task release = Running.WaitForReleaseAsync(_timeout.Token);
        await Running.StopAsync(_timeout.Token);
        await _server!.DisposeAsync();
        Assert.Equal("idle", (await Running.DescribeAsync(_timeout.Token)).Name);
        Assert.False(release.IsCompleted);

        await _machine!.DisposeAsync();
        await release;

        OpenDisk();
        Assert.Empty(await _registry.ListAsync(_timeout.Token));
    }

    [Fact]
    public async Task Serve_BetweenTheEndAndTheRelease_SaysThatItHasEnded()
    {
        await Running.StopAsync(_timeout.Token);
        await _server!.DisposeAsync();

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => Running.InspectAsync(_timeout.Token));
        await Running.StopAsync(_timeout.Token);
        MachineExit? exit = await Running.WaitForExitAsync(_timeout.Token);

        Assert.Contains("has ended", error.Message, StringComparison.Ordinal);
        Assert.Equal(MachineExitReason.Stopped, exit!.Reason);
    }

    [Fact]
    public async Task WaitForRelease_MachineThatHasGone_EndsAtOnce()
    {
        IMachine running = Running;
        await _machine!.DisposeAsync();

        await running.WaitForReleaseAsync(_timeout.Token);

        Assert.Throws<StrataException>(() => Running);
    }

    [Fact]
    public async Task Connect_MachineWithoutSockets_SaysSo()
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => Running.ConnectAsync(1025, _timeout.Token));

        Assert.Contains("sockets", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    [InlineData("\u0002\0\0\0J{}")]
    [InlineData("\u0000\0\0\0E")]
    public async Task Serve_NoRequest_IsAnsweredWithTheCauseAndHarmsNobody(string bytes)
    {
        using Socket socket = await DialAsync();
        await socket.SendAsync(Encoding.Latin1.GetBytes(bytes), _timeout.Token);

        await using NetworkStream stream = new(socket);
        ControlReply reply = ControlJson.ReadReply((await ControlFrame.ReadAsync(stream, _timeout.Token))!.Value);

        Assert.Equal(StrataError.BadInput, reply.Failure!.Error);
        Assert.Equal("idle", (await Running.DescribeAsync(_timeout.Token)).Name);
    }

    [Fact]
    public async Task Serve_ManyWhoSayNothing_AreBoundedAndTheRestIsTold()
    {
        List<Socket> silent = [];
        for (int i = 0; i < ControlServer.MostConnections; i++)
        {
            silent.Add(await DialAsync());
        }

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => Running.DescribeAsync(_timeout.Token));
        silent.ForEach(socket => socket.Dispose());

        Assert.Contains("connections", error.Message, StringComparison.Ordinal);
        while (true)
        {
            try
            {
                Assert.Equal("idle", (await Running.DescribeAsync(_timeout.Token)).Name);
                return;
            }
            catch (StrataException)
            {
                await Task.Delay(10, _timeout.Token); // until the server has seen them go
            }
        }
    }

    [Fact]
    public async Task Dispose_WithConnectionsOpen_EndsThemAndTheName()
    {
        using Socket silent = await DialAsync();
        Task<MachineExit?> end = Running.WaitForExitAsync(_timeout.Token);

        await _server!.DisposeAsync();

        Assert.Null(await end);
        Assert.Empty(await _registry.ListAsync(_timeout.Token));
        Assert.False(_machine!.WaitForExitAsync(_timeout.Token).IsCompleted);
    }

    private void OpenDisk()
    {
        using FileStream disk = new(Disk, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    private static void Idle(Assembler c)
    {
        Label forever = c.CreateLabel();
        c.Label(ref forever);
        c.hlt();
        c.jmp(forever);
    }

    private async Task<Socket> DialAsync()
    {
        while (true)
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(_registry.Folder, "idle.sock")), _timeout.Token);
                return socket;
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.WouldBlock)
            {
                socket.Dispose();
                await Task.Delay(5, _timeout.Token); // the backlog is full for the moment
            }
        }
    }
}
