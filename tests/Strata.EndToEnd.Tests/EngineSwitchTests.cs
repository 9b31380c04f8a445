using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Strata.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace Strata.EndToEnd.Tests;

/// <summary>Running machines that are moved between engines.</summary>
public sealed partial class EngineSwitchTests(DebianGuest guest, ITestOutputHelper output) : IClassFixture<DebianGuest>, IDisposable
{
    private const int Switches = 100;
    private const int Seed = 20_26;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [KvmFact]
    public Task SwitchEngineAsync_ChecksumGuestOnAllEngines_ComputesAndLosesNoInterrupt() =>
        SwitchChecksumGuestAsync([Engine.Interpreter, Engine.Translator, Engine.Kvm]);

    [Fact]
    public Task SwitchEngineAsync_ChecksumGuestOnSoftwareEngines_ComputesAndLosesNoInterrupt() =>
        SwitchChecksumGuestAsync([Engine.Interpreter, Engine.Translator]);

    [Fact]
    public Task SwitchEngineAsync_DebianOnSoftwareEngines_PrintsTheSameChecksums() =>
        SwitchDebianAsync([Engine.Interpreter, Engine.Translator]);

    [FitKvmFact]
    public Task SwitchEngineAsync_DebianOnAllEngines_PrintsTheSameChecksums() =>
        SwitchDebianAsync([Engine.Interpreter, Engine.Translator, Engine.Kvm]);

    public void Dispose() => _timeout.Dispose();

    /// <summary>Two processors compute, write and read a disk, fetch from a server and look at the clock, all at once.</summary>
    private async Task SwitchDebianAsync(Engine[] engines)
    {
        const int rounds = 12;
        byte[] content = new byte[400_000];
        new Random(Seed).NextBytes(content);
        string digest = Convert.ToHexStringLower(SHA256.HashData(content));
        using TemporaryFolder folder = new();
        string disk = folder.PathOf("disk.raw");
        await File.WriteAllBytesAsync(disk, new byte[rounds << 20], _timeout.Token);
        using FileServer server = new(content, rounds, _timeout.Token);
        MachineSpec spec = guest.Spec with
        {
            Engine = Engine.Translator,
            Processors = 2,
            Memory = 512UL << 20,
            PortableCpu = true,
            Disks = [disk],
        };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        string[] jobs =
        [
            "for j in $(seq 60); do head -c 20000 /bin/busybox | sha256sum; done | sort | uniq -c > /tmp/computed",
            $"for j in $(seq {rounds}); do wget -q -O - {server.Address} | tee /tmp/part | sha256sum; dd if=/tmp/part of=/dev/vda bs=64k " +
            $"seek=$((j * 16 - 16)) conv=fsync 2> /dev/null; "
                + "echo 3 > /proc/sys/vm/drop_caches; "
                + $"dd if=/dev/vda bs=64k skip=$((j * 16 - 16)) count=16 2> /dev/null | head -c {content.Length} | sha256sum; "
                + "done | sort | uniq -c > /tmp/copied",
            "a=0; while [ ! -e /tmp/end ]; do read b c < /proc/uptime; b=${b%.*}${b#*.}; [ $b -ge $a ] || echo back $a $b; a=$b; done > " +
            "/tmp/clock",
        ];
        Stopwatch outer = Stopwatch.StartNew();
        await machine.Console.WriteLineAsync($"cat /proc/uptime; echo st''arted", _timeout.Token);
        await machine.Console.WaitForAsync("started", _timeout.Token);
        Stopwatch inner = Stopwatch.StartNew();
        foreach (string job in jobs)
        {
            await machine.Console.WriteLineAsync($"({job}) &", _timeout.Token);
        }

        await machine.Console.WriteLineAsync(
            "wait %1 %2; touch /tmp/end; wait; cat /tmp/computed /tmp/copied /tmp/clock; echo loop-is-$((1 + 1))-done", _timeout.Token);
        List<double> pauses = [];
        Random random = new(Seed);
        for (int i = 0; i < Switches; i++)
        {
            await Task.Delay(random.Next(0, 10), _timeout.Token);
            pauses.Add((await machine.SwitchEngineAsync(engines[i % engines.Length], _timeout.Token)).TotalMilliseconds);
        }

        await machine.Console.WaitForAsync("loop-is-2-done", _timeout.Token);
        inner.Stop();
        await machine.Console.WriteLineAsync("cat /proc/uptime; echo loo''ked", _timeout.Token);
        await machine.Console.WaitForAsync("looked", _timeout.Token);
        outer.Stop();
        await server.Serving.WaitAsync(_timeout.Token);
        Report(pauses);

        string output = machine.Console.Output;
        Assert.Matches("\n +60 [0-9a-f]{64}  -", output);
        Assert.Matches($"\n +{2 * rounds} {digest}  -", output);
        Assert.DoesNotMatch(@"\nback \d", output);
        Assert.DoesNotContain("BUG", output, StringComparison.Ordinal);
        double[] uptimes = [.. Uptime().Matches(output).Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];
        Assert.InRange(uptimes[^1] - uptimes[0], inner.Elapsed.TotalSeconds - Switches / 1000.0 - 0.02, outer.Elapsed.TotalSeconds + 0.02);
        await machine.DisposeAsync(); // gives the disk back
        byte[] written = await File.ReadAllBytesAsync(disk, _timeout.Token);
        for (int round = 0; round < rounds; round++)
        {
            Assert.True(content.AsSpan().SequenceEqual(written.AsSpan(round << 20, content.Length)), $"round {round} on the disk");
        }
    }

    [GeneratedRegex(@"^(\d+\.\d\d) \d+\.\d\d\r?$", RegexOptions.Multiline)]
    private static partial Regex Uptime();

    private async Task SwitchChecksumGuestAsync(Engine[] engines)
    {
        using TemporaryFolder folder = new();
        string image = folder.Write("checksum", ChecksumGuest.Assemble());
        MachineSpec spec = new()
        {
            Kernel = image,
            Engine = Engine.Interpreter,
            PortableCpu = engines.Contains(Engine.Kvm),
            AcceptsDefectiveKvm = true, // the guest makes no system calls
            Memory = 512UL << 20,
        };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        List<double> pauses = [];
        Random random = new(Seed);

        for (int i = 0; i < Switches; i++)
        {
            await Task.Delay(random.Next(0, 8), _timeout.Token);
            Engine next = engines.Where(engine => engine != machine.Engine).ElementAt(random.Next(engines.Length - 1));
            pauses.Add((await machine.SwitchEngineAsync(next, _timeout.Token)).TotalMilliseconds);
            Assert.Equal(next, machine.Engine);
        }

        await machine.SwitchEngineAsync(Engine.Translator, _timeout.Token);
        await machine.Console.WriteAsync(new byte[] { (byte)'.' }, _timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);
        Report(pauses);

        Assert.Equal((MachineExitReason.DebugExit, 1), (exit.Reason, exit.Code)); // twice the value written, and one
        uint[] words = [.. machine.Console.Output.TrimEnd('.').Split(' ').Select(
            word => uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        Assert.Equal(ChecksumGuest.After(words[0]), words[1]);
        Assert.InRange(words[2], (uint)Switches, uint.MaxValue);
    }

    /// <summary>The bound is loose as tests share the processors with others; the median on a quiet host is in the documentation.</summary>
    private void Report(List<double> pauses)
    {
        pauses.Sort();
        output.WriteLine(
            $"{pauses.Count} switches: median {pauses[pauses.Count / 2]:F2} ms, 90 % {pauses[pauses.Count * 9 / 10]:F2} ms, longest " +
            $"{pauses[^1]:F2} ms");
        Assert.InRange(pauses[pauses.Count / 2], 0, 50);
    }
}
