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
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            guest.Spec with { Engine = new Engine(engine) }, _timeout.Token);
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
            Networks = [NetworkCard.User(
                new UserNetworkOptions { Forwards = [forward], Egress = EgressPolicy.DenyAll }) with { Capture = capture }],
        };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync(
            $"(echo from-the-guest | nc -l -p {GuestPort}) & {DebianGuest.AwaitListener(GuestPort)}; echo rea''dy", _timeout.Token);
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

    /// <summary>Both ends are kernels here: what one marks, recv(MSG_OOB) of the other gives, and nothing else is lost or marked.</summary>
    [Fact]
    public async Task Forward_UrgentData_IsUrgentInBothDirections()
    {
        const string server = """
            socket(S,2,1,0);bind(S,pack("S n a4 x8",2,7777,"\0"x4));listen(S,1);print "rea"."dy\n";accept(C,S);select(undef,undef,undef,0.5);recv(C,$u,1,1);recv(C,$d,9,0);print "urgent $u data $d\n";send(C,"a?",1);send(C,"bc",0);sleep 1
            """;
        PortForward forward = new(TransportProtocol.Tcp, IPAddress.Loopback, 0, GuestPort);
        MachineSpec spec = guest.SpecWithAgent with { Networks = [NetworkCard.User(new UserNetworkOptions { Forwards = [forward] })] };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync($"perl -e '$|=1;{server.Trim()}'", _timeout.Token);
        await machine.Console.WaitForAsync("ready", _timeout.Token);

        using TcpClient caller = new();
        await caller.ConnectAsync(machine.ListenEndPoint(forward)!, _timeout.Token);
        await caller.Client.SendAsync("!"u8.ToArray(), SocketFlags.OutOfBand, _timeout.Token);
        await caller.Client.SendAsync("abc"u8.ToArray(), SocketFlags.None, _timeout.Token);
        await machine.Console.WaitForAsync("urgent ! data abc", _timeout.Token);
        byte[] urgent = new byte[1];
        Assert.True(
            SpinWait.SpinUntil(() => caller.Client.Poll(0, SelectMode.SelectError), TimeSpan.FromSeconds(30)),
            "Nothing urgent came to the host.");
        caller.Client.Receive(urgent, SocketFlags.OutOfBand);
        using StreamReader reader = new(caller.GetStream(), Encoding.ASCII);
        string rest = await reader.ReadToEndAsync(_timeout.Token);

        Assert.Equal("?"u8.ToArray(), urgent);
        Assert.Equal("abc", rest);
    }

    [Fact]
    public async Task Restricted_WgetFromTheHost_IsRefusedAtOnce()
    {
        using TcpListener server = new(IPAddress.Loopback, 0);
        server.Start();
        MachineSpec spec = guest.Spec with { Networks = [NetworkCard.User(new UserNetworkOptions { Egress = EgressPolicy.DenyAll })] };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync(
            $"wget -q -O - http://10.0.2.2:{((IPEndPoint)server.LocalEndpoint).Port}/ || echo refu''sed", _timeout.Token);
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
