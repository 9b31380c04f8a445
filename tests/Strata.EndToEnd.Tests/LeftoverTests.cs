using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>What a disposed machine leaves behind. Counts what the whole process has, so no other test runs meanwhile.</summary>
[CollectionDefinition(nameof(LeftoverTests), DisableParallelization = true)]
[Collection(nameof(LeftoverTests))]
public sealed class LeftoverTests : IClassFixture<DebianGuest>, IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task DisposeAsync_MachineWithEverything_LeavesNoThreadAndNoFileOpen()
    {
        string disk = _folder.Write("disk.raw", new byte[1 << 20]);
        await RunAsync(); // what the process opens once
        string[] before = Threads();
        int files = OpenFiles();

        await RunAsync();

        // The kernel shows a thread that has been waited for a moment longer.
        for (int i = 0; i < 100 && Threads().Length > before.Length; i++)
        {
            await Task.Delay(20, _timeout.Token);
        }

        Assert.Equal(before, Threads());
        Assert.InRange(OpenFiles(), 0, files);

        async Task RunAsync()
        {
            await using VirtualMachine machine = await new DebianTiny().StartAsync(
                spec => spec with
                {
                    Memory = 256UL << 20,
                    Processors = 2,
                    Disks = [disk],
                    Balloon = true,
                    Shares = [new FolderShare(_folder.Root, "data")],
                },
                cancellationToken: _timeout.Token);
            await machine.Agent.RunAsync(GuestCommand.Shell("sync"), default, _timeout.Token);
        }
    }

    /// <summary>Names of this process's threads that are Strata's.</summary>
    private static string[] Threads() => [.. HostThreads.Names().Where(name => name.StartsWith("strata", StringComparison.Ordinal))];

    /// <summary>Open descriptors that are the machine's: disks, shares, sockets, events, memory.</summary>
    private int OpenFiles() =>
        Directory.EnumerateFiles("/proc/self/fd").Select(descriptor => new FileInfo(descriptor).LinkTarget ?? string.Empty)
        .Count(target => target.StartsWith(_folder.Root, StringComparison.Ordinal) || target.Contains(
            "eventpoll", StringComparison.Ordinal) || target.Contains("eventfd", StringComparison.Ordinal));
}
