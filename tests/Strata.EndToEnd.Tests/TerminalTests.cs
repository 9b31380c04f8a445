using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>
/// The command on a terminal, which script(1) gives it: keys go to the guest as they are typed, and nothing is echoed twice.
/// </summary>
public sealed class TerminalTests(NamedMachine machine) : IClassFixture<NamedMachine>, IDisposable
{
    private const string CtrlA = "\x01";
    private const string CtrlC = "\x03";

    /// <summary>
    /// Prints "waiting" when it is the foreground's process already: a Ctrl-C while the shell starts a program is lost in the shell.
    /// </summary>
    private const string WaitInTheForeground = "sh -c 'echo waiting; exec sleep 1000'\r";

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [HostToolFact("script")]
    public async Task Run_KeysOnATerminal_GoToTheGuestAsTheyAreTyped()
    {
        using HostCommand command = OnATerminal("run debian-tiny -m 256M --name on-a-terminal");
        await command.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);

        await command.TypeAsync(WaitInTheForeground, _timeout.Token);
        await command.WaitForOutputAsync("\nwaiting", _timeout.Token);
        await command.TypeAsync(CtrlC, _timeout.Token);
        await command.WaitForOutputAsync($"^C\r\n{DebianGuest.Prompt}", _timeout.Token);
        await command.TypeAsync("echo $((40 + 2)) left\r", _timeout.Token);
        await command.WaitForOutputAsync("42 left", _timeout.Token);
        await command.TypeAsync($"{CtrlA}h", _timeout.Token); // without a line's end
        await command.WaitForOutputAsync("this help", _timeout.Token);
        await command.TypeAsync($"{CtrlA}x", _timeout.Token);
        (int code, _) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(0, code);
        Assert.Equal(1, Count(command.Output, "echo $((40 + 2)) left"));
        Assert.DoesNotContain("\r\r\n", command.Output, StringComparison.Ordinal);
    }

    [HostToolFact("script")]
    public async Task Exec_KeysOnATerminal_GoToTheCommandAsTheyAreTyped()
    {
        using HostCommand command = OnATerminal($"exec {NamedMachine.Name} sh");
        await command.WaitForOutputAsync("# ", _timeout.Token);

        await command.TypeAsync(WaitInTheForeground, _timeout.Token);
        await command.WaitForOutputAsync("\nwaiting", _timeout.Token);
        await command.TypeAsync(CtrlC, _timeout.Token);
        await command.WaitForOutputAsync("^C\r\n/ # ", _timeout.Token);
        await command.TypeAsync("exit $((40 + 2))\r", _timeout.Token);
        (int code, _) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(42, code);
        Assert.Equal(1, Count(command.Output, "exit $((40 + 2))"));
    }

    public void Dispose() => _timeout.Dispose();

    private HostCommand OnATerminal(string arguments) =>
        machine.StartTool("script", "-qec", $"dotnet {Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll")} {arguments}", "/dev/null");

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}
