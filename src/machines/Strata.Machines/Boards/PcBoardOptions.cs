using Strata.Core.Storage;
using Strata.Devices.Serial;
using Strata.X86.Translator;

namespace Strata.Machines.Boards;

/// <summary>What varies between machines of the pc board.</summary>
public sealed class PcBoardOptions
{
    /// <summary>Bytes of RAM that fit below the 64-bit PCI window.</summary>
    public const ulong LargestMemory = PcMemoryMap.PciWideWindowStart - PcMemoryMap.HighMemoryStart + PcMemoryMap.LowMemoryLimit;

    /// <summary>Bytes of RAM; a multiple of 1 MiB, at least 8 MiB, at most <see cref="LargestMemory"/>.</summary>
    public required ulong MemorySize { get; init; }

    /// <summary>Processors, 1..64.</summary>
    public int Processors { get; init; } = 1;

    public EngineKind Engine { get; init; }

    /// <summary>Offer only what every engine of this host can run, so that the machine can be switched to any of them.</summary>
    public bool PortableCpu { get; init; }

    /// <summary>Use a KVM even if <see cref="Strata.X86.Kvm.KvmSelfTest"/> finds a defect: for small guests that do without what is broken.</summary>
    public bool AcceptsDefectiveKvm { get; init; }

    /// <summary>How the translator works, where it is the engine.</summary>
    public TranslatorOptions Translation { get; init; } = new();

    /// <summary>Where the first serial port's output goes.</summary>
    public required ISerialBackend Serial { get; init; }

    /// <summary>Where the virtio console's output goes; null for a machine without one.</summary>
    public ISerialBackend? Console { get; init; }

    /// <summary>Disks, in the order in which the guest finds them. The board disposes them.</summary>
    public IReadOnlyList<IBlockBackend> Disks { get; init; } = [];

    /// <summary>Wall time of the RTC at start.</summary>
    public required DateTime StartTime { get; init; }

    public required byte[] Kernel { get; init; }

    public byte[]? Initrd { get; init; }

    public string CommandLine { get; init; } = string.Empty;
}
