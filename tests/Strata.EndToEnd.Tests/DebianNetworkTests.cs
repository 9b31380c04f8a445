using System.Net;
using System.Net.Sockets;
using System.Text;
using Strata.EndToEnd.Tests.Harness;
using Strata.Networking.Nat;

namespace Strata.EndToEnd.Tests;

/// <summary>A Debian guest on a user-mode network: it reaches the host's servers, and the host reaches its own.</summary>
public sealed class DebianNetworkTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int GuestPort = 7777;
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task Wget_FromAServerOfTheHost_GetsEveryByte(string engine)
    {
        byte[] content = new byte[2_000_000];
        new Random(4).NextBytes(content);
        using FileServer server = new(content, times: 1, _timeout.Token);
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.Spec with { Engine = new Engine(engine) }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync($"wget -q -O - {server.Address} | md5sum", _timeout.Token);
        await machine.Console.WaitForAsync(Digest(content), _timeout.Token);
        await server.Serving.WaitAsync(_timeout.Token);
    }

    [Fact]
    public async Task Forward_HostCallsTheGuest_BytesGoBothWaysAndTheCaptureIsReadable()
    {
        PortForward forward = new(TransportProtocol.Tcp, IPAddress.Loopback, 0, GuestPort);
        string capture = _folder.PathOf("frames.pcap");
        MachineSpec spec = guest.Spec with
        {
            Networks = [NetworkCard.User(new UserNetworkOptions { Forwards = [forward], Egress = EgressPolicy.DenyAll }) with { Capture = capture }],
        };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync($"echo rea''dy; echo from-the-guest | nc -l -p {GuestPort}", _timeout.Token);
        await machine.Console.WaitForAsync("ready", _timeout.Token);

        using TcpClient caller = new();
        await caller.ConnectAsync(machine.ListenEndPoint(forward)!, _timeout.Token);
        NetworkStream stream = caller.GetStream();
        await stream.WriteAsync("from-the-host\n"u8.ToArray(), _timeout.Token);
        using StreamReader reader = new(stream, Encoding.ASCII);
        string? heard = await reader.ReadLineAsync(_timeout.Token);
        await machine.Console.WaitForAsync("from-the-host", _timeout.Token);
        await machine.DisposeAsync();

        Assert.Equal("from-the-guest", heard);
        Assert.Null(machine.CaptureFailure);
        Assert.True(new FileInfo(capture).Length > 500);
    }

    [Fact]
    public async Task Restricted_WgetFromTheHost_IsRefusedAtOnce()
    {
        using TcpListener server = new(IPAddress.Loopback, 0);
        server.Start();
        MachineSpec spec = guest.Spec with { Networks = [NetworkCard.User(new UserNetworkOptions { Egress = EgressPolicy.DenyAll })] };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync($"wget -q -O - http://10.0.2.2:{((IPEndPoint)server.LocalEndpoint).Port}/ || echo refu''sed", _timeout.Token);
        await machine.Console.WaitForAsync("refused", _timeout.Token);

        Assert.False(server.Pending());
    }

    [Fact]
    public async Task None_Machine_HasNoCard()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.Spec with { Networks = [] }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync("echo cards: $(ls /sys/class/net | tr '\\n' ' ')end", _timeout.Token);
        await machine.Console.WaitForAsync("cards: lo end", _timeout.Token);
    }

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

#pragma warning disable CA5351 // The guest's busybox checks the copy; nothing is protected by it.
    private static string Digest(byte[] content) => Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(content));
#pragma warning restore CA5351
}
