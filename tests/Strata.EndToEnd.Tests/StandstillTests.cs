using System.Globalization;
using System.Runtime.Versioning;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>A machine whose process the host stops for a while.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class StandstillTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    /// <summary>
    /// Seconds after which the guest reports a stall, of half of which it makes a lockup: more than a busy host takes from it.
    /// </summary>
    private const int StallTimeout = 10;

    /// <summary>Two busy programs: idle processors are never taken for stuck ones.</summary>
    private const string KeepBusy = "for i in 1 2; do (while :; do :; done) & done";

    private const string Report = "(dmesg | grep -i -A9 -e lockup -e stall; echo reports: $(dmesg | grep -ic -e lockup -e stall))";

    private static readonly TimeSpan Stop = TimeSpan.FromSeconds(StallTimeout + 4);

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    public void Dispose() => _timeout.Dispose();

    [Theory]
    [InlineData("translator")]
    [InlineData("interpreter")]
    public async Task Run_ProcessStoppedAndContinued_GuestReportsNoLockup(string engine)
    {
        using HostCommand machine = HostCommand.StartStrata(
            "run", "--kernel", guest.Kernel, "--initrd", guest.Spec.Initrd!, "--append", guest.Spec.CommandLine!, "--memory", "256M",
            "--cpus", "2", "--engine", engine);
        await machine.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.TypeAsync(
            $"{KeepBusy}; cd /proc/sys/kernel; echo {StallTimeout / 2} > watchdog_thresh; cd /sys/module/rcupdate/parameters; echo " +
            $"{StallTimeout} > rcu_cpu_stall_timeout; echo watching $?\n",
            _timeout.Token);
        await machine.WaitForOutputAsync("watching 0", _timeout.Token);

        await SignalAsync(machine, "STOP");
        await Task.Delay(Stop, _timeout.Token);
        await SignalAsync(machine, "CONT");

        // Each processor's watchdogs have their turns meanwhile.
        await machine.TypeAsync($"sleep {StallTimeout / 2}; {Report}; echo looked\n", _timeout.Token);
        await machine.WaitForOutputAsync("\nlooked", _timeout.Token);
        Assert.True(machine.Output.Contains("\nreports: 0\r", StringComparison.Ordinal), machine.Output);
    }

    private Task<string> SignalAsync(HostCommand machine, string signal) =>
        HostCommand.RunAsync("kill", [$"-{signal}", machine.Id.ToString(CultureInfo.InvariantCulture)], _timeout.Token);
}
