using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>`strata run --exec`: what a CI job sees of it.</summary>
public sealed class CommandExecTests : IClassFixture<DebianGuest>, IDisposable
{
    private const int GuestPanic = 104;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Exec_Command_PassesStreamsAndExitCode()
    {
        using HostCommand command = HostCommand.StartStrata(
            "run", "debian-tiny", "--memory", "256M", "--exec", "rev; echo to the errors >&2; exit 17");
        await command.TypeAsync("abc\n", _timeout.Token);
        command.EndInput();

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal((17, "cba\n", "to the errors\n"), (code, command.Output, errors));
    }

    [Fact]
    public async Task Exec_GuestPanics_IsThePanicCode()
    {
        using HostCommand command = HostCommand.StartStrata(
            "run", "debian-tiny", "--memory", "256M", "--exec", "echo c > /proc/sysrq-trigger; sleep 100");

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(GuestPanic, code);
        Assert.Contains("sysrq", errors, StringComparison.Ordinal);
    }

    public void Dispose() => _timeout.Dispose();
}
