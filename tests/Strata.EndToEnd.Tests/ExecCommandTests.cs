using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>
/// `strata exec` for callers such as cron, systemd and timeout(1): without input, ended by signals, with codes that tell.
/// </summary>
public sealed class ExecCommandTests(NamedMachine guest) : IClassFixture<NamedMachine>, IDisposable
{
    private const string Machine = NamedMachine.Name;

    private static readonly string Strata = Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll");

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Theory]
    [InlineData("<&-", "")]
    [InlineData("</", "strata: Standard input cannot be read: Is a directory. The command finds its end.\n")]
    [InlineData("0>/dev/null", "strata: Standard input cannot be read: Bad file descriptor. The command finds its end.\n")]
    public async Task Exec_InputThatCannotBeRead_IsTheEndOfTheCommandsInput(string redirection, string message)
    {
        (int code, string output, string errors) = await HostAsync(
            $"exec dotnet \"$0\" exec {Machine} sh -c 'cat; echo end' {redirection}");

        Assert.Equal((0, "end\n", message), (code, output, errors));
    }

    [Fact]
    public async Task Exec_OutputIsClosed_SaysSo()
    {
        (int code, _, string errors) = await HostAsync($"exec dotnet \"$0\" exec {Machine} echo out >&-");

        Assert.Equal((1, "strata: The command's output is incomplete: Standard output is closed.\n"), (code, errors));
    }

    [Theory]
    [InlineData(127, "no-such-program")]
    [InlineData(127, "/no/such/program")]
    [InlineData(126, "/proc/version")]
    [InlineData(126, "/root")]
    public async Task Exec_ProgramThatCannotBeStarted_IsTheShellsCode(int expected, string program)
    {
        (int code, _, string errors) = await guest.RunAsync(_timeout.Token, "exec", Machine, program);

        Assert.Equal(expected, code);
        Assert.Contains(program, errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exec_WorkingFolderThatIsNotThere_IsTheCodeOfWhatCannotBeRun() =>
        Assert.Equal(126, (await guest.RunAsync(_timeout.Token, "exec", "-w", "/no/such/folder", Machine, "true")).Code);

    /// <summary>timeout(1) signals its command, and then its own group, which the command is in, too.</summary>
    [HostToolFact("timeout")]
    public async Task Exec_EndedByTimeout_IsTheSignalsCodeAndNoException()
    {
        for (int i = 0; i < 5; i++)
        {
            (int code, _, string errors) = await HostAsync($"exec timeout --preserve-status 1 dotnet \"$0\" exec {Machine} sleep 1000 <&-");

            Assert.Equal((143, string.Empty), (code, errors));
        }
    }

    [Fact]
    public async Task Exec_TwoSignalsAtOnce_LetTheCommandCleanUp()
    {
        const string command = "trap 'echo cleaned; exit 9' TERM; echo ready; while :; do sleep 0.1; done";
        using HostCommand exec = guest.Start("exec", Machine, "sh", "-c", command);
        await exec.WaitForOutputAsync("ready", _timeout.Token);

        await HostCommand.RunAsync("sh", ["-c", $"kill -TERM {exec.Id}; kill -TERM {exec.Id}"], _timeout.Token);
        (int code, _) = await exec.WaitForExitAsync(_timeout.Token);

        Assert.Equal((9, "ready\ncleaned\n"), (code, exec.Output));
    }

    [Fact]
    public async Task Exec_TerminatedTwice_IsTheSignalsCode()
    {
        (int code, _, string errors) = await HostAsync(
            $"dotnet \"$0\" exec {Machine} sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' &"
            + " p=$!; sleep 3; kill -TERM $p; sleep 0.5; kill -TERM $p; wait $p");

        Assert.Equal(143, code);
        Assert.DoesNotContain("xception", errors, StringComparison.Ordinal);
    }

    [HostToolFact("script")]
    public async Task Exec_OnATerminal_HasItsKind()
    {
        (int code, string output, _) = await HostAsync(
            $"TERM=vt220 script -qec \"dotnet '$0' exec -t {Machine} sh -c 'echo \\$TERM'\" /dev/null", endsInput: false);

        Assert.Equal((0, "vt220\r\n"), (code, output));
    }

    [Fact]
    public async Task Exec_TerminalWithAKindOfItsOwn_HasThatOne()
    {
        (int code, string output, _) = await HostAsync($"TERM=vt220 dotnet \"$0\" exec -t -e TERM=ansi {Machine} sh -c 'echo $TERM'");

        Assert.Equal((0, "ansi\r\n"), (code, output));
    }

    public void Dispose() => _timeout.Dispose();

    /// <summary>A line for the host's shell, where $0 is the command's file. Some versions of script(1) type a zero byte when their input
    /// ends, which the terminal may still echo: they get no end.</summary>
    private async Task<(int Code, string Output, string Errors)> HostAsync(string line, bool endsInput = true)
    {
        using HostCommand shell = guest.StartTool("sh", "-c", line, Strata);
        if (endsInput)
        {
            shell.EndInput();
        }

        (int code, string errors) = await shell.WaitForExitAsync(_timeout.Token);
        return (code, shell.Output, errors);
    }
}
