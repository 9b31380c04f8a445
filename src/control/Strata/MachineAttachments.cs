using Microsoft.Extensions.Logging;

namespace Strata;

/// <summary>
/// What a machine is connected to in this process, beside its <see cref="MachineSpec"/>: nothing of it can be written down.
/// </summary>
public sealed record MachineAttachments
{
    /// <summary>Nothing.</summary>
    public static MachineAttachments None { get; } = new();

    /// <summary>Bytes the guest writes to its console device. Called on a vCPU's or device's thread; must not block for long.</summary>
    public Action<ReadOnlyMemory<byte>>? ConsoleOutput { get; init; }

    /// <summary>
    /// Bytes the guest writes to its first serial port while the console is another device. Called on a vCPU's thread; must not block
    /// for long.
    /// </summary>
    public Action<ReadOnlyMemory<byte>>? SerialOutput { get; init; }

    /// <summary>
    /// Hears of each reset that the machine goes on behind, by a sentence that says what it was. The machine stands still meanwhile: must
    /// not block, and not wait for the machine.
    /// </summary>
    public Action<string>? GuestReset { get; init; }

    /// <summary>Receives guest and host disassembly of every translated block; null for none. Slow.</summary>
    public TextWriter? TranslationTrace { get; init; }

    /// <summary>Receives what the machine has to report, by areas: docs/logging.md. Null for nobody.</summary>
    public ILoggerFactory? Loggers { get; init; }

    /// <summary>Networks of this process, by the names that <see cref="NetworkCard.Attached"/> gives them.</summary>
    public IReadOnlyDictionary<string, NetworkAttachment> Networks { get; init; } = new Dictionary<string, NetworkAttachment>();
}
