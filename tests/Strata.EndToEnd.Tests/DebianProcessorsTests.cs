using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>A Debian guest with more than one processor.</summary>
public sealed class DebianProcessorsTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Shell_TwoProcessors_BothAreOnlineAndRunPrograms()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.Spec with { Processors = 2 }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync("where() { taskset $1 cut -d' ' -f39 /proc/self/stat; }", _timeout.Token);
        await machine.Console.WriteLineAsync("echo cpus=$(nproc) on=$(where 1)$(where 2)", _timeout.Token);
        await machine.Console.WaitForAsync("cpus=2 on=01", _timeout.Token);
        await machine.Console.WriteLineAsync("poweroff", _timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);

        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
    }

    public void Dispose() => _timeout.Dispose();
}
