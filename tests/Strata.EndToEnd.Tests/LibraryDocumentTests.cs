using Strata.EndToEnd.Tests.Harness;
using Strata.Images;

namespace Strata.EndToEnd.Tests;

/// <summary>docs/library.md: what it shows is what runs here.</summary>
public sealed class LibraryDocumentTests(DebianGuest guest) : IClassFixture<DebianGuest>, IDisposable
{
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _timeout.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Example_OfTheDocument_IsTheOneThatIsTested()
    {
        string root = ReadmeTests.FindRoot();
        IEnumerable<string> example = File.ReadAllLines(Path.Combine(root, "tests", "Strata.EndToEnd.Tests", "LibraryExample.cs"))
            .SkipWhile(line => !line.StartsWith("// The example", StringComparison.Ordinal)).Skip(1)
            .TakeWhile(line => line != "// Its end.");

        Assert.Contains(
            $"\n{string.Join('\n', example)}\n```", File.ReadAllText(Path.Combine(root, "docs", "library.md")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task StartAsync_Image_HasAgentShareAndConsole()
    {
        Assert.True(File.Exists(guest.Kernel));
        _folder.Write("a file.txt", "shared"u8.ToArray());
        await using VirtualMachine machine = await new DebianTiny().StartAsync(
            spec => spec with { Memory = 256UL << 20, Console = ConsoleDevice.Virtio, Shares = [new FolderShare(_folder.Root, "data")] },
            cancellationToken: _timeout.Token);

        await machine.Console.WaitForAsync(DebianGuest.Prompt, _timeout.Token);
        GuestResult result = await machine.Agent.RunAsync(GuestCommand.Shell("cat '/mnt/data/a file.txt'"), default, _timeout.Token);

        Assert.Equal((0, "shared"), (result.ExitCode, result.OutputText));
    }

    [Fact]
    public async Task StartAsync_SetupThatTheImageDoesNotTake_IsRefused()
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => new DebianTiny().StartAsync(setup: new GuestSetup { HostName = "web" }, cancellationToken: _timeout.Token));

        Assert.Equal(StrataError.BadInput, error.Error);
    }
}
