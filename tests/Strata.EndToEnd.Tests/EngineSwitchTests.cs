using System.Globalization;
using Strata.EndToEnd.Tests.Harness;
using Strata.Machines.Boards;
using Xunit.Abstractions;

namespace Strata.EndToEnd.Tests;

/// <summary>Running machines that are moved between engines.</summary>
public sealed class EngineSwitchTests(DebianGuest guest, ITestOutputHelper output) : IClassFixture<DebianGuest>, IDisposable
{
    private const int Switches = 100;
    private const int Seed = 20_26;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(1));

    [KvmFact]
    public Task SwitchEngineAsync_ChecksumGuestOnAllEngines_ComputesAndLosesNoInterrupt() =>
        SwitchChecksumGuestAsync([Engine.Interpreter, Engine.Translator, Engine.Kvm]);

    [Fact]
    public Task SwitchEngineAsync_ChecksumGuestOnSoftwareEngines_ComputesAndLosesNoInterrupt() =>
        SwitchChecksumGuestAsync([Engine.Interpreter, Engine.Translator]);

    [Fact]
    public Task SwitchEngineAsync_DebianOnSoftwareEngines_PrintsTheSameChecksums() => SwitchDebianAsync([Engine.Interpreter, Engine.Translator]);

    [FitKvmFact]
    public Task SwitchEngineAsync_DebianOnAllEngines_PrintsTheSameChecksums() => SwitchDebianAsync([Engine.Interpreter, Engine.Translator, Engine.Kvm]);

    public void Dispose() => _timeout.Dispose();

    private async Task SwitchDebianAsync(Engine[] engines)
    {
        MachineSpec spec = guest.Spec with { Engine = Engine.Translator, Processors = 2, Memory = 512UL << 20, PortableCpu = true };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await machine.Console.WriteLineAsync(
            "for i in 1 2 3 4 5 6; do for j in 1 2 3 4 5; do head -c 20000 /bin/busybox | md5sum; done; done | sort | uniq -c; echo loop-is-$((1 + 1))-done", _timeout.Token);
        List<double> pauses = [];
        Random random = new(Seed);

        for (int i = 0; i < Switches; i++)
        {
            await Task.Delay(random.Next(0, 10), _timeout.Token);
            pauses.Add((await machine.SwitchEngineAsync(engines[i % engines.Length], _timeout.Token)).TotalMilliseconds);
        }

        await machine.Console.WaitForAsync("loop-is-2-done", _timeout.Token);
        Report(pauses);

        Assert.Matches("\n +30 [0-9a-f]{32}  -", machine.Console.Output);
        Assert.DoesNotContain("BUG", machine.Console.Output, StringComparison.Ordinal);
    }

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
        uint[] words = [.. machine.Console.Output.TrimEnd('.').Split(' ').Select(word => uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        Assert.Equal(ChecksumGuest.After(words[0]), words[1]);
        Assert.InRange(words[2], (uint)Switches, uint.MaxValue);
    }

    /// <summary>The bound is loose as tests share the processors with others; the median on a quiet host is in the documentation.</summary>
    private void Report(List<double> pauses)
    {
        pauses.Sort();
        output.WriteLine($"{pauses.Count} switches: median {pauses[pauses.Count / 2]:F2} ms, 90 % {pauses[pauses.Count * 9 / 10]:F2} ms, longest {pauses[^1]:F2} ms");
        Assert.InRange(pauses[pauses.Count / 2], 0, 50);
    }
}
