namespace Strata.EndToEnd.Tests.Harness;

/// <summary>
/// How this host reaches Debian's packages, for a guest on it: the host's network may have a mirror or a proxy, and nothing else.
/// </summary>
/// <param name="SourcesList">For /etc/apt/sources.list.</param>
/// <param name="Configuration">For a file in /etc/apt/apt.conf.d.</param>
internal sealed record HostAptSources(string SourcesList, string Configuration)
{
    private const string Debian = "Debian|Packages|";

    /// <summary>The host as guests of a user-mode network see it.</summary>
    private const string HostAddress = "//10.0.2.2";

    /// <summary>Proxies, and whether old package lists are good enough, as in snapshots of the archive.</summary>
    private static readonly string[] Settings = [
        "Acquire::http::Proxy ", "Acquire::https::Proxy ", "Acquire::Check-Valid-Until ", "Acquire::Check-Date "];

    public static async Task<HostAptSources> ReadAsync(CancellationToken cancellationToken)
    {
        string targets = await HostCommand.RunAsync(
            "apt-get", ["indextargets", "--format", "$(ORIGIN)|$(CREATED_BY)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)"], cancellationToken);
        string settings = await HostCommand.RunAsync("apt-config", ["dump"], cancellationToken);
        IEnumerable<string> sources = targets.Split('\n').Where(line => line.StartsWith(Debian, StringComparison.Ordinal))
            .Select(line => line[Debian.Length..]);
        IEnumerable<string> taken = settings.Split('\n').Where(
            line => Settings.Any(setting => line.StartsWith(setting, StringComparison.OrdinalIgnoreCase)));
        return new HostAptSources(Join(sources), Join(taken));
    }

    private static string Join(IEnumerable<string> lines) => string.Concat(lines.Distinct().Select(line => line
        .Replace("//localhost", HostAddress, StringComparison.Ordinal)
        .Replace("//127.0.0.1", HostAddress, StringComparison.Ordinal) + "\n"));
}
