using System.Globalization;
using System.Text.RegularExpressions;
using Strata.Core.Tests.Logging;
using Strata.EndToEnd.Tests.Harness;
using Strata.Snapshots;

namespace Strata.EndToEnd.Tests;

/// <summary>A restored guest goes on with the translations of its first life, and without them where they cannot be trusted.</summary>
public sealed partial class KeptCodeTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private const string Work = "for i in 1 2 3; do ls -l /usr /bin | sort | md5sum; done; cat /proc/cpuinfo | grep -c processor";

    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly RecordingLoggers _log = new();

    private SnapshotStore Store => new(_folder.PathOf("set"));

    private string CodeFile => Path.Combine(Store.Folder, "one", "code.bin");

    public void Dispose()
    {
        _timeout.Dispose();
        _log.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task RestoreAsync_WithKeptCode_TakesItOverInsteadOfTranslating()
    {
        string expected = await SaveAsync(new SnapshotRequest { Name = "one" });

        (string result, long translated, long takenOver) = await RestoreAsync(new RestoreOptions());
        (string coldResult, long coldTranslated, long coldTakenOver) = await RestoreAsync(new RestoreOptions { IgnoresKeptCode = true });

        Assert.Equal((expected, expected), (result, coldResult));
        Assert.Equal(0, coldTakenOver);
        Assert.InRange(translated, 0, coldTranslated / 4);
        Assert.InRange(takenOver, coldTranslated / 2, long.MaxValue);
        Assert.DoesNotContain(_log.Lines, line => line.Contains("not used", StringComparison.Ordinal));
    }

    /// <summary>Only the engine that made it can use it; the others do not mind.</summary>
    [Fact]
    public async Task RestoreAsync_KeptCodeOfAnotherUser_IsLeftAloneWithALine()
    {
        string expected = await SaveAsync(new SnapshotRequest { Name = "one" });
        byte[] file = await File.ReadAllBytesAsync(CodeFile);
        file[^1] ^= 1; // the seal
        await File.WriteAllBytesAsync(CodeFile, file);

        (string result, _, long takenOver) = await RestoreAsync(new RestoreOptions());

        Assert.Equal((expected, 0L), (result, takenOver));
        Assert.Contains(
            _log.Lines,
            line => line.Contains("not used", StringComparison.Ordinal) && line.Contains("another user", StringComparison.Ordinal));
    }

    [Fact]
    public async Task CreateSnapshotAsync_CodeIsLeftOut_RestoresWithoutIt()
    {
        string expected = await SaveAsync(new SnapshotRequest { Name = "one", LeavesOutCode = true });

        (string result, _, long takenOver) = await RestoreAsync(new RestoreOptions());

        Assert.False(File.Exists(CodeFile));
        Assert.Equal((expected, 0L), (result, takenOver));
    }

    /// <summary>Code of the host is nothing that one host gives another.</summary>
    [Fact]
    public async Task ExportAsync_SnapshotWithKeptCode_LeavesItHere()
    {
        await SaveAsync(new SnapshotRequest { Name = "one" });
        SnapshotStore other = new(_folder.PathOf("other"));
        using MemoryStream file = new();
        await SnapshotCatalog.ExportAsync(Store, "one", file, null, _timeout.Token);
        file.Position = 0;

        await SnapshotCatalog.ImportAsync(other, "one", file, cancellationToken: _timeout.Token);

        Assert.True(File.Exists(CodeFile));
        Assert.False(File.Exists(Path.Combine(other.Folder, "one", "code.bin")));
    }

    /// <returns>What the guest's work gave.</returns>
    private async Task<string> SaveAsync(SnapshotRequest request)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
            guest.SpecWithAgent with { Engine = Engine.Translator }, _timeout.Token);
        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        string result = await RunAsync(machine);
        await machine.CreateSnapshotAsync(request, Store, _timeout.Token);
        return result;
    }

    private async Task<(string Result, long Translated, long TakenOver)> RestoreAsync(RestoreOptions options)
    {
        await using VirtualMachine machine = await VirtualMachine.RestoreAsync(
            Store, "one", options, MachineAttachments.None with { Loggers = _log }, _timeout.Token);
        string result = await RunAsync(machine);
        string counters = machine.DescribeCounters();
        return (result, Number(Translated().Match(counters)), Number(TakenOver().Match(counters)));
    }

    private static long Number(Match match) => match.Success ? long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : 0;

    private async Task<string> RunAsync(VirtualMachine machine)
    {
        GuestResult result = await machine.Agent.RunAsync(GuestCommand.Shell(Work), default, _timeout.Token);
        Assert.Equal(string.Empty, result.ErrorText);
        return result.OutputText;
    }

    [GeneratedRegex("([0-9]+) blocks from ")]
    private static partial Regex Translated();

    [GeneratedRegex("([0-9]+) blocks of [0-9]+ pages taken over")]
    private static partial Regex TakenOver();
}
