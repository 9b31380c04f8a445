using System.Buffers.Binary;
using System.Text;

namespace Strata.Images;

/// <summary>
/// The smallest useful guest: Debian's current cloud kernel and a static busybox, both from Debian's packages by apt and dpkg,
/// with an initramfs built here. Cached per user; a damaged or half-made cache entry is made again.
/// </summary>
public sealed class DebianTiny
{
    public const string Name = "debian-tiny";

    private const string KernelPackage = "linux-image-cloud-amd64";
    private const string BusyboxPackage = "busybox-static";

    /// <summary>What the agent runs on: perl and the libraries it is linked with.</summary>
    private static readonly string[] AgentPackages = ["perl-base", "libc6", "libcrypt1"];

    /// <summary>Raised when the image is built differently: an older one in a cache is made again.</summary>
    private const string Recipe = "8";

    private const long SmallestKernel = 4 << 20;
    private const long SmallestBusybox = 500 << 10;

    /// <summary>Drivers the shell should find loaded; what they depend on is loaded before them.</summary>
    private static readonly string[] Modules = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_rng"];

    /// <summary>
    /// Drivers that are loaded where the machine has their device, by its PCI device number: most machines start sooner without.
    /// What two of them depend on has to be among <see cref="Modules"/>.
    /// </summary>
    private static readonly (string Device, string Module)[] DeviceModules =
        [("0x1041", "virtio_net"), ("0x105a", "virtiofs"), ("0x1053", "vmw_vsock_virtio_transport"), ("0x1045", "virtio_balloon")];

    /// <summary>What udhcpc runs with a lease in its environment.</summary>
    private const string DhcpScript =
        """
        #!/bin/busybox sh
        [ "$1" = bound ] || [ "$1" = renew ] || exit 0
        ip addr replace "$ip/$mask" dev "$interface"
        ip route replace default via "${router%% *}" dev "$interface"
        : > /etc/resolv.conf
        for server in $dns; do echo "nameserver $server" >> /etc/resolv.conf; done

        """;

    /// <summary>EWOULDBLOCK: what an open of a file that somebody else has for himself fails with.</summary>
    private const int LockedByAnother = 11;

    private readonly string _folder;

    /// <param name="cache">Cache folder, or null for $XDG_CACHE_HOME/strata or ~/.cache/strata.</param>
    public DebianTiny(string? cache = null) => _folder = Path.Combine(cache ?? DefaultCache(), Name);

    public string KernelPath => Path.Combine(_folder, "vmlinuz");

    public string InitrdPath => Path.Combine(_folder, "initrd");

    /// <summary>An overlay for the initrd: perl and <see cref="GuestAgent"/>'s script, which the image starts. Needs a machine with sockets.</summary>
    public string AgentInitrdPath => Path.Combine(_folder, "agent");

    /// <summary>True if the image can be used without fetching anything.</summary>
    public bool IsCached => File.Exists(KernelPath) && File.Exists(InitrdPath) && File.Exists(AgentInitrdPath)
        && File.Exists(RecipePath) && File.ReadAllText(RecipePath) == Recipe;

    private string RecipePath => Path.Combine(_folder, "recipe");

    /// <summary>Makes sure that the image is in the cache.</summary>
    /// <param name="progress">Receives a line for each step that takes long.</param>
    /// <exception cref="StrataException">A tool is missing, or the packages cannot be fetched.</exception>
    public async Task EnsureAsync(IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        if (IsCached)
        {
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(_folder)!);
        using FileStream turn = await TakeTurnAsync(cancellationToken).ConfigureAwait(false);
        if (IsCached)
        {
            return; // somebody else made it meanwhile
        }

        string work = Directory.CreateTempSubdirectory("strata-image-").FullName;
        string staging = $"{_folder}.{Environment.ProcessId}.new";
        try
        {
            Directory.CreateDirectory(staging);
            await BuildAsync(work, staging, progress, cancellationToken).ConfigureAwait(false);
            if (Directory.Exists(_folder))
            {
                Directory.Delete(_folder, recursive: true);
            }

            Directory.Move(staging, _folder);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
            if (Directory.Exists(staging))
            {
                Directory.Delete(staging, recursive: true);
            }
        }
    }

    /// <summary>What the kernel's command line needs so that the image mounts these folders at /mnt/TAG; empty for none.</summary>
    public static string MountOption(IReadOnlyList<FolderShare> shares)
    {
        ArgumentNullException.ThrowIfNull(shares);
        return shares.Count == 0 ? string.Empty : " strata.shares=" + string.Join(',', shares.Select(share => share.Tag));
    }

    internal static string DefaultCache()
    {
        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        return Path.Combine(string.IsNullOrEmpty(cache) ? Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "/tmp", ".cache") : cache, "strata");
    }

    /// <summary>One at a time makes the image, in this process and in others.</summary>
    private async Task<FileStream> TakeTurnAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return new FileStream(_folder + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException error) when (error.HResult == LockedByAnother)
            {
                await Task.Delay(100, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static async Task BuildAsync(string work, string staging, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        progress?.Report("Looking up Debian's current cloud kernel");
        string package = await FindKernelPackageAsync(work, cancellationToken).ConfigureAwait(false);
        progress?.Report($"Fetching {package} and {BusyboxPackage}");
        await HostTool.RunAsync(work, "apt-get", ["download", package, BusyboxPackage, .. AgentPackages], cancellationToken).ConfigureAwait(false);
        progress?.Report("Unpacking");
        string root = Path.Combine(work, "root");
        foreach (string file in Directory.GetFiles(work, "*.deb"))
        {
            await HostTool.RunAsync(work, "dpkg-deb", ["-x", file, root], cancellationToken).ConfigureAwait(false);
        }

        string kernel = Directory.GetFiles(Path.Combine(root, "boot"), "vmlinuz-*").FirstOrDefault()
            ?? throw new StrataException(StrataError.ImageUnavailable, $"The package {package} holds no kernel; run apt-get update and try again.");
        string busybox = Path.Combine(root, "bin", "busybox");
        CheckKernel(kernel);
        CheckBusybox(busybox);
        File.Copy(kernel, Path.Combine(staging, "vmlinuz"));
        progress?.Report("Building the initramfs");
        await File.WriteAllTextAsync(Path.Combine(staging, "recipe"), Recipe, cancellationToken).ConfigureAwait(false);
        using FileStream initrd = File.Create(Path.Combine(staging, "initrd"));
        WriteInitrd(initrd, root, busybox);
        using FileStream agent = File.Create(Path.Combine(staging, "agent"));
        AgentOverlay.Write(agent, root);
    }

    /// <summary>The versioned package behind the metapackage.</summary>
    private static async Task<string> FindKernelPackageAsync(string work, CancellationToken cancellationToken)
    {
        string depends = await HostTool.RunAsync(work, "apt-cache", ["depends", KernelPackage], cancellationToken).ConfigureAwait(false);
        return depends.Split('\n')
            .Select(line => line.Trim())
            .Where(line => line.StartsWith("Depends: linux-image-", StringComparison.Ordinal))
            .Select(line => line["Depends: ".Length..])
            .FirstOrDefault()
            ?? throw new StrataException(
                StrataError.ImageUnavailable, $"apt knows no package {KernelPackage}: run `apt-get update` (as root) once, on Debian or a host with its package lists, and try again.");
    }

    private static void CheckKernel(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> head = stackalloc byte[0x206];
        if (file.Length < SmallestKernel || file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length
            || !head.Slice(0x202, 4).SequenceEqual("HdrS"u8))
        {
            throw new StrataException(StrataError.ImageUnavailable, "The kernel package holds no usable bzImage; fetch it again.");
        }
    }

    private static void CheckBusybox(string path)
    {
        if (!File.Exists(path) || new FileInfo(path).Length < SmallestBusybox
            || BinaryPrimitives.ReadUInt32BigEndian(File.ReadAllBytes(path).AsSpan(0, 4)) != 0x7F454C46)
        {
            throw new StrataException(StrataError.ImageUnavailable, $"The package {BusyboxPackage} holds no usable busybox; fetch it again.");
        }
    }

    private static void WriteInitrd(Stream output, string root, string busybox)
    {
        CpioWriter cpio = new(output);
        foreach (string folder in (ReadOnlySpan<string>)["bin", "sbin", "usr", "usr/bin", "usr/sbin", "proc", "sys", "dev", "tmp", "root", "mnt", "lib", "lib/modules", "etc"])
        {
            cpio.AddDirectory(folder);
        }

        cpio.AddCharacterDevice("dev/console", 5, 1);
        cpio.AddFile("bin/busybox", File.ReadAllBytes(busybox), executable: true);
        cpio.AddLink("bin/sh", "busybox");
        StringBuilder load = new();
        HashSet<string> seen = [];
        void Load(string[] modules)
        {
            foreach ((string module, byte[] content) in InLoadOrder(root, modules, seen))
            {
                cpio.AddFile($"lib/modules/{module}.ko", content, executable: false);
                load.Append("insmod /lib/modules/").Append(module).Append(".ko\n");
            }
        }

        Load(Modules);
        foreach ((string device, string module) in DeviceModules)
        {
            load.Append("if grep -q ").Append(device).Append(" /sys/bus/pci/devices/*/device; then\n");
            Load([module]);
            load.Append("fi\n");
        }

        cpio.AddFile("etc/udhcpc.script", Encoding.UTF8.GetBytes(DhcpScript), executable: true);
        cpio.AddFile("init", Encoding.UTF8.GetBytes(InitScript(load.ToString())), executable: true);
        cpio.Finish();
    }

    /// <summary>The modules and what they depend on, dependencies first, without those seen before; what is built into the kernel has no file.</summary>
    private static List<(string Module, byte[] Content)> InLoadOrder(string root, string[] modules, HashSet<string> seen)
    {
        Dictionary<string, string> files = Directory.EnumerateFiles(root, "*.ko", SearchOption.AllDirectories)
            .GroupBy(file => Path.GetFileNameWithoutExtension(file).Replace('-', '_'))
            .ToDictionary(group => group.Key, group => group.First());
        List<(string Module, byte[] Content)> order = [];
        void Visit(string module)
        {
            if (!seen.Add(module) || !files.TryGetValue(module, out string? file))
            {
                return;
            }

            byte[] content = File.ReadAllBytes(file);
            foreach (string dependency in DependenciesOf(content))
            {
                Visit(dependency);
            }

            order.Add((module, content));
        }

        foreach (string module in modules)
        {
            Visit(module);
        }

        return order;
    }

    /// <summary>The "depends=" entry of a module's .modinfo section.</summary>
    private static string[] DependenciesOf(ReadOnlySpan<byte> module)
    {
        ReadOnlySpan<byte> key = "\0depends="u8;
        int at = module.IndexOf(key);
        if (at < 0)
        {
            return [];
        }

        ReadOnlySpan<byte> value = module[(at + key.Length)..];
        return Encoding.ASCII.GetString(value[..Math.Max(0, value.IndexOf((byte)0))])
            .Split(',', StringSplitOptions.RemoveEmptyEntries)
            .Select(name => name.Replace('-', '_'))
            .ToArray();
    }

    /// <summary>PID 1: mounts, modules, then a shell on the serial port; strata.run=COMMAND runs one command and powers off.</summary>
    private static string InitScript(string loadModules) =>
        $"""
        #!/bin/busybox sh
        /bin/busybox --install -s
        mount -t proc proc /proc
        mount -t sysfs sysfs /sys
        mount -t devtmpfs devtmpfs /dev
        mount -t tmpfs tmpfs /tmp
        hostname debian-tiny
        export HOME=/root PATH=/bin:/sbin:/usr/bin:/usr/sbin TERM=linux
        {loadModules}
        if [ -e /sys/class/net/eth0 ]; then
            ip link set lo up
            ip link set eth0 up
            udhcpc -i eth0 -s /etc/udhcpc.script -n -q -t 3 -T 1 >/dev/null 2>&1
        fi
        if grep -q console=hvc0 /proc/cmdline && [ -c /dev/hvc0 ]; then
            exec </dev/hvc0 >/dev/hvc0 2>&1
        fi
        for tag in $(sed -n 's/.*strata.shares=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' '); do
            mkdir -p "/mnt/$tag" && mount -t virtiofs "$tag" "/mnt/$tag"
        done
        [ -f /strata/start ] && . /strata/start
        poweroff() {'{'} /bin/busybox poweroff -f; {'}'}
        run=$(sed -n 's/.*strata.run="\([^"]*\)".*/\1/p' /proc/cmdline)
        if [ -n "$run" ]; then
            sh -c "$run"
            /bin/busybox poweroff -f
        fi
        cd /root
        cat > /root/.profile <<'END'
        alias poweroff='/bin/busybox poweroff -f'
        alias reboot='/bin/busybox reboot -f'
        PS1='debian-tiny:\w# '
        END
        echo
        echo "Debian's kernel $(uname -r) with busybox. poweroff ends the machine."
        while true; do
            ENV=/root/.profile setsid cttyhack sh -l
        done

        """;
}
