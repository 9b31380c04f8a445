using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>The launcher in the source tree; skipped until `./build.sh publish` has made what it starts.</summary>
public sealed class LauncherTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    [PublishedFact]
    public async Task Strata_ThroughASymbolicLink_StartsTheCommandAndPassesItsExitCode()
    {
        string link = _folder.PathOf("strata");
        File.CreateSymbolicLink(link, Path.Combine(PublishedFactAttribute.Root, "strata"));

        using HostCommand help = HostCommand.Start(link, "--help");
        using HostCommand refused = HostCommand.Start(link, "run", "--kernel", _folder.PathOf("missing"));

        Assert.Equal(0, (await help.WaitForExitAsync(_timeout.Token)).Code);
        Assert.Contains("run", help.Output, StringComparison.Ordinal);
        Assert.Equal(2, (await refused.WaitForExitAsync(_timeout.Token)).Code);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _timeout.Dispose();
    }

    private sealed class PublishedFactAttribute : FactAttribute
    {
        public PublishedFactAttribute() =>
            Skip = File.Exists(Path.Combine(Root, "artifacts", "strata", "Strata.Cli")) ? null : "./build.sh publish has not been run.";

        public static string Root
        {
            get
            {
                string folder = AppContext.BaseDirectory;
                while (!File.Exists(Path.Combine(folder, "Strata.slnx")))
                {
                    folder = Path.GetDirectoryName(folder)
                        ?? throw new DirectoryNotFoundException("No folder above the tests holds Strata.slnx.");
                }

                return folder;
            }
        }
    }
}
