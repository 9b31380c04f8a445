using Strata.EndToEnd.Tests.Harness;
using Strata.Networking.Switching;

namespace Strata.EndToEnd.Tests;

/// <summary>Two Debian guests on a virtual switch.</summary>
public sealed class DebianSwitchTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Switch_TwoMachines_PingEachOtherMoveAFileAndNoticeACutLink()
    {
        using VirtualSwitch lab = new();
        lab.AddUserNetwork(); // gives them addresses
        MachineSpec spec = guest.Spec with { Memory = 128UL << 20, Networks = [NetworkCard.Attached("lab")] };
        await using VirtualMachine first = await VirtualMachine.StartAsync(spec, Attach(NetworkAttachment.PortOf(lab)), _timeout.Token);
        await first.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        SwitchPort active = lab.AddPort();
        NetworkTeam team = new(TeamPolicy.ActiveBackup, active, lab.AddPort());
        await using VirtualMachine second = await VirtualMachine.StartAsync(spec, Attach(NetworkAttachment.Of(team)), _timeout.Token);
        await second.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await first.Console.WriteLineAsync("ping -c 2 10.0.2.16", _timeout.Token);
        await first.Console.WaitForAsync("2 packets received", _timeout.Token);
        await second.Console.WriteLineAsync("ping -c 2 10.0.2.15", _timeout.Token);
        await second.Console.WaitForAsync("2 packets received", _timeout.Token);

        active.IsLinkUp = false; // the team's other port takes over
        await second.Console.WriteLineAsync("ping -c 1 10.0.2.15", _timeout.Token);
        await second.Console.WaitForAsync("1 packets received", _timeout.Token);

        await first.Console.WriteLineAsync(
            $"(nc -l -p 5000 | md5sum) & {DebianGuest.AwaitListener(5000)}; echo liste''ning", _timeout.Token);
        await first.Console.WaitForAsync("listening", _timeout.Token);
        await second.Console.WriteLineAsync("dd if=/dev/zero bs=1M count=20 2>/dev/null | nc 10.0.2.15 5000", _timeout.Token);
        await first.Console.WaitForAsync("8f4e33f3dc3e414ff94e5fb6905cba8c", _timeout.Token); // 20 MiB of zeros

        first.SetNetworkLink(0, up: false);
        await first.Console.WriteLineAsync(
            "sleep 1; echo carrier $(cat /sys/class/net/eth0/carrier); ping -c 1 -W 1 10.0.2.16", _timeout.Token);
        await first.Console.WaitForAsync("carrier 0", _timeout.Token);
        await first.Console.WaitForAsync("0 packets received", _timeout.Token);
        first.SetNetworkLink(0, up: true);
        await first.Console.WriteLineAsync("sleep 1; echo carrier $(cat /sys/class/net/eth0/carrier); ping -c 1 10.0.2.16", _timeout.Token);
        await first.Console.WaitForAsync("carrier 1", _timeout.Token);
        await first.Console.WaitForAsync("1 packets received", _timeout.Token);
    }

    public void Dispose() => _timeout.Dispose();

    private static MachineAttachments Attach(NetworkAttachment lab) => new()
    {
        Networks = new Dictionary<string,
        NetworkAttachment> { ["lab"] = lab },
    };
}
