using Strata.Engines;
using Strata.Images;

namespace Strata;

/// <summary>
/// What machine to start: data, which can be written as JSON and read again. What is alive, such as streams, is in
/// <see cref="MachineAttachments"/>.
/// </summary>
public sealed partial record MachineSpec
{
    /// <summary>The most <see cref="Processors"/>.</summary>
    public const int MostProcessors = 64;

    /// <summary>The least <see cref="Memory"/>, and what it is a multiple of, in bytes.</summary>
    public const ulong SmallestMemory = 8 << 20, MemoryUnit = 1 << 20;

    /// <summary>The most <see cref="Memory"/>, in bytes.</summary>
    public const ulong LargestMemory = 511UL << 30;

    /// <summary>
    /// What others on named switches call the machine, and what its addresses there come from; null for a name of no use to others.
    /// </summary>
    public string? Name { get; init; }

    /// <summary>
    /// An image that kernel, initial RAM disk, command line and first disk come from, where there is no <see cref="Kernel"/>. Beside a
    /// kernel it only says where that came from.
    /// </summary>
    public string? Image { get; init; }

    /// <summary>What the system of <see cref="Image"/> is told when it starts.</summary>
    public GuestSetup Setup { get; init; } = GuestSetup.Default;

    /// <summary>
    /// Keeps the disk of <see cref="Image"/> under a name or in a folder, see <see cref="KeptMachines"/>; null to throw changes away.
    /// </summary>
    public string? Keep { get; init; }

    /// <summary>
    /// The folder of a <see cref="GuestImage"/> that kernel, initial RAM disk and disk are of, which may be built anew at any moment:
    /// they are opened again until they are of one build. Null for files that belong together by themselves.
    /// </summary>
    public string? ImageFolder { get; init; }

    /// <summary>
    /// Path of a Linux bzImage, an ELF image with a PVH entry or a Multiboot image; null for that of <see cref="Image"/>.
    /// </summary>
    public string? Kernel { get; init; }

    /// <summary>Path of an initial RAM disk, or null.</summary>
    public string? Initrd { get; init; }

    /// <summary>Further initial RAM disks, unpacked over the first in this order.</summary>
    public IReadOnlyList<string> InitrdOverlays { get; init; } = [];

    /// <summary>What a Multiboot or PVH kernel is given behind the initial RAM disk.</summary>
    public IReadOnlyList<ModuleFile> Modules { get; init; } = [];

    /// <summary>
    /// Kernel command line; null for "console=ttyS0". With the kernel of <see cref="Image"/>: what is added to the image's own.
    /// A Multiboot kernel finds its path in front of it.
    /// </summary>
    public string? CommandLine { get; init; }

    /// <summary>
    /// What starts the machine; null for firmware where there is neither a kernel nor an image, and something to start from: which one is
    /// chosen by what the disks hold.
    /// </summary>
    public FirmwareKind? Firmware { get; init; }

    /// <summary>
    /// File that keeps the variables of <see cref="FirmwareKind.Ovmf"/>, such as what it starts; it is made where it does not exist. Null
    /// for variables that end with the machine; snapshots have them in any case.
    /// </summary>
    public string? FirmwareVariables { get; init; }

    /// <summary>What firmware tries to start from, in this order; what is left out comes last, and the network is left alone.</summary>
    public IReadOnlyList<BootDevice> Boot { get; init; } = [BootDevice.Disk, BootDevice.Cdrom, BootDevice.Floppy];

    /// <summary>Firmware shows a menu of what there is to start from, and waits a few seconds for a key.</summary>
    public bool BootMenu { get; init; }

    /// <summary>Bytes of RAM; a whole number of MiB, 8 MiB to 511 GiB.</summary>
    public ulong Memory { get; init; } = 512UL << 20;

    /// <summary>Processors, 1..64.</summary>
    public int Processors { get; init; } = 1;

    /// <summary>How guest code is executed.</summary>
    public Engine Engine { get; init; } = Engine.Auto;

    /// <summary>
    /// What the guest's processors can do: one of <see cref="CpuNames.All"/>, or a level with extensions such as x86-64-v2+sha; null for
    /// "host". A machine's snapshots, and its specification as <c>inspect</c> shows it, have what that stood for.
    /// </summary>
    public string? Cpu { get; init; }

    /// <summary>
    /// Offer the guest only what every engine of this host can run, so that <see cref="VirtualMachine.SwitchEngineAsync"/> can move the
    /// machine to any of them. A machine that starts on KVM always is so.
    /// </summary>
    public bool PortableCpu { get; init; }

    /// <summary>
    /// Offer a guest that was built for KVM its clock, steal time, wake-ups and interrupts by hypercall: on every engine. Without it the
    /// guest finds no hypervisor that it knows.
    /// </summary>
    public bool Paravirtual { get; init; } = true;

    /// <summary>What happens where the guest resets its machine.</summary>
    public ResetPolicy Reset { get; init; }

    /// <summary>Give the machine the devices that kvm-unit-tests drive; operating systems know nothing of them.</summary>
    public bool TestDevices { get; init; }

    /// <summary>
    /// Use the host's KVM even if it is found to execute something wrongly: for small guests that do without. An operating system's
    /// programs crash there.
    /// </summary>
    public bool AcceptsDefectiveKvm { get; init; }

    /// <summary>Name translated blocks for Linux perf in /tmp/perf-PID.map.</summary>
    public bool WritePerfMap { get; init; }

    /// <summary>
    /// Disk images; the guest finds those of virtio-blk as /dev/vda, /dev/vdb …, others as <see cref="DiskSpec.Bus"/> says. A path alone
    /// will do.
    /// </summary>
    public IReadOnlyList<DiskSpec> Disks { get; init; } = [];

    /// <summary>
    /// Network cards (virtio-net), eth0 first. By default one, on a user-mode network with access to the host's; [] for none.
    /// </summary>
    public IReadOnlyList<NetworkCard> Networks { get; init; } = [NetworkCard.User()];

    /// <summary>Folders of the host that the guest can mount (virtio-fs).</summary>
    public IReadOnlyList<FolderShare> Shares { get; init; } = [];

    /// <summary>
    /// Gives the machine sockets between host and guest (virtio-vsock): see <see cref="VirtualMachine.ConnectAsync"/>,
    /// <see cref="VirtualMachine.Listen"/> and <see cref="VirtualMachine.Agent"/>.
    /// </summary>
    public bool Sockets { get; init; }

    /// <summary>
    /// Gives the machine a memory balloon (virtio-balloon): its guest returns free memory to the host, and more on request by
    /// <see cref="VirtualMachine.Balloon"/>. Machines of an image have one in any case.
    /// </summary>
    public bool Balloon { get; init; }

    /// <summary>Gives the machine high-precision event timers (HPET), beside the timers that every PC has.</summary>
    public bool Hpet { get; init; }

    /// <summary>Devices on a USB controller, each once; without any the machine has no controller.</summary>
    public IReadOnlyList<UsbDevice> Usb { get; init; } = [];

    /// <summary>A sound card; null for none.</summary>
    public SoundSpec? Sound { get; init; }

    /// <summary>What the guest reads about its machine in SMBIOS tables; a machine for which nothing is said has none.</summary>
    public SmbiosSpec Smbios { get; init; } = new();

    /// <summary>
    /// What cloud-init in the guest is told, by a disc in a CD drive where the machine's disks are on IDE, otherwise by a read-only
    /// virtio-blk disk behind the others. Null for nothing.
    /// </summary>
    public CloudInitSpec? CloudInit { get; init; }

    /// <summary>Which device <see cref="VirtualMachine.Console"/> is.</summary>
    public ConsoleDevice Console { get; init; } = ConsoleDevice.Serial;
}

/// <summary>A device that can be the machine's console.</summary>
public enum ConsoleDevice
{
    /// <summary>The first serial port: ttyS0 in Linux.</summary>
    Serial,

    /// <summary>virtio-console: hvc0 in Linux, faster, but silent until its driver is loaded.</summary>
    Virtio,
}
