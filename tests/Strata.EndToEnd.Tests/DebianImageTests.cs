using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>The debian image: a whole system that is built without root, starts without a failure and ends properly.</summary>
public sealed class DebianImageTests : IDisposable
{
    private const int Success = 0;
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm0pVmyV2rCwgn1n1hp0vXg0w6y3bq1sYh8hGJw1k2P someone@somewhere";

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(60));
    private readonly DebianImage _image = new();
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact]
    public async Task Start_Default_IsRunningAndSound()
    {
        await using VirtualMachine machine = await StartAsync(GuestSetup.Default);

        Assert.Equal("running", await AskAsync(machine, "systemctl is-system-running --wait", "debian"));
        Assert.Equal(string.Empty, await AskAsync(machine, "systemctl --failed --no-legend --plain --no-pager", "debian"));
        Assert.Equal(string.Empty, await AskAsync(machine, "dpkg --audit", "debian"));
        Assert.Equal("0", await AskAsync(machine, "apt-get -qq check; echo $?", "debian"));
        Assert.Equal(string.Empty, await AskAsync(machine, "find / -xdev -nouser -o -nogroup", "debian"));
        Assert.Equal("0", await AskAsync(machine, "test -d /usr/share/man/man1 -a -d /usr/share/man/man7; echo $?", "debian"));
        Assert.Equal("4755 root:root", await AskAsync(machine, "stat -c '%a %U:%G' /usr/bin/su", "debian"));
        Assert.Equal("debian", await AskAsync(machine, "hostname", "debian"));
        Assert.Equal("0", await AskAsync(machine, "modprobe virtio_net; echo $?", "debian"));
        await PowerOffAsync(machine);
    }

    [ImageFact]
    public async Task Start_WithItsNetworkCard_HasAnAddressByDhcp()
    {
        await using VirtualMachine machine = await StartAsync(GuestSetup.Default);

        string device = await AskAsync(
            machine, "/lib/systemd/systemd-networkd-wait-online --timeout=30; ip -4 route show default", "debian");

        Assert.Matches("^default via 10.0.2.2 dev en[a-z0-9]+ proto dhcp", device);
        await PowerOffAsync(machine);
    }

    [ImageFact]
    public async Task Start_WithASetup_TellsItToTheSystem()
    {
        GuestSetup setup = new() { HostName = "web-1", TimeZone = "Asia/Kathmandu", SshKeys = Key };

        await using VirtualMachine machine = await StartAsync(setup);

        Assert.Equal("web-1", await AskAsync(machine, "hostname", "web-1"));
        Assert.Equal("+0545", await AskAsync(machine, "date +%z", "web-1"));
        Assert.Equal("600 root:root", await AskAsync(machine, "stat -c '%a %U:%G' /root/.ssh/authorized_keys", "web-1"));
        Assert.Equal(Key, await AskAsync(machine, "cat /root/.ssh/authorized_keys", "web-1"));
        await PowerOffAsync(machine);
    }

    [ImageFact]
    public async Task Start_SshWithAKey_LogsInAsRoot()
    {
        await using VirtualMachine machine = await StartAsync(GuestSetup.Default);
        await AskAsync(
            machine, "mkdir -m 700 .ssh; ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519; cp .ssh/id_ed25519.pub .ssh/authorized_keys",
            "debian");

        string answer = await AskAsync(
            machine, "ssh -o StrictHostKeyChecking=no -o LogLevel=ERROR root@127.0.0.1 'whoami; tty' 2>&1", "debian");

        Assert.StartsWith("root", answer, StringComparison.Ordinal);
        await PowerOffAsync(machine);
    }

    [ImageFact]
    public async Task Start_Kept_FindsWhatItWrote()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        string folder = _folder.PathOf("kept");
        await using (VirtualMachine first = await StartAsync(await KeptMachines.CreateSpecAsync(_image, GuestSetup.Default, folder)))
        {
            await AskAsync(first, "echo here > /root/note", "debian");
            await PowerOffAsync(first);
        }

        await using (VirtualMachine again = await StartAsync(await KeptMachines.CreateSpecAsync(_image, GuestSetup.Default, folder)))
        {
            Assert.Equal("here", await AskAsync(again, "cat /root/note", "debian"));
            await PowerOffAsync(again);
        }

        await using VirtualMachine other = await StartAsync(GuestSetup.Default);
        Assert.Equal("1", await AskAsync(other, "cat /root/note 2> /dev/null; echo $?", "debian"));
    }

    [ImageFact]
    public async Task Run_PowerOff_EndsTheCommandWithSuccess()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        using HostCommand command = HostCommand.StartStrata("run", "debian");
        await command.WaitForOutputAsync("root@debian:~# ", _timeout.Token);

        await command.TypeAsync("poweroff\n", _timeout.Token);
        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(Success, code);
        Assert.Empty(errors);
    }

    private async Task<VirtualMachine> StartAsync(GuestSetup setup)
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        return await StartAsync(_image.CreateSpec(setup));
    }

    private async Task<VirtualMachine> StartAsync(MachineSpec spec)
    {
        VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(":~# ", _timeout.Token);
        return machine;
    }

    /// <summary>What a command prints; marks that the typed line itself does not hold stand around it.</summary>
    private async Task<string> AskAsync(VirtualMachine machine, string command, string host)
    {
        await machine.Console.WriteLineAsync($"echo; echo 'BE''GIN'; {command}; echo 'E''ND'", _timeout.Token);
        await machine.Console.WaitForAsync($"root@{host}:~# ", _timeout.Token);
        string output = machine.Console.Output;
        int begin = output.LastIndexOf("\nBEGIN", StringComparison.Ordinal) + "\nBEGIN".Length;
        int end = output.IndexOf("\nEND", begin - 1, StringComparison.Ordinal);
        return output[begin..end].Replace("\r", string.Empty, StringComparison.Ordinal)
            .Replace("\e[?2004l", string.Empty, StringComparison.Ordinal)
            .Trim();
    }

    private async Task PowerOffAsync(VirtualMachine machine)
    {
        await machine.Console.WriteLineAsync("poweroff", _timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);
        Assert.Equal(MachineExitReason.PowerOff, exit.Reason);
    }
}
