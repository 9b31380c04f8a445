using Strata.Images;

namespace Strata.Tests.Images;

public sealed class HostToolTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    private string Folder => Path.GetDirectoryName(_folder.PathOf("x"))!;

    [Fact]
    public async Task RunAsync_Success_IsWhatItPrinted()
    {
        string output = await HostTool.RunAsync(Folder, "sh", ["-c", "echo $WHO; pwd; cat"], _timeout.Token, ("WHO", "me"));

        Assert.Equal($"me\n{Folder}\n", output);
    }

    [Fact]
    public async Task RunAsync_Failure_SaysTheLastLineOfItsErrors()
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => HostTool.RunAsync(Folder, "sh", ["-c", "echo first >&2; echo the reason >&2; exit 3"], _timeout.Token));

        Assert.Equal(StrataError.ImageUnavailable, error.Error);
        Assert.EndsWith("failed: the reason", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_MissingTool_SaysToInstallIt()
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(
            () => HostTool.RunAsync(Folder, "no-such-tool", [], _timeout.Token));

        Assert.Equal(StrataError.Host, error.Error);
        Assert.Contains("no-such-tool", error.Message, StringComparison.Ordinal);
        Assert.Contains("install it", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Whoever cancels removes the folder that the tool writes to: nothing may write there any more.</summary>
    [Fact]
    public async Task RunAsync_Cancelled_ReturnsWhenTheToolHasEnded()
    {
        string file = _folder.PathOf("pid");
        using CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(_timeout.Token);
        Task<string> run = HostTool.RunAsync(Folder, "sh", ["-c", "echo $$ > pid.part; mv pid.part pid; exec sleep 60"], cancel.Token);
        while (!File.Exists(file))
        {
            await Task.Delay(5, _timeout.Token);
        }

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        Assert.False(Directory.Exists("/proc/" + (await File.ReadAllTextAsync(file)).Trim()));
    }

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }
}
