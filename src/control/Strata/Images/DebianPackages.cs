namespace Strata.Images;

/// <summary>
/// Debian's packages by apt, with lists and state of its own: any user can do that. Sources, keys and proxies are the host's; of
/// other distributors' packages nothing is taken. apt checks signatures and hashes of all that it fetches.
/// </summary>
internal sealed class DebianPackages
{
    private const string SecurityLabel = "Debian-Security";

    private readonly string _folder;
    private readonly string _architecture;
    private readonly string _configuration;

    private DebianPackages(string folder, string architecture)
    {
        _folder = folder;
        _architecture = architecture;
        _configuration = Path.Combine(folder, "apt.conf");
    }

    /// <summary>The architecture of a guest with a 64-bit system.</summary>
    public const string Amd64 = "amd64";

    /// <summary>Fetches the current package lists into a folder.</summary>
    /// <exception cref="StrataException">apt is missing, or the host's sources lead to no Debian.</exception>
    public static async Task<DebianPackages> OpenAsync(string folder, CancellationToken cancellationToken, string architecture = Amd64)
    {
        if (folder.Contains('"', StringComparison.Ordinal))
        {
            throw new StrataException(
                StrataError.BadInput,
                $"apt cannot work in the folder {folder}, because of the quote in its name; set XDG_CACHE_HOME to another.");
        }

        DebianPackages packages = new(folder, architecture);
        foreach (string part in (ReadOnlySpan<string>)["state/lists/partial", "cache/archives/partial"])
        {
            Directory.CreateDirectory(Path.Combine(folder, part));
        }

        await File.WriteAllTextAsync(Path.Combine(folder, "state", "status"), string.Empty, cancellationToken).ConfigureAwait(false);
        await File.WriteAllTextAsync(Path.Combine(folder, "preferences"), Preferences, cancellationToken).ConfigureAwait(false);
        string host = await HostTool.RunAsync(folder, "apt-config", ["dump"], cancellationToken).ConfigureAwait(false);
        await File.WriteAllTextAsync(packages._configuration, packages.Configuration(host), cancellationToken).ConfigureAwait(false);
        string reason = "the host's apt sources name none";
        try
        {
            await packages.AptAsync("apt-get", ["update"], cancellationToken).ConfigureAwait(false);
        }
        catch (StrataException error) when (error.Error == StrataError.ImageUnavailable)
        {
            reason = error.Message; // another source than Debian's may have failed: that is no matter
        }

        if ((await packages.DescribeSourcesAsync(cancellationToken).ConfigureAwait(false)).Count == 0)
        {
            throw new StrataException(
                StrataError.ImageUnavailable,
                $"There are no package lists of Debian: {reason}. Check the network and /etc/apt/sources.list; on other systems than " +
                $"Debian, add a Debian source.");
        }

        return packages;
    }

    /// <summary>
    /// Lines for a guest's sources.list: the releases and components of Debian that the host takes packages from, but from Debian's
    /// own servers. A mirror of the host's network is no address for an image, which may be used elsewhere.
    /// </summary>
    public async Task<IReadOnlyList<string>> DescribeSourcesAsync(CancellationToken cancellationToken)
    {
        string targets = await AptAsync(
            "apt-get", ["indextargets", "--format", "$(ORIGIN)|$(CREATED_BY)|$(LABEL)|$(CODENAME)|$(COMPONENT)"],
            cancellationToken).ConfigureAwait(false);
        return DescribeSources(targets);
    }

    /// <param name="targets">A line a package list: origin, kind of list, label, code name and component.</param>
    internal static IReadOnlyList<string> DescribeSources(string targets) =>
    [
        .. targets.Split('\n')
            .Select(line => line.Split('|'))
            .Where(fields => fields is ["Debian", "Packages", _, _, _])
            .Select(
                fields =>
                    $"deb http://deb.debian.org/{(fields[2] == SecurityLabel ? "debian-security" : "debian")} {fields[3]} {fields[4]}")
            .Distinct(),
    ];

    /// <summary>The versioned package behind a metapackage, which depends on the current one.</summary>
    /// <param name="prefix">What its name begins with.</param>
    public async Task<string> FindVersionedAsync(string metapackage, string prefix, CancellationToken cancellationToken)
    {
        const string dependency = "Depends: ";
        string depends = await AptAsync("apt-cache", ["depends", metapackage], cancellationToken).ConfigureAwait(false);
        return depends.Split('\n')
            .Select(line => line.Trim())
            .FirstOrDefault(line => line.StartsWith(dependency + prefix, StringComparison.Ordinal))?[dependency.Length..]
            ?? throw new StrataException(
                StrataError.ImageUnavailable,
                $"apt knows no package {metapackage}; add Debian's main component to the host's apt sources.");
    }

    /// <summary>Packages and all they depend on, recommendations left out.</summary>
    /// <param name="wanted">Names or apt patterns.</param>
    /// <returns>Names of the files that <see cref="FetchWithDependenciesAsync"/> makes of it.</returns>
    public async Task<IReadOnlyList<string>> ResolveAsync(IReadOnlyList<string> wanted, CancellationToken cancellationToken)
    {
        // A line: 'address' file-name size hash
        string lines = await AptAsync(
            "apt-get", ["install", "--yes", "-qq", "--print-uris", .. wanted], cancellationToken).ConfigureAwait(false);
        return [.. lines.Split('\n').Select(line => line.Split(' '))
            .Where(words => words.Length >= 3 && words[0].StartsWith('\''))
            .Select(words => words[1])];
    }

    /// <summary>Fetches packages and all they depend on into a folder.</summary>
    /// <inheritdoc cref="ResolveAsync" path="/param"/>
    public async Task FetchWithDependenciesAsync(IReadOnlyList<string> wanted, string folder, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.Combine(folder, "partial"));
        await AptAsync(
            "apt-get", ["install", "--yes", "--download-only", "-o", $"Dir::Cache::archives={folder}", .. wanted],
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Fetches just these packages into a folder.</summary>
    public Task FetchAsync(IReadOnlyList<string> wanted, string folder, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        return RunAsync(folder, "apt-get", ["download", .. wanted], cancellationToken);
    }

    /// <summary>Security and stable updates as usual, backports only by name, and nothing that is not Debian's.</summary>
    private const string Preferences =
        """
        Package: *
        Pin: release o=Debian, n=*-backports*
        Pin-Priority: 100

        Package: *
        Pin: release o=Debian
        Pin-Priority: 500

        Package: *
        Pin: release n=*
        Pin-Priority: -1

        """;

    /// <summary>
    /// apt reads this before anything else, and then none of the host's configuration: hooks in it are meant for the host's own
    /// packages. How to reach servers is taken over.
    /// </summary>
    /// <param name="host">What apt-config dump says.</param>
    private string Configuration(string host) =>
        $$"""
        Dir::Etc::parts "/dev/null";
        Dir::Etc::main "/dev/null";
        Dir::State "{{_folder}}/state";
        Dir::State::status "{{_folder}}/state/status";
        Dir::Cache "{{_folder}}/cache";
        Dir::Etc::preferences "{{_folder}}/preferences";
        Dir::Etc::preferencesparts "/dev/null";
        APT::Architecture "{{_architecture}}";
        APT::Architectures { "{{_architecture}}"; };
        APT::Install-Recommends "false";
        APT::Sandbox::User "";
        Acquire::Languages "none";
        Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
        Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
        Acquire::Retries "3";
        {{string.Join('\n', host.Split('\n').Where(line => line.StartsWith("Acquire::http", StringComparison.OrdinalIgnoreCase)))}}

        """;

    private Task<string> AptAsync(string tool, string[] arguments, CancellationToken cancellationToken) =>
        RunAsync(_folder, tool, arguments, cancellationToken);

    private Task<string> RunAsync(string folder, string tool, string[] arguments, CancellationToken cancellationToken) =>
        HostTool.RunAsync(folder, tool, arguments, cancellationToken, ("APT_CONFIG", _configuration));
}
