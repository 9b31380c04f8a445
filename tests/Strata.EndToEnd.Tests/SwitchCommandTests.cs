using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>debian-tiny in several processes on one switch.</summary>
public sealed class SwitchCommandTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int HostLacksSomething = 1;
    private const int BadInput = 2;

    private readonly TemporaryFolder _runtime = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly List<HostCommand> _machines = [];

    private Dictionary<string, string> Environment => new() { ["XDG_RUNTIME_DIR"] = _runtime.Root };

    [Fact]
    public async Task Run_MachinesOfThreeProcesses_ReachEachOtherAndSurviveTheHostsEnd()
    {
        HostCommand host = Run("first");
        await host.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);
        HostCommand[] others = [Run("second"), Run("third")];
        await Task.WhenAll(others.Select(machine => machine.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token)));
        Dictionary<string, string> before = await AddressesAsync(expected: 3);
        Assert.Equal(["10.0.2.15", "10.0.2.16", "10.0.2.17"], before.Values.Order());
        Assert.Equal(0, await PingAsync("second", before["first"]));
        Assert.Equal(0, await PingAsync("second", before["third"]));
        Assert.Equal("first", (await ShowAsync()).GetProperty("host").GetString());

        _machines.Remove(host);
        host.Dispose(); // kills it: it can say goodbye to nobody

        Assert.Equal(0, await PingAsync("second", before["third"]));
        Assert.Equal(0, await PingAsync("third", "10.0.2.2"));
        Assert.Contains((await ShowAsync()).GetProperty("host").GetString(), (string[])["second", "third"]);
        await Run("fourth").WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);
        Dictionary<string, string> after = await AddressesAsync(expected: 3);
        Assert.Equal((before["second"], before["third"]), (after["second"], after["third"]));
        Assert.DoesNotContain(after["fourth"], (string[])[before["second"], before["third"]]);
        Assert.Equal(0, await PingAsync("third", after["fourth"]));
        Assert.Contains(
            after["fourth"], (await StrataAsync("exec", "third", "nslookup", "fourth.internal")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_ForwardIntoTheSwitch_LeadsToTheMachineAndOutlivesTheSwitchsHost()
    {
        HostCommand host = Run("first");
        await host.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);
        int port = FreePort();
        await Run("second", "--forward", $"{port}:7000").WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);
        await AddressesAsync(expected: 2);
        await StrataAsync("exec", "second", "sh", "-c", "(while echo hello | nc -l -p 7000; do :; done) > /dev/null 2>&1 &");
        string before = await GreetingAsync(port);

        _machines.Remove(host);
        host.Dispose();
        string after = await GreetingAsync(port);

        Assert.Equal(("hello\n", "hello\n"), (before, after));
    }

    [Theory]
    [InlineData(BadInput, "cannot name a switch", "--net", "switch=")]
    [InlineData(BadInput, "cannot name a switch", "--net", "switch=../up")]
    [InlineData(BadInput, "sideways", "--net", "switch=lab,sideways")]
    [InlineData(BadInput, "vlan=4095", "--net", "switch=lab,vlan=4095")]
    [InlineData(BadInput, "delay=1", "--net", "switch=lab,delay=1")]
    [InlineData(BadInput, "rate=fast", "--net", "switch=lab,rate=fast")]
    [InlineData(BadInput, "2222", "--net", "switch=lab", "--forward", "2222")]
    public async Task Run_WrongSwitch_NamesItAndTheRemedy(int expected, string named, params string[] options)
    {
        (int code, _, string errors) = await StrataAsync(["run", "--kernel", guest.Kernel, "--memory", "128M", .. options]);

        Assert.Equal(expected, code);
        Assert.Contains(named, errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_IsolatedSwitchThatHasAWayOut_IsRefusedWithTheRemedy()
    {
        HostCommand host = Run("first");
        await host.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);

        (
            int code, _,
            string errors) = await StrataAsync("run", "--kernel", guest.Kernel, "--memory", "128M", "--net", "switch=lab,isolated");

        Assert.Equal(HostLacksSomething, code);
        Assert.Contains("use --net switch=lab or another name", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Show_NoSwitch_IsBadInput()
    {
        (int code, _, string errors) = await StrataAsync("switch", "show", "nowhere");

        Assert.Equal(BadInput, code);
        Assert.Contains("strata switch list", errors, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _machines.ForEach(machine => machine.Dispose());
        _runtime.Dispose();
        _timeout.Dispose();
    }

    private HostCommand Run(string name, params string[] more)
    {
        HostCommand machine = HostCommand.StartStrata(
            Environment,
            ["run", "debian-tiny", "--memory", "128M", "--engine", "translator", "--name", name, "--net", "switch=lab", .. more]);
        _machines.Add(machine);
        return machine;
    }

    /// <summary>What a port says to one who calls, as soon as anything does.</summary>
    private async Task<string> GreetingAsync(int port)
    {
        while (true)
        {
            using TcpClient client = new();
            await client.ConnectAsync(IPAddress.Loopback, port, _timeout.Token);
            byte[] buffer = new byte[100];
            try
            {
                int count = await client.GetStream().ReadAsync(buffer, _timeout.Token);
                if (count > 0)
                {
                    return Encoding.ASCII.GetString(buffer, 0, count);
                }
            }
            catch (IOException)
            {
                // Nobody listens in the guest just now, or the switch has no host yet.
            }

            await Task.Delay(100, _timeout.Token);
        }
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task<int> PingAsync(string machine, string address)
    {
        (
            int code, _,
            _) = await StrataAsync("exec", machine, "sh", "-c", $"for i in 1 2 3 4 5; do ping -c 1 -W 2 {address} && exit 0; done; exit 1");
        return code;
    }

    private async Task<JsonElement> ShowAsync()
    {
        (int code, string output, string errors) = await StrataAsync("switch", "show", "lab", "--output", "json");
        Assert.True(code == 0, errors);
        return JsonDocument.Parse(output).RootElement;
    }

    /// <summary>Addresses by machine, when so many have one.</summary>
    private async Task<Dictionary<string, string>> AddressesAsync(int expected)
    {
        while (true)
        {
            Dictionary<string, string> addresses = (await ShowAsync()).GetProperty("ports").EnumerateArray()
                .Where(port => port.TryGetProperty("address", out _))
                .ToDictionary(port => port.GetProperty("machine").GetString()!, port => port.GetProperty("address").GetString()!);
            if (addresses.Count == expected)
            {
                return addresses;
            }

            await Task.Delay(100, _timeout.Token);
        }
    }

    private async Task<(int Code, string Output, string Errors)> StrataAsync(params string[] arguments)
    {
        using HostCommand command = HostCommand.StartStrata(Environment, arguments);
        command.EndInput();
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);
        return (code, command.Output, errors);
    }
}
