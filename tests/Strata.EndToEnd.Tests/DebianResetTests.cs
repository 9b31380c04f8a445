using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>A system that restarts itself.</summary>
public sealed class DebianResetTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Theory]
    [InlineData("interpreter", 1)]
    [InlineData("translator", 2)]
    public Task Reboot_DebianWithNetworkAndAgent_ComesUpAgain(string engine, int processors) => RebootAsync(new Engine(engine), processors);

    [FitKvmFact]
    public Task Reboot_DebianOnKvm_ComesUpAgain() => RebootAsync(Engine.Kvm, processors: 2);

    [Fact]
    public async Task Reset_MachineThatIsBusy_ComesUpAgain()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.SpecWithAgent with { Processors = 2 }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync("cat /dev/urandom | gzip > /dev/null", _timeout.Token);

        machine.Reset();

        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        Assert.Equal(1, machine.Resets);
    }

    public void Dispose() => _timeout.Dispose();

    private async Task RebootAsync(Engine engine, int processors)
    {
        List<string> heard = [];
        MachineSpec spec = guest.SpecWithAgent with { Engine = engine, Processors = processors };
        MachineAttachments attachments = new() { GuestReset = heard.Add };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, attachments, _timeout.Token);
        string[] boots = new string[3];
        for (int i = 0; i < boots.Length; i++)
        {
            await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
            GuestResult boot = await machine.Agent.RunAsync(
                new GuestCommand(["cat", "/proc/sys/kernel/random/boot_id"]), cancellationToken: _timeout.Token);
            boots[i] = boot.OutputText;
            await machine.Console.WriteLineAsync(
                i switch { 0 => "reboot", 1 => "/bin/busybox reboot -f", _ => "poweroff" }, _timeout.Token);
        }

        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);

        Assert.Equal((MachineExitReason.PowerOff, 2, 2), (exit.Reason, machine.Resets, heard.Count));
        Assert.Equal(3, boots.Distinct().Count());
    }
}
