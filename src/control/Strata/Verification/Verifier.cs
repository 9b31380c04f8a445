using Strata.Machines.Boot;

namespace Strata.Verification;

/// <summary>
/// Runs a guest on the translator and on the interpreter, as two whole machines with the same deterministic time, and compares
/// registers after every block and memory at intervals. Stops at the first difference and finds the instruction.
/// </summary>
public sealed class Verifier
{
    /// <summary>How much closer a pass looks at memory than the one before.</summary>
    private const long Zoom = 100;

    private readonly VerificationSpec _spec;
    private readonly IProgress<VerificationProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private long _comparisons;
    private long _adopted;

    private Verifier(VerificationSpec spec, IProgress<VerificationProgress>? progress, CancellationToken cancellation)
    {
        _spec = spec;
        _progress = progress;
        _cancellation = cancellation;
    }

    /// <summary>Verifies on a thread of its own, with the stack that the interpreter needs.</summary>
    /// <exception cref="StrataException">An image cannot be read or booted, or the host lacks the memory.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static async Task<VerificationResult> RunAsync(
        VerificationSpec spec, IProgress<VerificationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        Check(spec);
        List<BootModule> modules = [];
        foreach (ModuleFile module in spec.Modules)
        {
            modules.Add(new BootModule(await ReadAsync(module.Path, "module", cancellationToken).ConfigureAwait(false), module.Text));
        }

        GuestFiles files = new(
            await ReadAsync(spec.Kernel, "kernel", cancellationToken).ConfigureAwait(false),
            spec.Initrd is null ? null : await ReadAsync(spec.Initrd, "initrd", cancellationToken).ConfigureAwait(false),
            modules);
        Verifier verifier = new(spec, progress, cancellationToken);
        return await LargeStack.RunAsync(() => verifier.Run(files)).ConfigureAwait(false);
    }

    private static void Check(VerificationSpec spec)
    {
        if (!X86.Translator.Translator.IsSupported)
        {
            throw new StrataException(
                StrataError.Host, "Verification compares the translator with the interpreter; the translator needs an x64 Linux host.");
        }

        if (spec.Processors is < 1 or > 64)
        {
            throw new StrataException(StrataError.BadInput, $"A machine has 1 to 64 processors, not {spec.Processors}.");
        }

        if (spec.From < 0 || spec.Every < 0 || spec.Limit < 0 || spec.MemoryEvery < 1)
        {
            throw new StrataException(
                StrataError.BadInput,
                "Instruction numbers and intervals must not be negative; memory is compared every 1 or more instructions.");
        }
    }

    private VerificationResult Run(GuestFiles files)
    {
        try
        {
            LockstepWindow window = new()
            {
                Phase = "comparing",
                IsFirst = true,
                From = _spec.From,
                Every = _spec.Every,
                MemoryEvery = _spec.MemoryEvery,
            };
            VerificationResult result = Pass(files, window);
            while (result.Divergence is { IsExact: false } divergence && Narrower(window, divergence) is { } closer)
            {
                window = closer;
                VerificationResult next = Pass(files, window);
                if (next.Divergence == null)
                {
                    break; // looking closer has made it go away: what is known is the answer
                }

                result = next;
            }

            if (result.Divergence is { IsExact: false, Registers.Count: > 0 } block && window.Every == 0)
            {
                result = result with { Divergence = InstructionSearch.Narrow(_spec, files, block, _progress, _cancellation) };
            }

            return result with { Comparisons = _comparisons, AdoptedFlags = _adopted };
        }
        catch (Exception error) when (error is BootImageException or InsufficientMemoryException)
        {
            throw new StrataException(error is InsufficientMemoryException ? StrataError.Host : StrataError.BadInput, error.Message, error);
        }
    }

    private VerificationResult Pass(GuestFiles files, LockstepWindow window)
    {
        using Lockstep lockstep = new(_spec, files, window, _progress);
        Divergence? divergence = lockstep.Run(_cancellation);
        _comparisons += lockstep.Comparisons;
        _adopted += lockstep.AdoptedFlags;
        return new VerificationResult(lockstep.Instructions, 0, 0, lockstep.Exit, divergence);
    }

    /// <summary>A pass that looks closer between the last common point and the difference; null if none can.</summary>
    private static LockstepWindow? Narrower(LockstepWindow window, Divergence divergence)
    {
        bool isMemory = divergence.Registers.Count == 0;
        if (isMemory ? window is { Every: 0, MemoryEvery: 1 } : window.Every == 0)
        {
            return null;
        }

        return new LockstepWindow
        {
            Phase = "looking closer",
            From = divergence.Before,
            Every = 0,
            MemoryEvery = isMemory
                ? Math.Max(1, Math.Min(window.MemoryEvery, divergence.After - divergence.Before) / Zoom)
                : long.MaxValue / 2,
            LastSame = divergence.Before,
            LastSameMemory = divergence.Before,
        };
    }

    private static async Task<byte[]> ReadAsync(string path, string what, CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StrataException(StrataError.BadInput, $"The {what} {path} cannot be read: {error.Message} Check the path.", error);
        }
    }
}
