using System.Globalization;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text.Json;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>What other commands do with a machine that `strata run` runs. One machine serves them all.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class RunningMachineTests(NamedMachine guest) : IClassFixture<NamedMachine>, IDisposable
{
    private const int BadInput = 2;
    private const int Terminated = 15;
    private const int BrokenPipe = 13;
    private const int Megabytes = 10;

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Fact]
    public async Task List_Json_DescribesTheMachine()
    {
        (int code, string output, _) = await RunAsync("list", "--output", "json");

        JsonElement machine = Assert.Single(JsonDocument.Parse(output).RootElement.EnumerateArray());
        Assert.Equal(0, code);
        Assert.Equal(
            (NamedMachine.Name, "debian-tiny", 1, 256L << 20),
            (
                machine.GetProperty("name").GetString(), machine.GetProperty("image").GetString(),
                machine.GetProperty("processors").GetInt32(), machine.GetProperty("memory").GetInt64()));
        Assert.True(Directory.Exists($"/proc/{machine.GetProperty("processId").GetInt32()}"));
        Assert.InRange(
            Assert.Single(machine.GetProperty("forwards").EnumerateArray()).GetProperty("hostPort").GetInt32(), 1, ushort.MaxValue);
    }

    [Fact]
    public async Task Run_NameThatRuns_IsRefused()
    {
        (int code, _, string errors) = await RunAsync("run", "debian-tiny", "--name", NamedMachine.Name);

        Assert.Equal(BadInput, code);
        Assert.Contains("running already", errors, StringComparison.Ordinal);
    }

    /// <summary>Whatever kind of command it is: one that is compiled ahead of time does not know by its own intrinsics.</summary>
    [Fact]
    public async Task Exec_FlagsOfTheProcessors_AreWhatTheHostOffers()
    {
        string[] offered = ["avx", "avx2", "fma", "f16c", "sha_ni", "vaes"];
        (_, string guests, _) = await RunAsync("exec", NamedMachine.Name, "grep", "-m", "1", "^flags", "/proc/cpuinfo");
        string hosts = File.ReadLines("/proc/cpuinfo").First(line => line.StartsWith("flags", StringComparison.Ordinal));

        Assert.Equal(offered.Intersect(hosts.Split(' ')), offered.Intersect(guests.Trim().Split(' ')));
    }

    [Fact]
    public async Task Exec_Command_PassesStreamsArgumentsAndExitCode()
    {
        using HostCommand command = guest.Start(
            "exec", "-w", "/tmp", "-e", "GREETING=hello", NamedMachine.Name, "sh", "-c", "cat; pwd; echo $GREETING $0 >&2; exit 17", "-t");
        await command.TypeAsync("input\n", _timeout.Token);
        command.EndInput();

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal((17, "input\n/tmp\n", "hello -t\n"), (code, command.Output, errors));
    }

    [Fact]
    public async Task Exec_SeveralAtOnce_AreServedAtOnce()
    {
        // Each waits for the other's file: served one after the other, they would wait for ever.
        string[] lines = [
            "touch /tmp/one; until [ -e /tmp/two ]; do sleep 0.05; done", "touch /tmp/two; until [ -e /tmp/one ]; do sleep 0.05; done"];

        (
            int Code, string Output,
            string Errors)[] results = await Task.WhenAll(lines.Select(line => RunAsync("exec", NamedMachine.Name, "sh", "-c", line)));

        Assert.All(results, result => Assert.Equal((0, string.Empty), (result.Code, result.Errors)));
    }

    [Fact]
    public async Task Exec_TenMegabytesThroughAProgram_AreTheSame()
    {
        byte[] blob = new byte[Megabytes << 20];
        new Random(Megabytes).NextBytes(blob);
        string input = _folder.Write("input", blob);
        string strata = Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll");
        string output = _folder.PathOf("output");

        using HostCommand shell = guest.StartTool("sh", "-c", "dotnet \"$0\" exec guest cat < \"$1\" > \"$2\"", strata, input, output);
        (int code, string errors) = await shell.WaitForExitAsync(_timeout.Token);

        Assert.Equal((0, string.Empty), (code, errors));
        Assert.Equal(SHA256.HashData(blob), SHA256.HashData(await File.ReadAllBytesAsync(output, _timeout.Token)));
    }

    [Fact]
    public async Task Exec_Signal_GoesToTheCommand()
    {
        using HostCommand command = guest.Start(
            "exec", NamedMachine.Name, "sh", "-c", "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
        await command.WaitForOutputAsync("ready", _timeout.Token);

        await HostCommand.RunAsync("kill", ["-TERM", command.Id.ToString(CultureInfo.InvariantCulture)], _timeout.Token);
        (int code, _) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal((3, "ready\ncaught\n"), (code, command.Output));
    }

    [Fact]
    public async Task Exec_CommandKilledInTheGuest_IsTheSignalsCode()
    {
        (int code, _, _) = await RunAsync("exec", NamedMachine.Name, "sh", "-c", "kill -TERM $$");

        Assert.Equal(128 + Terminated, code);
    }

    [Fact]
    public async Task Exec_ProcessOnTheHostKilled_EndsTheCommandAndLeavesTheAgent()
    {
        using HostCommand command = guest.Start("exec", NamedMachine.Name, "sh", "-c", "echo $$; exec sleep 1000");
        await command.WaitForOutputAsync("\n", _timeout.Token);
        string id = command.Output.Trim();

        await HostCommand.RunAsync("kill", ["-KILL", command.Id.ToString(CultureInfo.InvariantCulture)], _timeout.Token);

        string line = $"until [ ! -e /proc/{id} ]; do sleep 0.05; done; echo gone";
        Assert.Equal("gone\n", (await RunAsync("exec", NamedMachine.Name, "sh", "-c", line)).Output);
    }

    [Fact]
    public async Task Exec_ReaderGoesAndCommandIgnoresTheSignal_FindsItsPipeClosed()
    {
        (int code, string output) = await RunIntoHeadAsync("trap '' PIPE; while echo x; do :; done 2>/dev/null; exit 7");

        Assert.Equal((7, "x\n"), (code, output));
    }

    [Fact]
    public async Task Exec_ReaderGoesAndCommandDoesNotIgnoreTheSignal_IsTheSignalsCode()
    {
        (int code, string output) = await RunIntoHeadAsync("exec yes x");

        Assert.Equal((128 + BrokenPipe, "x\n"), (code, output));
    }

    [Fact]
    public async Task Exec_ReaderGoesAndCommandRunsOn_IsEndedInTheGuest()
    {
        (int code, string output) = await RunIntoHeadAsync("trap '' PIPE HUP; while :; do echo $$; sleep 0.05; done 2>/dev/null");

        Assert.Equal(128 + BrokenPipe, code);
        string line = $"until [ ! -e /proc/{output.Trim()} ]; do sleep 0.05; done; echo gone";
        Assert.Equal("gone\n", (await RunAsync("exec", NamedMachine.Name, "sh", "-c", line)).Output);
    }

    [Fact]
    public async Task Copy_TreeThereAndBack_IsTheSame()
    {
        string source = _folder.PathOf("tree");
        Directory.CreateDirectory(Path.Combine(source, "deep", "er"));
        byte[] blob = new byte[1 << 20];
        new Random(1).NextBytes(blob);
        await File.WriteAllBytesAsync(Path.Combine(source, "deep", "blob"), blob, _timeout.Token);
        await File.WriteAllTextAsync(Path.Combine(source, "deep", "er", "script"), "#!/bin/sh\n", _timeout.Token);
        File.SetUnixFileMode(Path.Combine(source, "deep", "er", "script"), (UnixFileMode)0b111_101_000);
        File.CreateSymbolicLink(Path.Combine(source, "link"), "deep/blob");
        Directory.CreateDirectory(_folder.PathOf("back"));

        (int Code, string Output, string Errors) there = await RunAsync("cp", source, NamedMachine.Name + ":/root");
        (int Code, string Output, string Errors) sums = await RunAsync(
            "exec", NamedMachine.Name, "sh", "-c", "cd /root/tree && stat -c %a deep/er/script && readlink link && sha256sum link");
        (int Code, string Output, string Errors) back = await RunAsync("cp", NamedMachine.Name + ":/root/tree", _folder.PathOf("back"));

        Assert.Equal((0, string.Empty), (there.Code, there.Errors));
        Assert.Equal($"750\ndeep/blob\n{Convert.ToHexStringLower(SHA256.HashData(blob))}  link\n", sums.Output);
        Assert.Equal((0, string.Empty), (back.Code, back.Errors));
        string copy = _folder.PathOf("back/tree");
        Assert.Equal(
            SHA256.HashData(blob), SHA256.HashData(await File.ReadAllBytesAsync(Path.Combine(copy, "deep", "blob"), _timeout.Token)));
        Assert.Equal((UnixFileMode)0b111_101_000, File.GetUnixFileMode(Path.Combine(copy, "deep", "er", "script")));
        Assert.Equal("deep/blob", new FileInfo(Path.Combine(copy, "link")).LinkTarget);
    }

    [Fact]
    public async Task Copy_LinksAndDevicesThatMustNotLeave_AreNamedAndLeftOut()
    {
        await RunAsync(
            "exec", NamedMachine.Name, "sh", "-c",
            "mkdir -p /root/evil && cd /root/evil && ln -s /etc/passwd a && ln -s ../../x b && mknod c c 1 3 && echo good > good");

        (int code, _, string errors) = await RunAsync("cp", NamedMachine.Name + ":/root/evil", _folder.Root);

        Assert.Equal(1, code);
        Assert.Equal(3, errors.Split('\n').Count(line => line.StartsWith("strata: left out ", StringComparison.Ordinal)));
        Assert.Equal([_folder.PathOf("evil/good")], Directory.EnumerateFileSystemEntries(_folder.PathOf("evil")));
    }

    [Fact]
    public async Task Copy_FileThatIsNotThere_SaysSo()
    {
        (int code, _, string errors) = await RunAsync("cp", NamedMachine.Name + ":/no/such", _folder.Root);

        Assert.Equal(1, code);
        Assert.Contains("No such file", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Engine_SwitchedWhileAChecksumRuns_ChangesNothingInIt()
    {
        const string sum = "for i in 1 2 3 4 5 6 7 8; do head -c 300000 /bin/busybox | sha256sum; done | sort | uniq -c";
        Task<(int Code, string Output, string Errors)> checksum = RunAsync("exec", NamedMachine.Name, "sh", "-c", sum);
        List<string> moves = [];

        while (!checksum.IsCompleted)
        {
            foreach (string engine in (string[])["interpreter", "translator"])
            {
                (int code, string output, string errors) = await RunAsync("engine", NamedMachine.Name, engine);
                Assert.Equal((0, string.Empty), (code, errors));
                moves.Add(output);
            }
        }

        Assert.Matches("^ +8 [0-9a-f]{64}  -\n$", (await checksum).Output);
        Assert.All(moves, move => Assert.Matches("^(interpreter to translator|translator to interpreter), paused for [0-9.]+ ms\n$", move));
        (_, string explanation, _) = await RunAsync("explain", NamedMachine.Name);
        Assert.Contains("started on: translator. Asked for.", explanation, StringComparison.Ordinal);
        Assert.Contains("moved:", explanation, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_Json_ShowsNegotiatedQueuesAndInterrupts()
    {
        (int code, string output, _) = await RunAsync("inspect", NamedMachine.Name, "--output", "json");

        JsonElement devices = JsonDocument.Parse(output).RootElement.GetProperty("board").GetProperty("devices");
        JsonElement sockets = devices.EnumerateArray().Single(
            device => device.TryGetProperty("virtio", out JsonElement virtio) && virtio.GetProperty("typeName").GetString() == "vsock");
        JsonElement transmit = sockets.GetProperty("virtio").GetProperty("queues")[1];
        Assert.Equal(0, code);
        Assert.Contains(
            "VERSION_1", sockets.GetProperty("virtio").GetProperty("negotiated").EnumerateArray().Select(name => name.GetString()));
        Assert.True(transmit.GetProperty("isEnabled").GetBoolean());
        Assert.Equal(transmit.GetProperty("availableIndex").GetInt32(), transmit.GetProperty("usedIndex").GetInt32());
        Assert.Contains(
            sockets.GetProperty("pci").GetProperty("msix").GetProperty("vectors").EnumerateArray(),
            vector => vector.GetProperty("sent").GetInt64() > 0);
    }

    [Fact]
    public async Task Stop_DebianTiny_PowersOff()
    {
        using HostCommand second = guest.Start("run", "debian-tiny", "--memory", "256M", "--name", "short");
        await second.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);

        (int code, _, string errors) = await RunAsync("stop", "short");

        Assert.Equal((0, string.Empty), (code, errors));
        Assert.Equal(0, (await second.WaitForExitAsync(_timeout.Token)).Code);
        (code, _, errors) = await RunAsync("exec", "short", "true");
        Assert.Equal(BadInput, code);
        Assert.Contains("strata list", errors, StringComparison.Ordinal);
    }

    /// <summary>Whoever stops a machine goes on with its disk, or starts the next one under its name.</summary>
    [Theory]
    [InlineData("stop")]
    [InlineData("stop", "--force")]
    [InlineData("suspend")]
    public async Task End_OfAMachineWithADisk_LeavesDiskAndName(params string[] command)
    {
        string disk = _folder.Write("left.raw", new byte[1 << 20]);
        using HostCommand first = guest.Start("run", "debian-tiny", "--memory", "256M", "--name", "left", "--disk", disk + ",format=raw");
        await first.WaitForOutputAsync(DebianGuest.Prompt, _timeout.Token);
        await RunAsync("exec", "left", "sh", "-c", "head -c 1048576 /dev/zero | tr '\\0' x > /dev/vda");

        (int code, _, string errors) = await RunAsync([.. command, "left"]);
        using (FileStream file = new(disk, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            Assert.Equal('x', file.ReadByte());
        }

        (_, string list, _) = await RunAsync("list");
        Assert.Equal((0, string.Empty), (code, errors));
        Assert.DoesNotContain("left", list, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    /// <summary>A line for the guest's shell, of whose output the first line is read.</summary>
    private async Task<(int Code, string Output)> RunIntoHeadAsync(string line)
    {
        string strata = Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll");
        string code = _folder.PathOf("code");
        using HostCommand shell = guest.StartTool(
            "sh", "-c", "{ dotnet \"$0\" exec guest sh -c \"$1\"; echo $? > \"$2\"; } | head -n 1", strata, line, code);
        shell.EndInput();
        await shell.WaitForExitAsync(_timeout.Token);
        return (int.Parse(await File.ReadAllTextAsync(code, _timeout.Token), CultureInfo.InvariantCulture), shell.Output);
    }

    private Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments) => guest.RunAsync(_timeout.Token, arguments);
}
