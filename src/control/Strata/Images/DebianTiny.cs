using System.Text;

namespace Strata.Images;

/// <summary>
/// The smallest useful guest: Debian's current cloud kernel and a static busybox, both from Debian's packages by apt and dpkg,
/// with an initramfs built here.
/// </summary>
public sealed class DebianTiny : GuestImage
{
    public const string Name = "debian-tiny";

    /// <summary>Raised when the image is built differently: an older one in a cache is made again.</summary>
    private const string Recipe = "19";

    private const string KernelFile = "vmlinuz";
    private const string InitrdFile = "initrd";
    private const string AgentFile = "agent";

    /// <summary>What the agent runs on: perl and the libraries it is linked with.</summary>
    private static readonly string[] AgentPackages = ["perl-base", "libc6", "libcrypt1"];

    /// <summary>Drivers the shell should find loaded; what they depend on is loaded before them.</summary>
    private static readonly string[] Modules = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "button"];

    /// <summary>
    /// Drivers that are loaded where the machine has their device, by its PCI device number: most machines start sooner without.
    /// What two of them depend on has to be among <see cref="Modules"/>.
    /// </summary>
    private static readonly (string Device, string Module)[] DeviceModules =
    [
        ("0x1041", "virtio_net"), ("0x105a", "virtiofs"), ("0x1053", "vmw_vsock_virtio_transport"), ("0x1045", "virtio_balloon"),
        ("0x1053", "ptp_kvm"), // the agent sets the clock by it
    ];

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

    /// <param name="cache">Where it is kept, or null for the user's cache.</param>
    public DebianTiny(ImageCache? cache = null)
        : base(cache ?? new ImageCache(), Name, Recipe, KernelFile, InitrdFile, AgentFile)
    {
    }

    public override string Description => "Debian's kernel and a busybox shell; starts in a second";

    /// <summary>Nobody in it listens to the power button; busybox writes to the disks what is left and powers off.</summary>
    internal override GuestCommand PowerOffCommand => new(["busybox", "poweroff", "-f"]);

    public string KernelPath => PathOf(KernelFile);

    public string InitrdPath => PathOf(InitrdFile);

    /// <summary>
    /// An overlay for the initrd: perl and <see cref="GuestAgent"/>'s script, which the image starts. Needs a machine with sockets.
    /// </summary>
    public override string AgentInitrdPath => PathOf(AgentFile);

    /// <inheritdoc/>
    /// <remarks>There is no system that could be set up: only the defaults are accepted.</remarks>
    public override MachineSpec CreateSpec(GuestSetup setup)
    {
        ArgumentNullException.ThrowIfNull(setup);
        if (setup != GuestSetup.Default)
        {
            throw new StrataException(
                StrataError.BadInput, $"{Name} is a bare shell that takes no host name, time zone or SSH key; use {DebianImage.Name}.");
        }

        return new MachineSpec
        {
            Image = Name,
            Kernel = KernelPath,
            Initrd = InitrdPath,
            CommandLine = "console=ttyS0 quiet panic=-1",
            ImageFolder = Folder,
        };
    }

    private protected override async Task BuildIntoAsync(string staging, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        string work = Path.Combine(staging, "work");
        Directory.CreateDirectory(work);
        progress?.Report("Looking up Debian's current cloud kernel");
        DebianPackages packages = await DebianPackages.OpenAsync(work, cancellationToken).ConfigureAwait(false);
        BootPackages boot = await BootPackages.FetchAsync(packages, AgentPackages, work, progress, cancellationToken).ConfigureAwait(false);
        File.Copy(boot.Kernel, Path.Combine(staging, KernelFile));
        progress?.Report("Building the initramfs");
        using (FileStream initrd = File.Create(Path.Combine(staging, InitrdFile)))
        {
            WriteInitrd(initrd, boot.Root, boot.Busybox);
        }

        using (FileStream agent = File.Create(Path.Combine(staging, AgentFile)))
        {
            AgentOverlay.Write(agent, boot.Root);
        }

        Directory.Delete(work, recursive: true);
    }

    private static void WriteInitrd(Stream output, string root, string busybox)
    {
        CpioWriter cpio = new(output);
        foreach (
            string folder in (ReadOnlySpan<string>)[
                "bin", "sbin", "usr", "usr/bin", "usr/sbin", "proc", "sys", "dev", "tmp", "root", "mnt", "lib", "lib/modules", "etc"])
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
            foreach ((string module, byte[] content) in KernelModules.InLoadOrder(root, modules, seen))
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

    /// <summary>PID 1: mounts, modules, then a shell on the serial port; strata.run="COMMAND" runs one command and powers off.</summary>
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
        if grep -q console=hvc0 /proc/cmdline; then
            for wait in $(seq 100); do # its driver sets it up when the host has said that it is a console
                if grep -q hvc0 /sys/class/tty/console/active; then
                    exec </dev/hvc0 >/dev/hvc0 2>&1
                    break
                fi
                usleep 10000
            done
        fi
        for tag in $(sed -n 's/.*strata.shares=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' '); do
            mkdir -p "/mnt/$tag" && mount -t virtiofs "$tag" "/mnt/$tag"
        done
        [ -f /strata/start ] && . /strata/start
        poweroff() {'{'} /bin/busybox poweroff -f; {'}'}
        run=$(sed -n 's/.*strata.run="\([^"]*\)".*/\1/p; t; s/.*strata.run=\([^ ]*\).*/\1/p' /proc/cmdline)
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
