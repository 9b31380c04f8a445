using System.Net;
using Strata.Images;
using Strata.Networking.Frames;
using Strata.Networking.Nat;

namespace Strata.EndToEnd.Tests;

// The example of docs/library.md:
/// <summary>One machine for all tests of the class: it starts in about a second.</summary>
public sealed class LinuxMachine : IAsyncLifetime
{
    /// <summary>Port 0 of the host: one that is free.</summary>
    public static PortForward Web { get; } = new(TransportProtocol.Tcp, IPAddress.Loopback, HostPort: 0, GuestPort: 80);

    public VirtualMachine Machine { get; private set; } = null!;

    public async Task InitializeAsync() => Machine = await new DebianTiny().StartAsync(spec => spec with
    {
        Processors = 2,
        Networks = [NetworkCard.User(new UserNetworkOptions { Forwards = [Web] })],
        Shares = [new FolderShare(AppContext.BaseDirectory, "build", IsReadOnly: true)],
    });

    public async Task DisposeAsync() => await Machine.DisposeAsync();
}

public sealed class InARealMachineTests(LinuxMachine linux) : IClassFixture<LinuxMachine>
{
    [Fact]
    public async Task Command_LeavesOutputAndExitCode()
    {
        GuestResult result = await linux.Machine.Agent.RunAsync(GuestCommand.Shell("nproc; ls /mnt/build/Strata.dll; exit 3"));

        Assert.Equal((3, "2\n/mnt/build/Strata.dll\n"), (result.ExitCode, result.OutputText));
    }

    [Fact]
    public async Task WebServer_OfTheGuest_AnswersTheHost()
    {
        using CancellationTokenSource timeout = new(TimeSpan.FromMinutes(1));
        GuestAgent agent = linux.Machine.Agent;
        await agent.PutAsync(new MemoryStream("hello"u8.ToArray()), "/tmp/index.html", cancellationToken: timeout.Token);
        await agent.RunAsync(GuestCommand.Shell("httpd -h /tmp"), cancellationToken: timeout.Token);

        using HttpClient client = new();
        string page = await client.GetStringAsync(new Uri($"http://{linux.Machine.ListenEndPoint(LinuxMachine.Web)}/"), timeout.Token);

        Assert.Equal("hello", page);
    }
}
// Its end.
