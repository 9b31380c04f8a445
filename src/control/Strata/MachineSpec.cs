namespace Strata;

/// <summary>What machine to start.</summary>
public sealed record MachineSpec
{
    /// <summary>Path of a Linux bzImage.</summary>
    public required string Kernel { get; init; }

    /// <summary>Path of an initial RAM disk, or null.</summary>
    public string? Initrd { get; init; }

    /// <summary>Kernel command line.</summary>
    public string CommandLine { get; init; } = "console=ttyS0";

    /// <summary>Bytes of RAM; a whole number of MiB, 8 MiB to 511 GiB.</summary>
    public ulong Memory { get; init; } = 512UL << 20;

    /// <summary>Processors, 1..64.</summary>
    public int Processors { get; init; } = 1;

    /// <summary>How guest code is executed.</summary>
    public Engine Engine { get; init; } = Engine.Auto;

    /// <summary>Receives guest and host disassembly of every translated block; null for none. Slow.</summary>
    public TextWriter? TranslationTrace { get; init; }

    /// <summary>Name translated blocks for Linux perf in /tmp/perf-PID.map.</summary>
    public bool WritePerfMap { get; init; }

    /// <summary>Raw disk images; the guest finds them as /dev/vda, /dev/vdb … (virtio-blk).</summary>
    public IReadOnlyList<string> Disks { get; init; } = [];

    /// <summary>
    /// A raw image that stays as it is: the guest's first disk, before <see cref="Disks"/>. What the guest writes there goes to a
    /// temporary file and is gone at the machine's end. Null for none.
    /// </summary>
    public string? ScratchDisk { get; init; }

    /// <summary>Which device <see cref="VirtualMachine.Console"/> is.</summary>
    public ConsoleDevice Console { get; init; } = ConsoleDevice.Serial;

    /// <summary>Bytes the guest writes to its console device. Called on a vCPU's or device's thread; must not block for long.</summary>
    public Action<ReadOnlyMemory<byte>>? ConsoleOutput { get; init; }

    /// <summary>
    /// Bytes the guest writes to its first serial port while the console is another device. Called on a vCPU's thread; must not block
    /// for long.
    /// </summary>
    public Action<ReadOnlyMemory<byte>>? SerialOutput { get; init; }
}

/// <summary>How guest code is executed.</summary>
public enum Engine
{
    /// <summary>The fastest that this host supports.</summary>
    Auto,

    /// <summary>The portable reference.</summary>
    Interpreter,

    /// <summary>Binary translation; needs an x64 Linux host.</summary>
    Translator,
}

/// <summary>A device that can be the machine's console.</summary>
public enum ConsoleDevice
{
    /// <summary>The first serial port: ttyS0 in Linux.</summary>
    Serial,

    /// <summary>virtio-console: hvc0 in Linux, faster, but silent until its driver is loaded.</summary>
    Virtio,
}
