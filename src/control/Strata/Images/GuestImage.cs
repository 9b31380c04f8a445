namespace Strata.Images;

/// <summary>A guest that Strata knows how to make and start. Members are safe on any thread and in several processes.</summary>
public abstract class GuestImage
{
    internal const string RecipeFile = "recipe";

    private readonly string _recipe;
    private readonly string[] _files;

    /// <param name="recipe">Raised when the image is built differently: an older one in a cache is made again.</param>
    /// <param name="files">What the image consists of.</param>
    private protected GuestImage(ImageCache cache, string imageName, string recipe, params string[] files)
    {
        Cache = cache;
        ImageName = imageName;
        _recipe = recipe;
        _files = files;
    }

    /// <summary>What the image is called on the command line.</summary>
    public string ImageName { get; }

    /// <summary>One line for people.</summary>
    public abstract string Description { get; }

    /// <summary>Where the image is, or would be.</summary>
    public string Folder => Cache.PathOf(ImageName);

    /// <summary>True if the image can be used without making it first.</summary>
    public bool IsCached => Array.TrueForAll(_files, file => File.Exists(PathOf(file)))
        && ReadRecipe() == _recipe;

    /// <summary>When the image in the cache was made (UTC), or null if there is none.</summary>
    public DateTime? Built => IsCached ? File.GetLastWriteTimeUtc(PathOf(RecipeFile)) : null;

    /// <summary>
    /// An overlay for the initial RAM disk that starts <see cref="GuestAgent"/>'s script in the guest; null if the image has it.
    /// </summary>
    public virtual string? AgentInitrdPath => null;

    /// <summary>What shuts the guest down where its system does not listen to the power button; null where it does.</summary>
    internal virtual GuestCommand? PowerOffCommand => null;

    /// <summary>
    /// Whether what starts at its console throws away what was typed before: <see cref="GuestAgent.WaitForConsoleReaderAsync"/> says
    /// when to type.
    /// </summary>
    public virtual bool DropsTypedAhead => false;

    private protected ImageCache Cache { get; }

    /// <summary>What the kernel's command line needs so that the image mounts these folders at /mnt/TAG; empty for none.</summary>
    public static string MountOption(IReadOnlyList<FolderShare> shares)
    {
        ArgumentNullException.ThrowIfNull(shares);
        return shares.Count == 0 ? string.Empty : " strata.shares=" + string.Join(',', shares.Select(share => share.Tag));
    }

    /// <summary>A machine that starts this image, for the caller to complete. The image has to be in the cache.</summary>
    /// <param name="setup">What the guest shall be told.</param>
    public abstract MachineSpec CreateSpec(GuestSetup setup);

    /// <summary>
    /// Adds to a machine of this image what its services need: the agent and the socket that it is reached by, mounts for the machine's
    /// shared folders, output on the device that is its console, and the balloon by which the guest returns what it does not use. For a
    /// spec that is complete but for that.
    /// </summary>
    /// <param name="spec">Of <see cref="CreateSpec"/>, with what the caller wants.</param>
    public MachineSpec Equip(MachineSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        string console = spec.Console == ConsoleDevice.Virtio ? " console=hvc0" : string.Empty;
        return spec with
        {
            CommandLine = spec.CommandLine + console + MountOption(spec.Shares),
            InitrdOverlays = AgentInitrdPath is { } agent ? [.. spec.InitrdOverlays, agent] : spec.InitrdOverlays,
            Sockets = true,
            Balloon = true,
        };
    }

    /// <summary>
    /// Starts a machine of this image, which is built first if it is not in the cache. Returns while the guest boots:
    /// <see cref="VirtualMachine.Agent"/> waits for it.
    /// </summary>
    /// <param name="configure">What the machine shall have beside the image, such as processors; null for the defaults.</param>
    /// <param name="setup">What the guest shall be told; null for nothing.</param>
    /// <param name="progress">Receives a line for each step of a build.</param>
    /// <param name="attachments">What the machine is connected to in this process; null for nothing.</param>
    /// <example>
    /// <code>
    /// await using VirtualMachine machine = await new DebianTiny().StartAsync(spec => spec with { Processors = 2 });
    /// GuestResult result = await machine.Agent.RunAsync(GuestCommand.Shell("uname -r"));
    /// </code>
    /// </example>
    /// <exception cref="StrataException">The image cannot be built, or the machine not be started.</exception>
    public async Task<VirtualMachine> StartAsync(
        Func<MachineSpec, MachineSpec>? configure = null,
        GuestSetup? setup = null,
        IProgress<string>? progress = null,
        MachineAttachments? attachments = null,
        CancellationToken cancellationToken = default)
    {
        await EnsureAsync(progress, cancellationToken).ConfigureAwait(false);
        MachineSpec spec = CreateSpec(setup ?? GuestSetup.Default);
        return await VirtualMachine.StartAsync(
            Equip(configure?.Invoke(spec) ?? spec), attachments, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes sure that the image is in the cache.</summary>
    /// <param name="progress">Receives a line for each step that takes long.</param>
    /// <exception cref="StrataException">A tool is missing, or the packages cannot be fetched.</exception>
    public async Task EnsureAsync(IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        if (IsCached)
        {
            return;
        }

        using IDisposable hold = await Cache.LockAsync(ImageName, progress, cancellationToken).ConfigureAwait(false);
        if (!IsCached)
        {
            await BuildLockedAsync(progress, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Makes the image anew; one that is in the cache serves until the new one is complete.</summary>
    /// <inheritdoc cref="EnsureAsync"/>
    public async Task BuildAsync(IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        using IDisposable hold = await Cache.LockAsync(ImageName, progress, cancellationToken).ConfigureAwait(false);
        await BuildLockedAsync(progress, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes the image from the cache.</summary>
    /// <returns>Whether it was there.</returns>
    public async Task<bool> RemoveAsync(CancellationToken cancellationToken = default)
    {
        using IDisposable hold = await Cache.LockAsync(ImageName, progress: null, cancellationToken).ConfigureAwait(false);
        return Cache.Remove(ImageName);
    }

    /// <summary>Bytes that the image takes on the host's disk; 0 if it is not there.</summary>
    public async Task<long> MeasureAsync(CancellationToken cancellationToken = default) =>
        Directory.Exists(Folder) ? await HostTool.MeasureAsync(Folder, cancellationToken).ConfigureAwait(false) : 0;

    /// <summary>What the image in the cache was made by; null if there is none, or somebody is removing it just now.</summary>
    private string? ReadRecipe()
    {
        try
        {
            return File.ReadAllText(PathOf(RecipeFile));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private protected string PathOf(string file) => Path.Combine(Folder, file);

    /// <summary>Makes the files of the image in a folder.</summary>
    private protected abstract Task BuildIntoAsync(string staging, IProgress<string>? progress, CancellationToken cancellationToken);

    private Task BuildLockedAsync(IProgress<string>? progress, CancellationToken cancellationToken) =>
        Cache.ReplaceAsync(ImageName, async staging =>
    {
        await BuildIntoAsync(staging, progress, cancellationToken).ConfigureAwait(false);
        await File.WriteAllTextAsync(Path.Combine(staging, RecipeFile), _recipe, cancellationToken).ConfigureAwait(false);
    });
}
