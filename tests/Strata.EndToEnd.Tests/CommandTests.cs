using System.Globalization;
using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests;

/// <summary>`strata` as a process on pipes: its exit codes are those that the README lists.</summary>
public sealed class CommandTests : IDisposable
{
    private const int Success = 0;
    private const int BadInput = 2;
    private const int GuestReset = 101;
    private const int TripleFault = 102;
    private const int Interrupted = 130;
    private const int Terminated = 143;

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Run_GuestWritesDebugExit_IsTheDocumentedCode()
    {
        string kernel = Program(c =>
        {
            c.Print('o');
            c.Print('k');
            c.OutByte(0xF4, 0x10);
            c.hlt();
        });

        (int code, string output, _) = await RunAsync("run", "--kernel", kernel, "--memory", "16M");

        Assert.Equal((0x10 << 1) | 1, code);
        Assert.Equal("ok", output);
    }

    /// <summary>A folder as standard input stands for all that cannot be read, such as a terminal that was closed.</summary>
    [Fact]
    public async Task Run_StandardInputCannotBeRead_GoesOnWithout()
    {
        const int aWhile = 500_000_000;
        string kernel = Program(c =>
        {
            Label wait = c.CreateLabel();
            c.mov(ecx, aWhile);
            c.Label(ref wait);
            c.dec(ecx);
            c.jne(wait);
            c.Print('k');
            c.OutByte(0xF4, 0x10);
            c.hlt();
        });
        string strata = Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll");

        using HostCommand command = HostCommand.Start("sh", "-c", $"exec dotnet '{strata}' run --kernel '{kernel}' --memory 16M < /");
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal((0x10 << 1) | 1, code);
        Assert.Equal("k", command.Output);
        Assert.DoesNotContain("exception", errors, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Run_SshKeyFileThatNeverEnds_IsRefused()
    {
        (int code, _, string errors) = await RunAsync("run", "debian", "--ssh-key", "/dev/zero");

        Assert.Equal(BadInput, code);
        Assert.Contains("64 KiB", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_GuestTripleFaults_SaysWhere()
    {
        const uint shortJumpSize = 2;
        string kernel = Program(c =>
        {
            Label start = c.CreateLabel();
            Label undefined = c.CreateLabel();
            c.jmp(start);
            c.Label(ref undefined);
            c.ud2();
            c.Label(ref start);
            c.mov(edi, 0x8000);
            c.mov(__dword_ptr[edi], 0);
            c.mov(__dword_ptr[edi + 4], 0);
            c.lidt(__[edi]); // no vector has a gate: #UD becomes #DF becomes shutdown
            c.jmp(undefined);
        });

        (int code, _, string errors) = await RunAsync("run", "--kernel", kernel, "--memory", "16M", "--reset", "exit");

        Assert.Equal(TripleFault, code);
        Assert.Contains($"0x{MultibootProgram.Entry + shortJumpSize:x}", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_GuestResetsThroughTheKeyboardController_IsTheResetCode()
    {
        string kernel = Program(c =>
        {
            c.OutByte(0x64, 0xFE);
            c.hlt();
        });

        (int code, _, string errors) = await RunAsync("run", "--kernel", kernel, "--memory", "16M", "--reset", "exit");

        Assert.Equal(GuestReset, code);
        Assert.Contains("reset", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_GuestThatResetsForEver_EndsAndSaysSo()
    {
        string kernel = Program(c =>
        {
            c.OutByte(0x64, 0xFE);
            c.hlt();
        });

        (int code, _, string errors) = await RunAsync("run", "--kernel", kernel, "--memory", "16M");

        Assert.Equal(GuestReset, code);
        Assert.Contains("It starts again.", errors, StringComparison.Ordinal);
        Assert.Contains("does not come up", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_EscapeAndX_Quits()
    {
        using HostCommand command = HostCommand.StartStrata("run", "--kernel", Program(PrintAndWait), "--memory", "16M");
        await command.WaitForOutputAsync("+", _timeout.Token);

        await command.TypeAsync("\u0001x", _timeout.Token);

        Assert.Equal(Success, (await command.WaitForExitAsync(_timeout.Token)).Code);
    }

    [Fact]
    public async Task Run_Interrupted_EndsTheMachineAtOnce()
    {
        using HostCommand command = StartWaiting("600");
        await command.WaitForOutputAsync("+", _timeout.Token);

        await KillAsync(command, "-INT");

        Assert.Equal(Interrupted, (await command.WaitForExitAsync(_timeout.Token)).Code);
    }

    [Fact]
    public async Task Run_TerminatedAndGuestDoesNotListen_EndsTheMachineAfterTheTimeout()
    {
        using HostCommand command = StartWaiting("1");
        await command.WaitForOutputAsync("+", _timeout.Token);

        await KillAsync(command, "-TERM");
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(Terminated, code);
        Assert.Contains("--stop-timeout", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_TerminatedTwice_EndsTheMachineAtOnce()
    {
        using HostCommand command = StartWaiting("600");
        await command.WaitForOutputAsync("+", _timeout.Token);

        await KillAsync(command, "-TERM");
        await Task.Delay(500, _timeout.Token); // two at once are one
        await KillAsync(command, "-TERM");

        Assert.Equal(Terminated, (await command.WaitForExitAsync(_timeout.Token)).Code);
    }

    [Fact]
    public async Task Run_MissingKernel_IsBadInputAndNamesTheFile()
    {
        string missing = _folder.PathOf("missing");

        (int code, string output, string errors) = await RunAsync("run", "--kernel", missing);

        Assert.Equal(BadInput, code);
        Assert.Empty(output);
        Assert.Contains(missing, errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run", "no-such-image")]
    [InlineData("run")]
    [InlineData("run", "debian-tiny", "--memory", "lots")]
    [InlineData("run", "debian-tiny", "--cpus", "many")]
    [InlineData("run", "debian-tiny", "--cpus")]
    [InlineData("run", "debian-tiny", "--kernel", "vmlinuz")]
    [InlineData("run", "debian-tiny", "--initrd", "initrd.img")]
    [InlineData("run", "debian-tiny", "debian")]
    [InlineData("verify", "debian-tiny", "--seed", "x")]
    [InlineData("list", "--output", "yaml")]
    [InlineData("disk", "create", "x.qcow2", "1M", "--refcount-bits", "many")]
    [InlineData("disk", "frobnicate")]
    [InlineData("run", "debian-tiny", "--engine", "steam")]
    [InlineData("run", "debian-tiny", "--no-such-option")]
    [InlineData("no-such-command")]
    public async Task Command_BadArguments_IsBadInputWithAMessage(params string[] arguments)
    {
        (int code, _, string errors) = await RunAsync(arguments);

        Assert.Equal(BadInput, code);
        Assert.Matches(@"\Astrata: .+\n\z", errors); // one line, which . does not leave
        Assert.DoesNotContain("System.", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_OfTheCommand_ListsItsCommands()
    {
        (int code, string output, string errors) = await RunAsync("--help");

        Assert.Equal(Success, code);
        Assert.Contains("run", output, StringComparison.Ordinal);
        Assert.Contains("image", output, StringComparison.Ordinal);
        Assert.Empty(errors);
    }

    [Fact]
    public async Task Help_OfRun_ListsItsOptions()
    {
        (int code, string output, _) = await RunAsync("run", "--help");

        Assert.Equal(Success, code);
        Assert.All(
            ["--kernel", "--initrd", "--append", "--memory", "--cpus", "--disk"], option =>
                Assert.Contains(option, output, StringComparison.Ordinal));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }

    private static void PrintAndWait(Assembler c)
    {
        Label forever = c.CreateLabel();
        c.Print('+');
        c.Label(ref forever);
        c.hlt();
        c.jmp(forever);
    }

    private HostCommand StartWaiting(string stopTimeout) =>
        HostCommand.StartStrata("run", "--kernel", Program(PrintAndWait), "--memory", "16M", "--stop-timeout", stopTimeout);

    private Task<string> KillAsync(HostCommand command, string signal) =>
        HostCommand.RunAsync("kill", [signal, command.Id.ToString(CultureInfo.InvariantCulture)], _timeout.Token);

    private string Program(Action<Assembler> program) => _folder.Write("program", MultibootProgram.Assemble(program));

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        using HostCommand command = HostCommand.StartStrata(arguments);
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);
        return (code, command.Output, errors);
    }
}
