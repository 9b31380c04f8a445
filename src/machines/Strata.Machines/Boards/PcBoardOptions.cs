using Strata.Core.Execution;
using Strata.Core.Logging;
using Strata.Core.Memory;
using Strata.Core.Networking;
using Strata.Core.Sharing;
using Strata.Core.Sound;
using Strata.Core.Storage;
using Strata.Devices.Serial;
using Strata.Machines.Boot;
using Strata.Machines.Engines;
using Strata.Machines.Firmware;
using Strata.X86.Cpuid;
using Strata.X86.Translator;

namespace Strata.Machines.Boards;

/// <summary>What varies between machines of the pc board.</summary>
public sealed class PcBoardOptions
{
    /// <summary>Bytes of RAM that fit below the 64-bit PCI window.</summary>
    public const ulong LargestMemory = PcMemoryMap.PciWideWindowStart - PcMemoryMap.HighMemoryStart + PcMemoryMap.LowMemoryLimit;

    /// <summary>PCI devices that there are slots for, beside the host bridge.</summary>
    public const int MostPciDevices = PcMemoryMap.PciSlots - 1;

    /// <summary>
    /// PCI devices of this machine: what is asked for, the entropy source, which every machine has, and with firmware chipset and display.
    /// </summary>
    public int PciDevices =>
        1 + (Firmware is null ? 0 : 2) + (
            Console is null ? 0 : 1) + Disks.Count + Networks.Count + Shares.Count + (HasSockets ? 1 : 0) + (HasBalloon ? 1 : 0)
        + (UsbDevices.Count > 0 ? 1 : 0) + (Sound is null ? 0 : 1);

    /// <summary>Bytes of RAM; a multiple of 1 MiB, at least 8 MiB, at most <see cref="LargestMemory"/>.</summary>
    public required ulong MemorySize { get; init; }

    /// <summary>Makes the RAM, of so many bytes; the board disposes it.</summary>
    public Func<ulong, GuestMemory> CreateMemory { get; init; } = size => new GuestMemory(size);

    /// <summary>Processors, 1..64.</summary>
    public int Processors { get; init; } = 1;

    /// <summary>What executes guest code at the start.</summary>
    public EngineDescriptor Engine { get; init; } = EngineRegistry.Interpreter;

    /// <summary>What the processors can do.</summary>
    public CpuModel CpuModel { get; init; } = CpuModel.V2;

    /// <summary>Offer only what every engine of this host can run, so that the machine can be switched to any of them.</summary>
    public bool PortableCpu { get; init; }

    /// <summary>Offer guests that were built for KVM its clock, steal time, hypercalls and the like: on every engine.</summary>
    public bool Paravirtual { get; init; } = true;

    /// <summary>Use a KVM even if its self-test finds a defect: for small guests that do without what is broken.</summary>
    public bool AcceptsDefectiveKvm { get; init; }

    /// <summary>How the translator works, where it is the engine.</summary>
    public TranslatorOptions Translation { get; init; } = new();

    /// <summary>
    /// Opens what was kept of engines' work on code of this machine's memory; see <see cref="EngineSetup.OpenKeptCode"/>.
    /// </summary>
    public Func<ReadOnlyMemory<byte>, IKeptCode?>? OpenKeptCode { get; init; }

    /// <summary>For a machine that does the same in every run; null for one in real time.</summary>
    public DeterministicOptions? Deterministic { get; init; }

    /// <summary>Where the first serial port's output goes.</summary>
    public required ISerialBackend Serial { get; init; }

    /// <summary>Where the virtio console's output goes; null for a machine without one.</summary>
    public ISerialBackend? Console { get; init; }

    /// <summary>Disks, in the order in which the guest finds them. The board disposes them.</summary>
    public IReadOnlyList<IBlockBackend> Disks { get; init; } = [];

    /// <summary>What each of <see cref="Disks"/> is reached by; those without an entry are on virtio.</summary>
    public IReadOnlyList<DiskController> DiskControllers { get; init; } = [];

    /// <summary>Network cards, in the order in which the guest finds them. The board disposes their backends.</summary>
    public IReadOnlyList<NetworkCardOptions> Networks { get; init; } = [];

    /// <summary>Shared folders by their tags, and for how long the guest may use what it was told. The board disposes them.</summary>
    public IReadOnlyList<(string Tag, IFileShare Share, TimeSpan Validity)> Shares { get; init; } = [];

    /// <summary>The machine has sockets between host and guest (virtio-vsock).</summary>
    public bool HasSockets { get; init; }

    /// <summary>
    /// The machine has the devices of test suites: a scratch register, interrupt lines and memory that test programs drive.
    /// </summary>
    public bool HasTestDevices { get; init; }

    /// <summary>The machine has high-precision event timers (HPET).</summary>
    public bool HasHpet { get; init; }

    /// <summary>What is plugged into the machine's USB controller, each once; a machine for which there is nothing has none.</summary>
    public IReadOnlyList<UsbDeviceKind> UsbDevices { get; init; } = [];

    /// <summary>Where the machine's sound goes, by AC '97; null for a machine without. The board disposes it.</summary>
    public ISoundSink? Sound { get; init; }

    /// <summary>What the machine's SMBIOS tables say; null for a machine without.</summary>
    public SmbiosOptions? Smbios { get; init; }

    /// <summary>The machine has a memory balloon (virtio-balloon), through which the guest returns memory to the host.</summary>
    public bool HasBalloon { get; init; }

    /// <summary>Receives what devices have to report; null for nobody.</summary>
    public MachineLoggers? Loggers { get; init; }

    /// <summary>
    /// Whether the run ends where a reset is asked for; otherwise the guest starts again. Called on the thread that asks.
    /// </summary>
    public Func<MachineExit, bool> EndsOnReset { get; init; } = _ => false;

    /// <summary>Hears of each reset that the run survives, while the machine stands still: what would have been its end.</summary>
    public Action<MachineExit>? OnReset { get; init; }

    /// <summary>What tells the machine from others that begin where it was saved, until a saved state brings another.</summary>
    public Guid GenerationId { get; init; }

    /// <summary>Wall time at the start.</summary>
    public required DateTime StartTime { get; init; }

    /// <summary>
    /// The world's time, UTC, for a machine that lives in it: its wall time is set by it when it starts and when it goes on after a stop,
    /// and the guest can ask for it. Null for one whose wall time only follows from <see cref="StartTime"/>.
    /// </summary>
    public Func<DateTime>? WorldTime { get; init; }

    /// <summary>Firmware that starts the machine in place of <see cref="Kernel"/>; null for a machine without.</summary>
    public PcFirmwareOptions? Firmware { get; init; }

    /// <summary>Hears of each line that firmware writes to its log; on a vCPU's thread. Null for nobody.</summary>
    public Action<string>? OnFirmwareLog { get; init; }

    /// <summary>The kernel, kept for resets; null where <see cref="ReadImages"/> reads it, or where there is none.</summary>
    public required byte[]? Kernel { get; init; }

    /// <summary>
    /// Reads what the guest is started from, at each start anew, so that a machine that runs does not keep it; in the place of
    /// <see cref="Kernel"/>, <see cref="Initrd"/> and <see cref="Modules"/>. Null where those are it.
    /// </summary>
    public Func<BootImages>? ReadImages { get; init; }

    /// <summary>
    /// The guest is in the memory already, and its state is loaded before the start: what it is started from is needed after a reset.
    /// </summary>
    public bool StartsFromMemory { get; init; }

    /// <summary>What a kernel that has its own name in front of its command line finds there.</summary>
    public string KernelName { get; init; } = "kernel";

    public byte[]? Initrd { get; init; }

    /// <summary>The initrd's string where it is a module.</summary>
    public string InitrdName { get; init; } = "initrd";

    /// <summary>What a kernel is given beside the initrd, by protocols that know modules.</summary>
    public IReadOnlyList<BootModule> Modules { get; init; } = [];

    public string CommandLine { get; init; } = string.Empty;
}

/// <summary>A network card of the board.</summary>
/// <param name="Backend">What it is plugged into.</param>
/// <param name="MacAddress">Six bytes.</param>
/// <param name="Mtu">Bytes of the largest IP packet, 68..65535; a virtio card tells its driver.</param>
/// <param name="Model">Which chip it is.</param>
public sealed record NetworkCardOptions(
    INetworkBackend Backend, ReadOnlyMemory<byte> MacAddress, ushort Mtu = 1500, NetworkCardModel Model = NetworkCardModel.Virtio);
