using System.Net;
using System.Net.Sockets;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>The network options of `strata run`, where they are wrong.</summary>
public sealed class NetworkCommandTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int HostLacksSomething = 1;
    private const int BadInput = 2;
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Theory]
    [InlineData("satellite", "--net", "satellite")]
    [InlineData("sometimes", "--net", "user,sometimes")]
    [InlineData("allow=10.0.0.0/99", "--net", "user,allow=10.0.0.0/99")]
    [InlineData("2222:22", "--forward", "22")]
    [InlineData("a-name-that-is-too-long", "--net", "tap=a-name-that-is-too-long")]
    [InlineData("../tun", "--net", "tap=../tun")]
    [InlineData("\"\" can name no network interface", "--net", "tap=")]
    [InlineData("--net none", "--net", "none", "--forward", "2222:22")]
    [InlineData("/no/such/folder/x.pcap", "--capture", "/no/such/folder/x.pcap")]
    public async Task Run_WrongNetworkOption_IsBadInputAndNamesIt(string named, params string[] options)
    {
        using HostCommand command = HostCommand.StartStrata(["run", "debian-tiny", "--memory", "128M", .. options]);

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(BadInput, code);
        Assert.Contains(named, errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_ForwardedPortInUse_SaysWhatToDo()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();

        string port = $"{((IPEndPoint)taken.LocalEndpoint).Port}:22";
        using HostCommand command = HostCommand.StartStrata("run", "--kernel", guest.Kernel, "--memory", "128M", "--forward", port);
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(HostLacksSomething, code);
        Assert.Contains("choose another host port", errors, StringComparison.Ordinal);
    }

    public void Dispose() => _timeout.Dispose();
}
