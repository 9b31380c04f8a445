using System.Globalization;
using Strata.EndToEnd.Tests.Harness;
using Strata.Engines;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>
/// The guest that checks itself and loses its chain of interrupts with a single one, saved and restored at random moments.
/// STRATA_SNAPSHOT_ROUNDS says how often.
/// </summary>
public sealed class SnapshotChecksumTests : IDisposable
{
    private const int Seed = 20_26;
    private const ulong Memory = 16UL << 20;

    private static readonly int Rounds = int.Parse(
        Environment.GetEnvironmentVariable("STRATA_SNAPSHOT_ROUNDS") ?? "12", CultureInfo.InvariantCulture);

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5 + (Rounds / 10)));
    private readonly TemporaryFolder _folder = new();
    private readonly SnapshotStore _store;

    public SnapshotChecksumTests() => _store = new SnapshotStore(_folder.PathOf("snapshots"));

    public static TheoryData<string, string> Pairs => new()
    {
        { "interpreter", "interpreter" }, { "interpreter", "translator" }, { "translator", "interpreter" }, { "translator", "translator" },
    };

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public async Task RestoreAsync_AgainAndAgainOnBothEngines_ComputesAndLosesNoInterrupt(string first, string second)
    {
        Random random = new(Seed);
        VirtualMachine machine = await StartAsync(first);
        try
        {
            for (int i = 0; i < Rounds; i++)
            {
                await Task.Delay(random.Next(0, 8), _timeout.Token);
                await machine.CreateSnapshotAsync(new SnapshotRequest { Name = $"s{i}" }, _store, _timeout.Token);
                await machine.DisposeAsync();
                machine = await RestoreAsync($"s{i}", i % 2 == 0 ? second : first);
                await SnapshotCatalogDelete(i - 1);
            }

            await FinishAsync(machine);
        }
        finally
        {
            await machine.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task RollBackAsync_AtRandomMoments_ComputesAndLosesNoInterrupt(string engine)
    {
        Random random = new(Seed);
        await using VirtualMachine machine = await StartAsync(engine);
        await machine.CreateSnapshotAsync(new SnapshotRequest { Name = "s0" }, _store, _timeout.Token);
        int kept = 0;
        for (int i = 1; i <= Rounds; i++)
        {
            await Task.Delay(random.Next(0, 8), _timeout.Token);
            if (random.Next(2) == 0)
            {
                await machine.CreateSnapshotAsync(new SnapshotRequest { Name = $"s{i}" }, _store, _timeout.Token);
                kept = i;
            }
            else
            {
                await machine.RollBackAsync($"s{kept}", _store, _timeout.Token);
            }
        }

        await FinishAsync(machine);
    }

    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task CheckpointAsync_RolledBackAtRandomMoments_ComputesAndLosesNoInterrupt(string engine)
    {
        Random random = new(Seed);
        await using VirtualMachine machine = await StartAsync(engine);
        for (int i = 0; i < Rounds; i++)
        {
            await Task.Delay(random.Next(0, 4), _timeout.Token);
            await using MachineCheckpoint checkpoint = await machine.CheckpointAsync(_timeout.Token);
            await Task.Delay(random.Next(0, 8), _timeout.Token);
        }

        await FinishAsync(machine);
    }

    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task SuspendAsync_ThenRestored_GoesOnWhereItWas(string engine)
    {
        await using (VirtualMachine machine = await StartAsync(engine))
        {
            await machine.SuspendAsync(new SnapshotRequest { Name = "sleeping" }, _store, _timeout.Token);

            Assert.Equal(MachineExitReason.Suspended, (await machine.WaitForExitAsync(_timeout.Token)).Reason);
        }

        await using VirtualMachine again = await RestoreAsync("sleeping", engine);
        await FinishAsync(again);
    }

    /// <summary>What version 0.1.0 saved is restored from now on.</summary>
    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task RestoreAsync_ArchiveOfTheFirstVersion_GoesOn(string engine)
    {
        using (FileStream archive = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Snapshots", "checksum-0.1.0.strata")))
        {
            await SnapshotCatalog.ImportAsync(_store, "first", archive, cancellationToken: _timeout.Token);
        }

        await using VirtualMachine machine = await RestoreAsync("first", engine);
        await FinishAsync(machine);
    }

    private Task SnapshotCatalogDelete(int number) =>
        number < 0 ? Task.CompletedTask : SnapshotCatalog.DeleteAsync(_store, $"s{number}", _timeout.Token);

    private async Task<VirtualMachine> StartAsync(string engine)
    {
        VirtualMachine machine = await VirtualMachine.StartAsync(
            new MachineSpec
            {
                Kernel = _folder.Write("checksum", ChecksumGuest.Assemble()),
                Engine = EngineNames.Parse(engine),
                Memory = Memory,
                Networks = [],
            }, _timeout.Token);
        await Task.Delay(30, _timeout.Token);
        return machine;
    }

    private Task<VirtualMachine> RestoreAsync(string name, string engine) =>
        VirtualMachine.RestoreAsync(_store, name, new RestoreOptions { Engine = EngineNames.Parse(engine) }, null, _timeout.Token);

    private async Task FinishAsync(VirtualMachine machine)
    {
        await machine.Console.WriteAsync(new byte[] { (byte)'.' }, _timeout.Token);
        MachineExit exit = await machine.WaitForExitAsync(_timeout.Token);

        Assert.Equal((MachineExitReason.DebugExit, 1), (exit.Reason, exit.Code)); // twice the value written, and one
        uint[] words = [.. machine.Console.Output.TrimEnd('.').Split(' ').Select(
            word => uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        Assert.Equal(ChecksumGuest.After(words[0]), words[1]);
    }
}
