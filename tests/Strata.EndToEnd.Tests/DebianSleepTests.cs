using System.Diagnostics;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;
using Strata.Networking.Nat;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>A guest that suspends itself (suspend-to-idle): it is seen, waked, shut down, and nobody waits for it in vain.</summary>
public sealed class DebianSleepTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("translator", 1)]
    [InlineData("translator", 2)]
    [InlineData("interpreter", 1)]
    public async Task Wake_SleepingGuest_GoesOnWhereItWas(string engine, int processors)
    {
        await using VirtualMachine machine = await StartAsync(new Engine(engine), processors);
        Assert.False(machine.IsAsleep);
        await SleepAsync(machine);

        await machine.WakeAsync(_timeout.Token);
        await machine.Console.WaitForAsync("woken", _timeout.Token);
        GuestResult result = await machine.Agent.RunAsync(GuestCommand.Shell("cat /tmp/before"), default, _timeout.Token);

        Assert.Equal("here\n", result.OutputText);
        Assert.False(machine.IsAsleep);
    }

    [Fact]
    public async Task Agent_OfASleepingGuest_IsRefusedWithTheRemedy()
    {
        await using VirtualMachine machine = await StartAsync(Engine.Translator, processors: 1);
        await SleepAsync(machine);

        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => machine.Agent.RunAsync(GuestCommand.Shell("true"), default, _timeout.Token));

        Assert.Contains("strata wake", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RequestShutDown_SleepingGuest_WakesItAndItPowersOff()
    {
        await using VirtualMachine machine = await new DebianTiny().StartAsync(
            spec => spec with { Engine = Engine.Translator }, cancellationToken: _timeout.Token);
        await SleepAsync(machine);

        await machine.RequestShutDownAsync(_timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);

        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
    }

    [Fact]
    public async Task IsAsleep_AlarmGoesOff_EndsByItself()
    {
        await using VirtualMachine machine = await StartAsync(Engine.Translator, processors: 1);

        await SleepAsync(machine, "echo +4 > /sys/class/rtc/rtc0/wakealarm; ");
        await machine.Console.WaitForAsync("woken", _timeout.Token);

        Assert.False(machine.IsAsleep);
    }

    [Fact]
    public async Task Wake_GuestThatIsAwake_IsLeftAlone()
    {
        await using VirtualMachine machine = await StartAsync(Engine.Translator, processors: 1);

        await machine.WakeAsync(_timeout.Token);

        GuestResult result = await machine.Agent.RunAsync(
            GuestCommand.Shell("cat /sys/firmware/acpi/interrupts/ff_pwr_btn"), default, _timeout.Token);
        Assert.StartsWith("0", result.OutputText.Trim(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restore_SnapshotOfASleepingGuest_IsAsleepAndWakes()
    {
        SnapshotStore store = new(_folder.PathOf("snapshots"));
        await using (VirtualMachine machine = await StartAsync(Engine.Translator, processors: 1))
        {
            await SleepAsync(machine);
            await machine.SuspendAsync(new SnapshotRequest { Name = "asleep" }, store, _timeout.Token);
        }

        await using VirtualMachine restored = await VirtualMachine.RestoreAsync(
            store, "asleep", new RestoreOptions(), cancellationToken: _timeout.Token);
        await UntilAsync(() => restored.IsAsleep);
        await restored.WakeAsync(_timeout.Token);

        GuestResult result = await restored.Agent.RunAsync(GuestCommand.Shell("cat /tmp/before"), default, _timeout.Token);
        Assert.Equal("here\n", result.OutputText);
    }

    private async Task<VirtualMachine> StartAsync(Engine engine, int processors)
    {
        MachineSpec spec = guest.SpecWithAgent with
        {
            Engine = engine,
            Processors = processors,
            Networks = [NetworkCard.User(new UserNetworkOptions())],
            Balloon = true,
        };
        VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Agent.RunAsync(GuestCommand.Shell("echo here > /tmp/before"), default, _timeout.Token);
        return machine;
    }

    private async Task SleepAsync(VirtualMachine machine, string before = "")
    {
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync($"{before}echo freeze > /sys/power/state; echo wo''ken", _timeout.Token);
        await UntilAsync(() => machine.IsAsleep);
    }

    private async Task UntilAsync(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(2), "Waited in vain for the guest's sleep.");
            await Task.Delay(50, _timeout.Token);
        }
    }
}
