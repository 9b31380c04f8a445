using System.Globalization;
using System.Runtime.Versioning;
using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>Clones are machines of their own before any of their programs runs.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class CloneIdentityTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const int FewLines = 20;

    /// <summary>
    /// Draws random numbers for ever and prints each with the host name that it finds then, as a message of the kernel, which is on the
    /// serial port before the call returns: what a clone prints, it has done as a clone, but for a line that was begun before.
    /// </summary>
    private const string Drawer = """
        open R, "<", "/dev/urandom"; open K, ">", "/dev/kmsg";
        while (1) {
            sysread R, $drawn, 8; open H, "<", "/proc/sys/kernel/hostname"; chomp($name = <H>);
            syswrite K, sprintf("<0><%s %s>\n", unpack("H*", $drawn), $name);
        }
        """;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [Theory]
    [InlineData("translator", 1)]
    [InlineData("translator", 2)]
    [InlineData("interpreter", 1)]
    public async Task ForkAsync_ProgramThatDrawsInALoop_DrawsNothingAsTheOtherMachine(string engine, int processors)
    {
        await using VirtualMachine parent = await StartAsync(engine, processors);
        await StartDrawingAsync(parent);

        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, keepIdentity: false);

        try
        {
            string[][] lines = await Task.WhenAll(clones.Select(ReadLinesAsync));
            Assert.All(clones, clone => Assert.True(clone.IdentityFailure is null, clone.IdentityFailure));
            Assert.All(
                lines.Zip(clones),
                clone => Assert.All(clone.First, line => Assert.EndsWith($" {clone.Second.Name}", line, StringComparison.Ordinal)));
            Assert.Empty(lines[0].Select(Drawn).Intersect(lines[1].Select(Drawn)));
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    /// <summary>Shows that the test above could fail.</summary>
    [Fact]
    public async Task ForkAsync_ThatKeepsIdentity_DrawsTheSame()
    {
        await using VirtualMachine parent = await StartAsync("translator", 1);
        await StartDrawingAsync(parent);

        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, keepIdentity: true);

        try
        {
            string[][] lines = await Task.WhenAll(clones.Select(ReadLinesAsync));
            Assert.NotEmpty(lines[0].Select(Drawn).Intersect(lines[1].Select(Drawn)));
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    [Fact]
    public async Task ForkAsync_ClockOfAClone_IsRightWithinTenMilliseconds()
    {
        const string readClock = "perl -e '$t = pack(\"q2\", 0, 0); syscall(228, 0, $t); print join \" \", unpack(\"q2\", $t)'";
        await using VirtualMachine parent = await StartAsync("translator", 1);

        IReadOnlyList<VirtualMachine> clones = await ForkAsync(parent, keepIdentity: false);

        try
        {
            DateTime before = DateTime.UtcNow;
            GuestResult result = await clones[0].Agent.RunAsync(GuestCommand.Shell(readClock), default, _timeout.Token);
            DateTime after = DateTime.UtcNow;
            long[] read = [.. result.OutputText.Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
            DateTime guestTime = DateTime.UnixEpoch.AddSeconds(read[0]).AddTicks(read[1] / 100);
            Assert.InRange(guestTime, before.AddMilliseconds(-10), after.AddMilliseconds(10));
        }
        finally
        {
            await DisposeAllAsync(clones);
        }
    }

    /// <summary>A clone that nobody makes a machine of its own must not run as the other one.</summary>
    [Fact]
    public async Task ForkAsync_ProgramThatMakesItAnotherMachineIsGone_EndsTheClone()
    {
        await using VirtualMachine parent = await StartAsync("translator", 1);
        // by its scheduling
        await RunAsync(
            parent, "for p in /proc/[0-9]*/stat; do set -- $(cat $p); [ \"$2 ${41}\" = '(perl) 1' ] && kill -STOP $1; done; true");

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => parent.ForkAsync(
            1, new ForkOptions { Each = new RestoreOptions { IdentityPatience = TimeSpan.FromSeconds(1) } }, _timeout.Token));

        Assert.Contains("before its programs run", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _timeout.Dispose();

    private static string Drawn(string line) => line.Split(' ')[0];

    private static async Task DisposeAllAsync(IEnumerable<VirtualMachine> machines)
    {
        foreach (VirtualMachine machine in machines)
        {
            await machine.DisposeAsync();
        }
    }

    private async Task<VirtualMachine> StartAsync(string engine, int processors)
    {
        VirtualMachine machine = await VirtualMachine.StartAsync(
            guest.SpecWithAgent with
            {
                Name = "parent",
                Engine = Engines.EngineNames.Parse(engine),
                Processors = processors,
            }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        await RunAsync(machine, "true");
        return machine;
    }

    private async Task StartDrawingAsync(VirtualMachine machine)
    {
        await machine.Agent.PutAsync(
            new MemoryStream(System.Text.Encoding.ASCII.GetBytes(Drawer)), "/tmp/drawer", cancellationToken: _timeout.Token);
        await RunAsync(machine, "echo on > /proc/sys/kernel/printk_devkmsg; perl /tmp/drawer </dev/null >/dev/null 2>&1 &");
        await machine.Console.WaitForAsync(" debian-tiny>", _timeout.Token);
    }

    /// <summary>What a clone has printed, without the line that may have been begun before.</summary>
    private async Task<string[]> ReadLinesAsync(VirtualMachine clone)
    {
        while (true)
        {
            string[] lines = [.. clone.Console.Output.Split('\n').Skip(1).Select(line => line.TrimEnd('\r'))
                .Where(line => line.EndsWith('>') && line.Contains('<', StringComparison.Ordinal))];
            if (lines.Length >= FewLines)
            {
                return [.. lines.Select(line => line[(line.IndexOf('<', StringComparison.Ordinal) + 1)..^1])];
            }

            await Task.Delay(20, _timeout.Token);
        }
    }

    private Task<IReadOnlyList<VirtualMachine>> ForkAsync(VirtualMachine machine, bool keepIdentity) => machine.ForkAsync(
        2, new ForkOptions
        {
            Each = new RestoreOptions { KeepIdentity = keepIdentity, IdentityPatience = TimeSpan.FromMinutes(1) },
        }, _timeout.Token);

    private async Task RunAsync(VirtualMachine machine, string line)
    {
        GuestResult result = await machine.Agent.RunAsync(GuestCommand.Shell(line), default, _timeout.Token);
        Assert.Equal(string.Empty, result.ErrorText);
    }
}
