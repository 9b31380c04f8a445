using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests;

/// <summary>Output that nobody reads any more, and output that a full disk does not take: /dev/full stands for it.</summary>
public sealed class CommandOutputTests : IClassFixture<DebianGuest>, IDisposable
{
    private const int Failure = 1;
    private const int BrokenPipe = 141;
    private const int DebugExit = (0x10 << 1) | 1;
    private const string NoSpace = "Standard output cannot be written: No space left on device.";

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Run_ConsoleOnAFullDisk_RunsToItsEndAndSaysSo()
    {
        (int code, _, string errors) = await ShellAsync($"$strata run --kernel {PrintingKernel()} -m 16M > /dev/full");

        Assert.Equal(DebugExit, code);
        Assert.Contains(NoSpace, errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_SerialFileOnAFullDisk_RunsToItsEndAndSaysSo()
    {
        (int code, _, string errors) = await ShellAsync($"$strata run --kernel {PrintingKernel()} -m 16M --serial file:/dev/full");

        Assert.Equal(DebugExit, code);
        Assert.Contains("incomplete", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_CommandWhoseReaderHasGone_EndsAsInAPipe()
    {
        (
            int code, string output,
            string errors) = await ShellAsync("set -o pipefail; $strata run debian-tiny -m 256M --exec yes | head -n 1");

        Assert.Equal((BrokenPipe, "y\n", ""), (code, output, errors));
    }

    [Fact]
    public async Task Run_CommandsOutputOnAFullDisk_IsAFailure()
    {
        (int code, _, string errors) = await ShellAsync("$strata run debian-tiny -m 256M --exec 'echo lost' > /dev/full");

        Assert.Equal(Failure, code);
        Assert.Contains(NoSpace, errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("list")]
    [InlineData("list --output json")]
    [InlineData("run --help")]
    public async Task Command_TextOnAFullDisk_IsAFailureInASentence(string arguments)
    {
        (int code, _, string errors) = await ShellAsync($"$strata {arguments} > /dev/full");

        Assert.Equal((Failure, $"strata: {NoSpace}\n"), (code, errors));
    }

    [Fact]
    public async Task Command_ErrorsOnAFullDisk_KeepsItsExitCode()
    {
        (int code, string output, _) = await ShellAsync("$strata run nonsense 2> /dev/full");

        Assert.Equal((2, ""), (code, output));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }

    /// <summary>Prints more than buffers hold, then leaves by the debug-exit port.</summary>
    private string PrintingKernel() => _folder.Write("program", MultibootProgram.Assemble(c =>
    {
        Label again = c.CreateLabel();
        c.mov(ecx, 10_000);
        c.Label(ref again);
        c.Print('x');
        c.dec(ecx);
        c.jne(again);
        c.OutByte(0xF4, 0x10);
        c.hlt();
    }));

    private async Task<(int Code, string Output, string Errors)> ShellAsync(string script)
    {
        string strata = $"dotnet {Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll")}";
        using HostCommand command = HostCommand.Start("bash", "-c", $"strata='{strata}'; {script}");
        command.EndInput();
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);
        return (code, command.Output, errors);
    }
}
