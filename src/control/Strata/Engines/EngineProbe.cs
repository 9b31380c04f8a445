using System.Globalization;
using Strata.Images;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Interpreter;
using Strata.X86.Kvm;
using Strata.X86.Translator;

namespace Strata.Engines;

/// <summary>
/// Finds the fastest engine of this host by running code on each: CPU flags and the existence of /dev/kvm predict nothing, as a
/// KVM that is itself virtualized can be hundreds of times slower than translation. The result is kept for the host's uptime.
/// Members are safe on any thread.
/// </summary>
/// <param name="cache">Cache folder, or null for $XDG_CACHE_HOME/strata or ~/.cache/strata.</param>
public sealed class EngineProbe(string? cache = null)
{
    /// <summary>Interpreter handlers may nest while they are not yet compiled to tail calls.</summary>
    private const int StackSize = 16 << 20;

    private static readonly TimeSpan FullSlice = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan QuickSlice = TimeSpan.FromMilliseconds(8);

    /// <summary>How long a start waits for the first measurement of KVM.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    /// <summary>Kernel-mode speed below which nothing else can make an engine the best, in MIPS.</summary>
    private const double Hopeless = 100;

    /// <summary>What a translator is worth that was not measured: on the slow side of what hosts show.</summary>
    private static readonly EngineMeasurement TypicalTranslator = new()
    {
        Engine = Engine.Translator,
        KernelMips = 1500,
        UserMips = 1500,
        ExitMicroseconds = 0.3,
        FaultMicroseconds = 1.5,
    };

    private readonly ProbeCache _cache = new(cache ?? new ImageCache().Folder);

    /// <summary>Measures every engine, about half a second each, and remembers the result.</summary>
    public Task<IReadOnlyList<EngineMeasurement>> MeasureAsync(CancellationToken cancellationToken = default) => OnThreadAsync(() =>
    {
        List<EngineMeasurement> results = [];
        foreach (Engine engine in (Engine[])[Engine.Interpreter, Engine.Translator, Engine.Kvm])
        {
            cancellationToken.ThrowIfCancellationRequested();
            results.Add(Measure(engine, FullSlice));
        }

        _cache.Write(results);
        return (IReadOnlyList<EngineMeasurement>)results;
    });

    /// <summary>
    /// What <see cref="Engine.Auto"/> is here: from the cache, or without a KVM at once, or by a measurement of KVM alone
    /// that takes 10 ms where it is slow and 40 ms where it is fast. It does not keep the caller longer than 100 ms.
    /// </summary>
    public async Task<EngineChoice> ChooseAsync()
    {
        if (!Translator.IsSupported)
        {
            return new EngineChoice(Engine.Interpreter, "This host is no x64 Linux, so only the interpreter runs.");
        }

        if (!KvmDevice.CanOpen(out string reason))
        {
            return new EngineChoice(Engine.Translator, $"KVM cannot be used. {reason}");
        }

        IReadOnlyList<EngineMeasurement>? results = _cache.Read();
        if (results is null)
        {
            Task<EngineMeasurement> measurement = OnThreadAsync(MeasureKvm);
            try
            {
                results = [await measurement.WaitAsync(Patience).ConfigureAwait(false)];
            }
            catch (TimeoutException)
            {
                // Its thread goes on, and the next start knows the result.
                return new EngineChoice(Engine.Translator, $"KVM could not be measured within {Patience.TotalMilliseconds:F0} ms, so it is slow or this host is busy; `strata probe` measures it.");
            }
        }

        return Choose(results);
    }

    private EngineMeasurement MeasureKvm()
    {
        EngineMeasurement result = Measure(Engine.Kvm, QuickSlice, stopEarly: true);
        _cache.Write([result]);
        return result;
    }

    /// <summary>What was measured last on this host since it started; empty if nothing was.</summary>
    public IReadOnlyList<EngineMeasurement> ReadLast() => _cache.Read() ?? [];

    /// <summary>The choice that follows from measurements.</summary>
    public static EngineChoice Choose(IReadOnlyList<EngineMeasurement> results)
    {
        ArgumentNullException.ThrowIfNull(results);
        bool measured = results.Any(result => result.Engine == Engine.Translator);
        EngineMeasurement[] all = [.. results, .. measured ? Array.Empty<EngineMeasurement>() : [TypicalTranslator]];
        EngineMeasurement best = all.MinBy(result => result.MixSeconds)!;
        EngineMeasurement other = all.Where(result => result.Engine != best.Engine).MinBy(result => result.MixSeconds)!;
        return new EngineChoice(best.Engine, $"{(measured ? "Measured on this host" : "KVM measured on this host, the translator estimated")}: {Describe(best)}; {Describe(other)}.");
    }

    /// <summary>Measures one engine.</summary>
    /// <param name="slice">Time for each of the four figures.</param>
    /// <param name="stopEarly">Leave the other figures zero if kernel mode alone rules the engine out.</param>
    internal static EngineMeasurement Measure(Engine engine, TimeSpan slice, bool stopEarly = false)
    {
        try
        {
            return Run(engine, slice, stopEarly);
        }
        catch (Exception error) when (error is KvmUnavailableException or PlatformNotSupportedException or InvalidOperationException)
        {
            return new EngineMeasurement { Engine = engine, Unavailable = error.Message };
        }
    }

    private static string Describe(EngineMeasurement m)
    {
        string name = EngineNames.Of(m.Engine);
        string defect = m.Defect is { } wrong ? $" (defective: {wrong})" : string.Empty;
        return m.Unavailable is { } cause
            ? $"{name} cannot run ({cause.TrimEnd('.')})"
            : m.UserMips <= 0
                ? string.Create(CultureInfo.InvariantCulture, $"{name} does {m.KernelMips:F1} MIPS in kernel mode{defect}")
                : string.Create(CultureInfo.InvariantCulture, $"{name} does {m.KernelMips:F1} MIPS in kernel mode and {m.UserMips:F0} in user mode, {m.ExitMicroseconds:F1} µs an exit, {m.FaultMicroseconds:F1} µs a page fault{defect}");
    }

    private static EngineMeasurement Run(Engine engine, TimeSpan slice, bool stopEarly)
    {
        using KvmDevice? device = engine == Engine.Kvm ? KvmDevice.Open() : null;
        CpuidPolicy policy = device?.Adapt(new CpuidPolicy()) ?? new CpuidPolicy();
        KvmMachine? kvm = null;
        try
        {
            using ProbeMachine machine = new(policy, wiring => engine switch
            {
                Engine.Interpreter => new Interpreter(wiring),
                Engine.Translator => new Translator(wiring, new TranslatorOptions()),
                _ => new KvmEngine(wiring, kvm = new KvmMachine(device!, wiring.Memory, policy)),
            });
            double kernelMips = machine.Measure(ProbeProgram.Loop, user: false, slice) * ProbeProgram.LoopInstructions / 1e6;
            if (stopEarly && kernelMips < Hopeless)
            {
                return new EngineMeasurement { Engine = engine, KernelMips = kernelMips };
            }

            return new EngineMeasurement
            {
                Engine = engine,
                Defect = device is null ? null : KvmSelfTest.FindDefect(device),
                KernelMips = kernelMips,
                UserMips = machine.Measure(ProbeProgram.Loop, user: true, slice) * ProbeProgram.LoopInstructions / 1e6,
                ExitMicroseconds = 1e6 / machine.Measure(ProbeProgram.Exit, user: false, slice),
                FaultMicroseconds = 1e6 / machine.Measure(ProbeProgram.Touch, user: true, slice),
            };
        }
        finally
        {
            kvm?.Dispose();
        }
    }

    /// <summary>A thread of its own: engines bind to the thread and want a deep stack.</summary>
    private static Task<T> OnThreadAsync<T>(Func<T> work)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread thread = new(
            () =>
            {
                try
                {
                    done.SetResult(work());
                }
#pragma warning disable CA1031 // handed to whoever awaits
                catch (Exception error)
#pragma warning restore CA1031
                {
                    done.SetException(error);
                }
            },
            StackSize) { IsBackground = true, Name = "strata-probe" };
        thread.Start();
        return done.Task;
    }
}
