using System.Globalization;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>What a guest takes the time from, and its serial port when much comes at once.</summary>
public sealed class DebianClockTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    /// <summary>Seconds that the guest's clock is ahead of the PTP clock.</summary>
    private const string Ahead = """
        sub now { my $t = pack('q2', 0, 0); syscall(228, $_[0], $t); my ($s, $n) = unpack('q2', $t); $s + $n / 1e9 }
        open my $ptp, '<', '/dev/ptp0' or die; my $id = 3 - 8 * (fileno($ptp) + 1);
        now(0), now($id) for 1 .. 10;
        my ($before, $host, $after) = (now(0), now($id), now(0));
        printf '%.6f', ($before + $after) / 2 - $host;
        """;

    /// <summary>
    /// Seconds between the registers' second and the update interrupt's, as fractions, and between the registers' and the guest's clock.
    /// </summary>
    private const string Phases = """
        sub now { my $t = pack('q2', 0, 0); syscall(228, 0, $t); my ($s, $n) = unpack('q2', $t); $s + $n / 1e9 }
        sub apart { my $d = $_[0] - int($_[0]); $d > 0.5 ? $d - 1 : $d }
        open my $rtc, '<', '/dev/rtc0' or die;
        my $time = "\0" x 36;
        sub second { ioctl($rtc, 0x80247009, $time); unpack('i', $time) }
        my $first = second();
        1 while second() == $first;
        my $changed = now();
        ioctl($rtc, 0x7003, 0) or die;
        sysread($rtc, my $event, 8);
        printf '%.4f %.4f', abs(apart(now() - $changed)), abs(apart($changed));
        """;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task Clock_FirstCommand_IsTheHostsWithinTenMilliseconds()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.SpecWithAgent, _timeout.Token);

        Assert.InRange(await PerlAsync(machine, Ahead), -0.01, 0.01);
    }

    [Fact]
    public async Task Clock_SetWrongAsAfterAStop_IsRightForTheNextCommand()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.SpecWithAgent, _timeout.Token);

        GuestResult result = await machine.Agent.RunAsync(GuestCommand.Shell("date -s '2020-01-01 00:00:00'"), default, _timeout.Token);

        Assert.Equal(0, result.ExitCode);
        Assert.InRange(await PerlAsync(machine, Ahead), -0.01, 0.01);
    }

    [Fact]
    public async Task Rtc_RegistersAndUpdateInterrupt_ShareTheHostsSecond()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.SpecWithAgent, _timeout.Token);

        GuestResult result = await machine.Agent.RunAsync(new GuestCommand(["perl", "-e", Phases]), default, _timeout.Token);

        double[] apart = [.. result.OutputText.Split(' ').Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        Assert.All(apart, seconds => Assert.InRange(seconds, 0, 0.1));
    }

    [Fact]
    public async Task Rtc_AlarmOfASleepingGuest_WakesIt()
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.Spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);

        await machine.Console.WriteLineAsync(
            "echo +2 > /sys/class/rtc/rtc0/wakealarm; echo freeze > /sys/power/state && echo alarms-$(awk '{ print $1 }' " +
            "/sys/firmware/acpi/interrupts/ff_rt_clk)-",
            _timeout.Token);

        await machine.Console.WaitForAsync("alarms-1-", _timeout.Token);
    }

    /// <summary>More than Linux's driver takes in one interrupt: 512 times 256 bytes.</summary>
    [Fact]
    public async Task SerialPort_MoreThanADriverTakesAtOnce_TakesAllOfItAndLivesOn()
    {
        const int lines = 4_000;
        string line = new('x', 69);
        await using VirtualMachine machine = await VirtualMachine.StartAsync(guest.Spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync("stty -echo; echo ready; cat | wc -c", _timeout.Token);
        await machine.Console.WaitForAsync("ready\r\n", _timeout.Token);

        await machine.Console.WriteAsync(string.Concat(Enumerable.Repeat(line + "\n", lines)) + "\u0004", _timeout.Token);

        await machine.Console.WaitForAsync((lines * 70).ToString(CultureInfo.InvariantCulture), _timeout.Token);
        await machine.Console.WriteLineAsync("echo alive-$((6 * 7))", _timeout.Token);
        await machine.Console.WaitForAsync("alive-42", _timeout.Token);
    }

    public void Dispose() => _timeout.Dispose();

    private async Task<double> PerlAsync(VirtualMachine machine, string program)
    {
        GuestResult result = await machine.Agent.RunAsync(new GuestCommand(["perl", "-e", program]), default, _timeout.Token);
        return double.Parse(result.OutputText, CultureInfo.InvariantCulture);
    }
}
