using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>What users do with the debian image: run commands, install packages, share folders, log in.</summary>
public sealed class DebianImageServicesTests : IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(60));
    private readonly DebianImage _image = new();
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [ImageFact]
    public async Task Exec_Command_PassesStreamsAndExitCode()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        using HostCommand command = HostCommand.StartStrata(
            "run", "debian", "--exec", "rev; systemctl is-active strata-agent >&2; exit 17");
        await command.TypeAsync("abc\n", _timeout.Token);
        command.EndInput();

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal((17, "cba\n", "active\n"), (code, command.Output, errors));
    }

    [ImageFact]
    public async Task Run_CommandsPipedBeforeTheGuestListens_AreExecuted()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        using HostCommand command = HostCommand.StartStrata("run", "debian");

        await command.TypeAsync("echo answer-$((6 * 7))\npoweroff\n", _timeout.Token);
        command.EndInput();
        (int code, _) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(0, code);
        Assert.Contains("answer-42", command.Output, StringComparison.Ordinal);
    }

    [ImageFact]
    public async Task CloudInit_Files_AreOnTheDiscThatLinuxMounts()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        string user = _folder.Write("user", "#cloud-config\nhostname: zeta\n"u8);
        string meta = _folder.Write("meta", "instance-id: one\n"u8);
        using HostCommand command = HostCommand.StartStrata(
            "run", "debian", "--cloud-init", $"{user},{meta}", "--exec",
            "blkid -o value -s LABEL /dev/vdb && mount -o ro /dev/vdb /mnt && cd /mnt && ls && cat user-data meta-data && cd / && "
            + "umount /mnt && mount -o ro,norock /dev/vdb /mnt && ls /mnt");

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        const string files = "meta-data\nuser-data\nvendor-data\n";
        Assert.True(code == 0, errors);
        Assert.Equal($"cidata\n{files}#cloud-config\nhostname: zeta\ninstance-id: one\n{files}", command.Output);
    }

    [ImageFact]
    public async Task Run_TerminatedWhileItBoots_ShutsDown()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        using HostCommand command = HostCommand.StartStrata("run", "debian", "--keep", _folder.PathOf("kept"), "--stop-timeout", "240");
        await command.WaitForOutputAsync("Debian", _timeout.Token);

        await HostCommand.RunAsync("kill", ["-TERM", command.Id.ToString(CultureInfo.InvariantCulture)], _timeout.Token);

        Assert.Equal((0, string.Empty), await command.WaitForExitAsync(_timeout.Token));
        Assert.Contains("Power down", command.Output, StringComparison.Ordinal);
    }

    [ImageFact]
    public async Task Exec_WithSharedFolders_FindsThemMounted()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        _folder.Write("question", "from the host\n"u8);
        using HostCommand command = HostCommand.StartStrata(
            "run", "debian", "--share", $"{_folder.Root}:data", "--exec", "cat /mnt/data/question; echo from the guest > /mnt/data/answer");

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal((0, "from the host\n", string.Empty), (code, command.Output, errors));
        Assert.Equal("from the guest\n", await File.ReadAllTextAsync(_folder.PathOf("answer")));
    }

    [ImageFact]
    public async Task Exec_KeptMachine_HasItsChangesOnTheDiskAfterwards()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        string kept = _folder.PathOf("kept");
        using HostCommand first = HostCommand.StartStrata("run", "debian", "--keep", kept, "--exec", "echo here > /root/note");
        Assert.Equal((0, string.Empty), await first.WaitForExitAsync(_timeout.Token));

        using HostCommand again = HostCommand.StartStrata("run", "debian", "--keep", kept, "--exec", "cat /root/note");
        (int code, string errors) = await again.WaitForExitAsync(_timeout.Token);

        Assert.Equal((0, "here\n", string.Empty), (code, again.Output, errors));
    }

    [ImageFact]
    public async Task Apt_InstallsAPackage_WhichRuns()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        HostAptSources sources = await HostAptSources.ReadAsync(_timeout.Token);
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            _image.CreateSpec(GuestSetup.Default) with { Sockets = true }, _timeout.Token);
        GuestResult before = await RunAsync(machine, "cat /etc/apt/sources.list");
        await machine.Agent.PutAsync(Text(sources.SourcesList), "/etc/apt/sources.list", cancellationToken: _timeout.Token);
        await machine.Agent.PutAsync(Text(sources.Configuration), "/etc/apt/apt.conf.d/99host", cancellationToken: _timeout.Token);

        GuestResult install = await RunAsync(machine, "apt-get update && apt-get install --yes hello");
        GuestResult hello = await RunAsync(machine, "hello");

        Assert.Contains("deb http://deb.debian.org/debian ", before.OutputText, StringComparison.Ordinal);
        Assert.True(install.ExitCode == 0, install.OutputText + install.ErrorText);
        Assert.Equal((0, "Hello, world!\n"), (hello.ExitCode, hello.OutputText));
    }

    [ImageFact("ssh", "ssh-keygen")]
    public async Task Ssh_FromTheHostThroughAForwardedPort_LogsInWithTheKey()
    {
        await _image.EnsureAsync(cancellationToken: _timeout.Token);
        string key = _folder.PathOf("key");
        await HostCommand.RunAsync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key], _timeout.Token);
        string port = FreePort().ToString(CultureInfo.InvariantCulture);
        byte[] blob = new byte[3 << 20];
        new Random(7).NextBytes(blob);
        string file = _folder.Write("blob", blob);
        using HostCommand machine = HostCommand.StartStrata(
            "run", "debian", "--ssh-key", key + ".pub", "--forward", $"{port}:22", "--hostname", "web-1");
        await machine.WaitForOutputAsync("root@web-1:~# ", _timeout.Token);
        await machine.TypeAsync(
            $"/lib/systemd/systemd-networkd-wait-online; {DebianGuest.AwaitListener(22)}; echo on''line\n", _timeout.Token);
        await machine.WaitForOutputAsync("online\r\n", _timeout.Token);
        string[] options = [
            "-i", key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
            "LogLevel=ERROR"];

        await HostCommand.RunAsync("scp", ["-P", port, .. options, file, "root@127.0.0.1:/root/blob"], _timeout.Token);
        using HostCommand login = HostCommand.Start(
            "ssh", ["-p", port, .. options, "root@127.0.0.1", "hostname; sha256sum < blob; ls /etc/ssh/ssh_host_*.pub | wc -l; exit 5"]);
        (int code, string errors) = await login.WaitForExitAsync(_timeout.Token);

        Assert.Equal((5, $"web-1\n{Convert.ToHexStringLower(SHA256.HashData(blob))}  -\n1\n", string.Empty), (code, login.Output, errors));
    }

    private static MemoryStream Text(string text) => new(Encoding.UTF8.GetBytes(text));

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private Task<GuestResult> RunAsync(VirtualMachine machine, string line) =>
        machine.Agent.RunAsync(GuestCommand.Shell(line), default, _timeout.Token);
}
