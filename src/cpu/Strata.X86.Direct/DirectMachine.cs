using Strata.Core.Memory;
using Strata.X86.Direct.Stub;
using Strata.X86.Translator;

namespace Strata.X86.Direct;

/// <summary>What the processors of a machine need to run programs directly.</summary>
public sealed class DirectMachine : IDisposable
{
    /// <param name="ram">
    /// The machine's RAM, of <see cref="MemoryForm.Shared"/>. That of a restored or cloned machine is private: everything is translated
    /// there.
    /// </param>
    /// <exception cref="DirectUnavailableException">The host or the memory is not fit for it; the message says why.</exception>
    public DirectMachine(GuestMemory ram, TranslatorOptions translation, DirectChoice choice = DirectChoice.Measured)
    {
        ArgumentNullException.ThrowIfNull(ram);
        ArgumentNullException.ThrowIfNull(translation);
        if (FindObstacle() is { } obstacle)
        {
            throw new DirectUnavailableException(obstacle);
        }

        (Ram, Translation, Choice) = (ram, translation, choice);
        if (ram.Form == MemoryForm.Private)
        {
            return;
        }

        if (ram is not { Form: MemoryForm.Shared, File: { } file })
        {
            throw new DirectUnavailableException(
                "The machine's memory cannot be mapped by the processes of its programs, as it was started on another engine. Start the " +
                "machine with --engine direct.");
        }

        Host = new StubHost(file);
        try
        {
            Host.Start().Dispose(); // what the host forbids is found now
        }
        catch
        {
            Host.Dispose();
            throw;
        }
    }

    /// <summary>The machine's RAM.</summary>
    public GuestMemory Ram { get; }

    /// <summary>How kernel code is translated.</summary>
    public TranslatorOptions Translation { get; }

    /// <summary>How it is decided what runs directly.</summary>
    public DirectChoice Choice { get; }

    /// <summary>Null where everything is translated.</summary>
    internal StubHost? Host { get; }

    /// <summary>Why this host cannot, as far as that can be said without starting a process; null if nothing is known.</summary>
    public static string? FindObstacle() =>
        !X86.Translator.Translator.IsSupported ? "Direct execution needs an x64 Linux host; use the interpreter here."
        : (HostCalls.AuxiliaryValue(HostCalls.Capabilities) & HostCalls.SegmentBases) == 0
            ? "Direct execution needs a host whose programs may set segment bases (RDFSBASE; Linux 5.9 and newer). Use --engine translator."
        : null;

    public void Dispose() => Host?.Dispose();
}
