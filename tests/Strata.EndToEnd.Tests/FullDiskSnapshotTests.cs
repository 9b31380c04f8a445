using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>Snapshots for which there is no room.</summary>
public sealed class FullDiskSnapshotTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SmallFileSystemFact]
    public async Task CreateSnapshotAsync_UntilTheDiskIsFull_LeavesTheOthersWholeAndTheMachineRunning()
    {
        using SmallFileSystem small = new("2m");
        SnapshotStore store = new(Path.Combine(small.Root, "set"));
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());
        List<string> made = [];
        StrataException? full = null;
        while (full is null)
        {
            Assert.InRange(made.Count, 0, 500);
            string name = $"s{made.Count}";
            full = await TryCreateAsync(machine, store, name);
            if (full is null)
            {
                made.Add(name);
            }
        }

        Assert.InRange(made.Count, 2, int.MaxValue);
        Assert.Contains("could not be saved", full.Message, StringComparison.Ordinal);
        Assert.Equal(made.Order(StringComparer.Ordinal), Snapshots(store));
        await using (VirtualMachine again = await VirtualMachine.RestoreAsync(store, made[^1]).WaitAsync(Patience))
        {
            await ChecksumMachine.AssertComputesAsync(again);
        }

        foreach (string name in made[1..])
        {
            await SnapshotCatalog.DeleteAsync(store, name);
        }

        Assert.Null(await TryCreateAsync(machine, store, "later"));
        await using (VirtualMachine later = await VirtualMachine.RestoreAsync(store, "later").WaitAsync(Patience))
        {
            await ChecksumMachine.AssertComputesAsync(later);
        }

        await ChecksumMachine.AssertComputesAsync(machine);
    }

    [SmallFileSystemFact]
    public async Task CreateSnapshotAsync_OnADiskThatIsFull_IsRefusedAtOnce()
    {
        using SmallFileSystem small = new("64k");
        Assert.Throws<IOException>(() => File.WriteAllBytes(Path.Combine(small.Root, "all"), new byte[1 << 20]));
        await using VirtualMachine machine = await VirtualMachine.StartAsync(Spec());

        StrataException? error = await TryCreateAsync(machine, new SnapshotStore(Path.Combine(small.Root, "set")), "one");

        Assert.NotNull(error);
        await ChecksumMachine.AssertComputesAsync(machine);
    }

    private static string[] Snapshots(SnapshotStore store) =>
        [.. Directory.EnumerateDirectories(store.Folder)
            .Select(path => Path.GetFileName(path)!)
            .Except(["layers", "disks"])
            .Order(StringComparer.Ordinal)];

    private static async Task<StrataException?> TryCreateAsync(VirtualMachine machine, SnapshotStore store, string name)
    {
        try
        {
            await machine.CreateSnapshotAsync(new SnapshotRequest { Name = name }, store).WaitAsync(Patience);
            return null;
        }
        catch (StrataException error)
        {
            return error;
        }
    }

    private MachineSpec Spec() => ChecksumMachine.SpecIn(_folder);
}
