using System.Diagnostics;
using System.Globalization;
using Strata.Snapshots.Sets;
using Xunit.Abstractions;

namespace Strata.Snapshots.Tests;

/// <summary>
/// A process that makes, deletes and imports snapshots is killed, again and again on the same set. Whatever it was doing, every snapshot
/// that is there is whole, and the next change removes what was left over. Set STRATA_LONG_TESTS=1 for 500 kills.
/// </summary>
public sealed class KilledWriterTests(ITestOutputHelper output) : IDisposable
{
    private const int OrdinaryKills = 12;
    private const int LongKills = 500;

    private readonly TestSet _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Kill_AtAnyMoment_LeavesTheSetWhole()
    {
        int kills = Environment.GetEnvironmentVariable("STRATA_LONG_TESTS") == "1" ? LongKills : OrdinaryKills;
        Random random = new(11);
        int leftovers = 0;
        int found = 0;
        for (int round = 1; round <= kills; round++)
        {
            RunAndKill(round, random.Next(1, 200));
            leftovers += Leftovers().Any() ? 1 : 0;
            found += AssertWhole(round);
            (await _test.Set.BeginAsync("probe")).Dispose();
            Assert.Empty(Leftovers());
        }

        output.WriteLine($"{kills} kills, {leftovers} left something over, {found} snapshots checked");
        Assert.True(found > kills / 2, $"Only {found} snapshots were there to be checked after {kills} kills.");
    }

    private int AssertWhole(int round)
    {
        IReadOnlyList<SnapshotEntry> entries = _test.Set.List();
        foreach (SnapshotEntry entry in entries)
        {
            Assert.True(entry.Problem is null, $"round {round}: {entry.Problem}");
            using Snapshot snapshot = _test.Set.Open(entry.Name);
            byte[] expected = TestSet.SomeMemory(int.Parse(snapshot.Manifest.Description!, CultureInfo.InvariantCulture));
            Assert.True(expected.AsSpan().SequenceEqual(TestSet.ReadMemory(snapshot)), $"round {round}: the memory of {entry.Name}");
        }

        return entries.Count;
    }

    /// <summary>Folders without a meaning, and layers that no snapshot has.</summary>
    private IEnumerable<string> Leftovers()
    {
        HashSet<string> used = [.. _test.Set.List().SelectMany(entry => entry.Manifest!.Memory.Layers)];
        IEnumerable<string> folders = Directory.EnumerateDirectories(_test.Set.Folder, ".*");
        return folders.Concat(
            Directory.EnumerateFiles(Path.Combine(_test.Set.Folder, "layers")).Where(path => !used.Contains(Path.GetFileName(path))));
    }

    private void RunAndKill(int round, int milliseconds)
    {
        ProcessStartInfo start = new(
            "dotnet", [typeof(KilledWriterTests).Assembly.Location, _test.Set.Folder, round.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("The writer did not start.");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Assert.Equal("ready", process.StandardOutput.ReadLine());
        process.WaitForExit(milliseconds);

        bool died = process.HasExited;
        process.Kill();
        process.WaitForExit();
        Assert.False(died, $"The writer of round {round} failed: {errors.GetAwaiter().GetResult()}");
    }
}
