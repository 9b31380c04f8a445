using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>Debian's kernel and a shell, driven through the library.</summary>
public sealed class DebianTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task Shell_TypedCommand_PrintsItsResultAndPowerOffEndsTheRun(string engine)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            guest.Spec with { Engine = new Engine(engine) }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync("echo answer-$((6 * 7)) on $(uname -m)", _timeout.Token);
        await machine.Console.WaitForAsync("answer-42 on x86_64", _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync("poweroff", _timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);

        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
        Assert.Equal(0, exit.Code);
        Assert.NotEqual(0, machine.InstructionsExecuted);
    }

    public void Dispose() => _timeout.Dispose();
}
