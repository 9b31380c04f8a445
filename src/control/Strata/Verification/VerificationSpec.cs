namespace Strata.Verification;

/// <summary>What two engines are to be compared on.</summary>
public sealed record VerificationSpec
{
    /// <summary>Path of a Linux bzImage, or another kernel that a machine can boot.</summary>
    public required string Kernel { get; init; }

    /// <summary>Path of an initial RAM disk, or null.</summary>
    public string? Initrd { get; init; }

    /// <summary>What a Multiboot or PVH kernel is given behind the initial RAM disk.</summary>
    public IReadOnlyList<ModuleFile> Modules { get; init; } = [];

    /// <summary>Kernel command line. Multiboot kernels find the kernel's path in front of it.</summary>
    public string CommandLine { get; init; } = "console=ttyS0";

    /// <summary>Bytes of RAM of each of the two machines; a whole number of MiB.</summary>
    public ulong Memory { get; init; } = 256UL << 20;

    /// <summary>Processors, 1..64; they run in turns.</summary>
    public int Processors { get; init; } = 1;

    /// <summary>Seed of the random numbers that the guest gets.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Instructions executed before the first comparison. Up to there the machines run fast.</summary>
    public long From { get; init; }

    /// <summary>Instructions between two comparisons of registers; 0 compares after every translated block.</summary>
    public long Every { get; init; }

    /// <summary>Instructions between two comparisons of all memory.</summary>
    public long MemoryEvery { get; init; } = 50_000_000;

    /// <summary>Ends the run, as if the guest had stopped, after so many instructions; 0 for no limit.</summary>
    public long Limit { get; init; }

    /// <summary>Text after which the guest waits for a line.</summary>
    public string Prompt { get; init; } = "# ";

    /// <summary>Lines typed at the first serial port, one each time that the guest prints <see cref="Prompt"/>.</summary>
    public IReadOnlyList<string> Input { get; init; } = [];

    /// <summary>Bytes that the guest prints on its first serial port.</summary>
    public Action<ReadOnlyMemory<byte>>? ConsoleOutput { get; init; }

    /// <summary>
    /// Makes the engine under test flip a bit of RAX after the instruction of this number, counted from 1: for trying out whether a fault
    /// is found. 0 for none.
    /// </summary>
    public long FaultAt { get; init; }
}

/// <summary>How far a verification is.</summary>
/// <param name="Phase">What is being done, a few words.</param>
/// <param name="Instructions">Executed on each machine.</param>
/// <param name="Comparisons">Of registers.</param>
/// <param name="VirtualTime">Of the guest.</param>
public readonly record struct VerificationProgress(string Phase, long Instructions, long Comparisons, TimeSpan VirtualTime);
