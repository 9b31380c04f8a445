using System.Globalization;
using Strata.EndToEnd.Tests.Harness;
using Strata.Virtio.Balloon;

namespace Strata.EndToEnd.Tests;

/// <summary>A Debian guest that gives memory back; the host's kernel says how much is there.</summary>
public sealed class DebianBalloonTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const long Megabyte = 1 << 20;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Balloon_FreedAndWantedMemory_ReturnsToTheHost()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.SpecWithAgent with { Balloon = true }, _timeout.Token);
        await RunAsync(machine, "dd if=/dev/zero of=/tmp/fill bs=1M count=100 2>/dev/null");
        long filled = HostBytes("self", "VmRSS:");

        await RunAsync(machine, "rm /tmp/fill");
        await WaitUntilAsync(() => HostBytes("self", "VmRSS:") < filled - (70 * Megabyte)); // free page reporting
        machine.Balloon.WantedBytes = 64 * Megabyte;
        await WaitUntilAsync(() => machine.Balloon.HeldBytes == 64 * Megabyte);
        GuestMemoryStatistics held = await machine.Balloon.GetStatisticsAsync(_timeout.Token);
        machine.Balloon.WantedBytes = 0;
        await WaitUntilAsync(() => machine.Balloon.HeldBytes == 0);
        GuestMemoryStatistics free = await machine.Balloon.GetStatisticsAsync(_timeout.Token);

        Assert.InRange((long)free.Free!.Value - (long)held.Free!.Value, 50 * Megabyte, 80 * Megabyte);
        await RunAsync(machine, "dd if=/dev/urandom of=/tmp/a bs=1M count=50 2>/dev/null && cp /tmp/a /tmp/b && cmp /tmp/a /tmp/b");
    }

    /// <summary>
    /// The initrd, and what the kernel needs for the start only: without being asked for, and with nothing running in the guest.
    /// </summary>
    [Fact]
    public async Task Run_IdleMachineOfAnImage_ReturnsWhatTheKernelFreedAtBoot()
    {
        using HostCommand run = HostCommand.StartStrata("run", "debian-tiny");
        await run.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);
        string process = run.Id.ToString(CultureInfo.InvariantCulture);

        await WaitUntilAsync(() => HostBytes(process, "VmHWM:") - HostBytes(process, "VmRSS:") > 16 * Megabyte);

        await run.TypeAsync("poweroff -f\n", _timeout.Token);
        Assert.Equal(0, (await run.WaitForExitAsync(_timeout.Token)).Code);
    }

    public void Dispose() => _timeout.Dispose();

    /// <param name="field">Of proc(5), "status".</param>
    private static long HostBytes(string process, string field)
    {
        string line = File.ReadLines($"/proc/{process}/status").Single(line => line.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) << 10;
    }

    private async Task RunAsync(VirtualMachine machine, string line) =>
        Assert.Equal(0, (await machine.Agent.RunAsync(GuestCommand.Shell(line), default, _timeout.Token)).ExitCode);

    private async Task WaitUntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(50, _timeout.Token);
        }
    }
}
