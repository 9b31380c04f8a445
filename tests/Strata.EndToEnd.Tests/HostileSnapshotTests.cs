using System.Globalization;
using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;
using Xunit.Abstractions;

namespace Strata.EndToEnd.Tests;

/// <summary>Snapshots that somebody has changed, digests and all.</summary>
[Collection(CountedResources.Name)]
public sealed class HostileSnapshotTests(ITestOutputHelper output) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private static readonly int Mutations = int.Parse(
        Environment.GetEnvironmentVariable("STRATA_SNAPSHOT_MUTATIONS") ?? "200", CultureInfo.InvariantCulture);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task RestoreAsync_SnapshotThatWasChanged_IsRefusedOrRunsAndLeavesNothing()
    {
        SnapshotStore store = await CreateAsync();
        SnapshotMutation mutation = new(Path.Combine(store.Folder, "base"));
        string[] around = FilesAround();
        int descriptors = Descriptors();
        int refused = 0;
        int seed = int.Parse(Environment.GetEnvironmentVariable("STRATA_SEED") ?? "1", CultureInfo.InvariantCulture);
        for (int i = 0; i < Mutations; i++)
        {
            string what = mutation.Apply(new Random(seed + i));
            refused += await IsRefusedAsync(store, $"seed {seed + i}, {what}") ? 1 : 0;
        }

        mutation.Undo();
        output.WriteLine(
            $"{refused} of {Mutations} refused, descriptors {descriptors} -> {Descriptors()}, threads " +
            $"{string.Join(' ', HostThreads.Names().Distinct())}");

        Assert.InRange(refused, Mutations / 2, Mutations);
        Assert.Equal(around, FilesAround());
        Assert.InRange(Descriptors(), 0, descriptors + 20);
        Assert.DoesNotContain(HostThreads.Names(), name => name.StartsWith("strata-vcpu", StringComparison.Ordinal));
        Assert.False(await IsRefusedAsync(store, "nothing"));
    }

    [Theory]
    [InlineData("manifest.json")]
    [InlineData("units.bin")]
    [InlineData("pages.map")]
    [InlineData("SHA256SUMS")]
    public async Task RestoreAsync_FolderInThePlaceOfAFile_IsRefused(string file)
    {
        SnapshotStore store = await CreateAsync();
        string path = Path.Combine(store.Folder, "base", file);
        File.Delete(path);
        Directory.CreateDirectory(path);

        Assert.True(await IsRefusedAsync(store, file));
    }

    private async Task<SnapshotStore> CreateAsync()
    {
        string disk = _folder.Write("disk.raw", new byte[1 << 20]);
        MachineSpec spec = new()
        {
            Kernel = _folder.Write("guest", ChecksumGuest.Assemble()),
            Engine = Engine.Interpreter,
            Memory = 32UL << 20,
            Disks = [new DiskSpec { Path = disk, Snapshot = true }],
        };
        SnapshotStore store = new(_folder.PathOf("set"));
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec);
        await Task.Delay(50);
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "base" }, store);
        return store;
    }

    private static async Task<bool> IsRefusedAsync(SnapshotStore store, string what)
    {
        try
        {
            VirtualMachine machine = await VirtualMachine.RestoreAsync(store, "base").WaitAsync(Patience);
            await machine.DisposeAsync().AsTask().WaitAsync(Patience);
            return false;
        }
        catch (StrataException error)
        {
            Assert.NotEmpty(error.Message);
            return true;
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"{what}: {error}", error);
        }
    }

    private string[] FilesAround() => [.. Directory.EnumerateFileSystemEntries(_folder.Root).Order(StringComparer.Ordinal)];

    private static int Descriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Length;
}
