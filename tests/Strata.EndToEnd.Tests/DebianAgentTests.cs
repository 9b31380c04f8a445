using System.Security.Cryptography;
using Strata.EndToEnd.Tests.Harness;
using Strata.Virtio.Vsock;

namespace Strata.EndToEnd.Tests;

/// <summary>Programs in a Debian guest, run by the library through the agent.</summary>
public sealed class DebianAgentTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int Terminated = 15;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Agent_ProgramsAndFiles_WorkInOneMachine()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.SpecWithAgent, _timeout.Token);
        GuestAgent agent = machine.Agent;

        GuestResult result = await agent.RunAsync(
            new GuestCommand(["sh", "-c", "cat; pwd; echo \"$0 $1 $GREETING\" >&2; exit 42", "first arg", "second"])
            {
                Environment = new Dictionary<string, string> { ["GREETING"] = "from the host" },
                Folder = "/tmp",
            },
            "standard input\n"u8.ToArray(),
            _timeout.Token);
        Assert.Equal(
            (42, "standard input\n/tmp\n", "first arg second from the host\n"), (result.ExitCode, result.OutputText, result.ErrorText));

        await CopyMuchAsync(agent);
        await PutOntoWhatExistsAsync(agent);
        await SignalAsync(agent);
        await FailAsync(agent);
        await TalkThroughSocketsAsync(machine);
        GuestResult tty = await agent.RunAsync(
            GuestCommand.Shell("tty; stty size; echo error >&2") with { Terminal = new TerminalSize(33, 77) }, default, _timeout.Token);
        Assert.Equal("/dev/pts/0\r\n33 77\r\nerror\r\n", tty.OutputText);
    }

    public void Dispose() => _timeout.Dispose();

    /// <summary>A megabyte each way through a program, and as a file.</summary>
    private async Task CopyMuchAsync(GuestAgent agent)
    {
        byte[] blob = new byte[1 << 20];
        new Random(99).NextBytes(blob);
        GuestResult result = await agent.RunAsync(new GuestCommand(["cat"]), blob, _timeout.Token);
        Assert.Equal((0, Digest(blob)), (result.ExitCode, Digest(result.Output)));

        await agent.PutAsync(new MemoryStream(blob), "/tmp/blob", 0x1ED, _timeout.Token);
        result = await agent.RunAsync(GuestCommand.Shell("stat -c '%a %s' /tmp/blob; ls /tmp"), default, _timeout.Token);
        Assert.Equal("755 1048576\nblob\n", result.OutputText);
        using MemoryStream back = new();
        Assert.Equal(0x1EDU, await agent.GetAsync("/tmp/blob", back, _timeout.Token));
        Assert.Equal(Digest(blob), Digest(back.ToArray()));
    }

    /// <summary>A link is followed, a device takes the data, and a file that is replaced keeps its owner.</summary>
    private async Task PutOntoWhatExistsAsync(GuestAgent agent)
    {
        await agent.RunAsync(
            GuestCommand.Shell(
                "mkdir /root/put && cd /root/put && echo old > file && chown 7:8 file && ln -s file link && mknod null c 1 3"),
            default,
            _timeout.Token);

        await agent.PutAsync(new MemoryStream("new"u8.ToArray()), "/root/put/link", 0x1A0, _timeout.Token);
        await agent.PutAsync(new MemoryStream("gone"u8.ToArray()), "/root/put/null", cancellationToken: _timeout.Token);

        GuestResult result = await agent.RunAsync(
            GuestCommand.Shell("cd /root/put && stat -c '%a %u %g' file && cat link && stat -c ' %F' link null && ls"), default,
            _timeout.Token);
        Assert.Equal("640 7 8\nnew symbolic link\n character special file\nfile\nlink\nnull\n", result.OutputText);
    }

    private async Task SignalAsync(GuestAgent agent)
    {
        TaskCompletionSource started = new();
        await using GuestProcess process = await agent.StartAsync(
            GuestCommand.Shell("echo ready; sleep 1000"), _ => started.TrySetResult(), _ => { }, _timeout.Token);
        await started.Task.WaitAsync(_timeout.Token);
        await process.SignalAsync(Terminated, _timeout.Token);
        Assert.Equal(128 + Terminated, await process.WaitForExitAsync(_timeout.Token));
    }

    private async Task FailAsync(GuestAgent agent)
    {
        StrataException missing = await Assert.ThrowsAsync<StrataException>(
            () => agent.RunAsync(new GuestCommand(["no-such-program"]), default, _timeout.Token));
        Assert.Equal("The guest refused: no-such-program: No such file or directory.", missing.Message);
        StrataException file = await Assert.ThrowsAsync<StrataException>(
            () => agent.GetAsync("/no/such/file", Stream.Null, _timeout.Token));
        Assert.Equal(StrataError.Guest, file.Error);
        await Assert.ThrowsAsync<StrataException>(() => agent.PutAsync(Stream.Null, "/proc/nothing", cancellationToken: _timeout.Token));
    }

    /// <summary>A program in the guest connects to the host.</summary>
    private async Task TalkThroughSocketsAsync(VirtualMachine machine)
    {
        const string client = "socket(S,40,1,0);connect(S,pack('SSLLx4',40,0,7777,2))or die $!;syswrite S,'hello " +
            "host';sysread(S,$b,99);print $b";
        using VsockListener listener = machine.Listen(7777);
        Task<GuestResult> program = machine.Agent.RunAsync(new GuestCommand(["perl", "-e", client]), default, _timeout.Token);
        await using VsockStream stream = await listener.AcceptAsync(_timeout.Token);
        byte[] buffer = new byte[10];
        await stream.ReadExactlyAsync(buffer, _timeout.Token);
        await stream.WriteAsync("hello guest"u8.ToArray(), _timeout.Token);

        Assert.Equal("hello host"u8, buffer);
        Assert.Equal("hello guest", (await program).OutputText);
    }

    private static string Digest(byte[] bytes) => Convert.ToHexString(SHA256.HashData(bytes));
}
