using System.Globalization;
using Strata.Images;
using Strata.Machines.Engines;
using Strata.X86.Cpuid;

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

    /// <summary>How long a start waits for a first measurement.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    /// <summary>Kernel-mode speed below which nothing else can make an engine the best, in MIPS.</summary>
    private const double Hopeless = 100;

    private readonly ProbeCache _cache = new(cache ?? new ImageCache().Folder);

    /// <summary>Measures every engine, about half a second each, and remembers the result.</summary>
    public Task<IReadOnlyList<EngineMeasurement>> MeasureAsync(CancellationToken cancellationToken = default) => OnThreadAsync(() =>
    {
        List<EngineMeasurement> results = [];
        foreach (EngineDescriptor engine in EngineRegistry.All.Reverse()) // the slowest first, as tables show them
        {
            cancellationToken.ThrowIfCancellationRequested();
            results.Add(Measure(engine, FullSlice));
        }

        _cache.Write(results);
        return (IReadOnlyList<EngineMeasurement>)results;
    });

    /// <summary>
    /// What <see cref="Engine.Auto"/> is here: from the cache, or at once where only engines of known speed can run, or by a measurement of
    /// the others alone, which takes 10 ms where KVM is slow and 40 ms where it is fast. It does not keep the caller longer than 100 ms.
    /// </summary>
    public async Task<EngineChoice> ChooseAsync()
    {
        EngineDescriptor[] unknown = [.. EngineRegistry.All.Where(
            engine => engine.IsChosenByAuto && engine.TypicalSpeed is null && engine.FindObstacle() is null)];
        if (unknown.Length == 0)
        {
            EngineDescriptor best = BestByTypicalSpeed([]);
            IEnumerable<string> obstacles = EngineRegistry.All.TakeWhile(engine => engine != best).Where(engine => engine.IsChosenByAuto)
                .Select(engine => engine.FindObstacle()).OfType<string>();
            return new EngineChoice(new Engine(best.Name), $"Nothing faster can be used. {string.Join(" ", obstacles)}");
        }

        IReadOnlyList<EngineMeasurement>? results = _cache.Read();
        if (results is null)
        {
            Task<EngineMeasurement[]> measurement = OnThreadAsync(() => MeasureQuickly(unknown));
            try
            {
                results = await measurement.WaitAsync(Patience).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Its thread goes on, and the next start knows the result.
                string names = string.Join(" and ", unknown.Select(engine => engine.Name));
                return new EngineChoice(
                    new Engine(BestByTypicalSpeed([]).Name),
                    $"{names} could not be measured within {Patience.TotalMilliseconds:F0} ms, so it is slow or this host is busy; " +
                    $"`strata probe` measures it.");
            }
        }

        return Choose(results);
    }

    /// <summary>The choice behind engines that turned out not to run a machine.</summary>
    /// <param name="why">What the last one of them said.</param>
    internal static EngineChoice ChooseWithout(IReadOnlyList<Engine> failed, string why) =>
        new(new Engine(BestByTypicalSpeed(failed).Name), $"{failed[^1].Name} was faster but cannot run this machine. {why}");

    private EngineMeasurement[] MeasureQuickly(EngineDescriptor[] engines)
    {
        EngineMeasurement[] results = [.. engines.Select(engine => Measure(engine, QuickSlice, stopEarly: true))];
        _cache.Write(results);
        return results;
    }

    /// <summary>What was measured last on this host since it started; empty if nothing was.</summary>
    public IReadOnlyList<EngineMeasurement> ReadLast() => _cache.Read() ?? [];

    /// <summary>The choice that follows from measurements.</summary>
    public static EngineChoice Choose(IReadOnlyList<EngineMeasurement> results)
    {
        ArgumentNullException.ThrowIfNull(results);
        bool isPartial = results.All(result => EngineRegistry.Find(result.Engine.Name)?.TypicalSpeed is null);
        EngineMeasurement[] all = [.. results, .. isPartial ? [Estimate(BestByTypicalSpeed([]))] : Array.Empty<EngineMeasurement>()];
        EngineMeasurement best = all.Where(MayBeChosen).MinBy(result => result.MixSeconds)!;
        EngineMeasurement other = all.Where(result => result.Engine != best.Engine).MinBy(result => result.MixSeconds)!;
        string how = isPartial
            ? $"{string.Join(" and ", results.Select(result => result.Engine.Name))} measured on this host, {all[^1].Engine.Name} estimated"
            : "Measured on this host";
        return new EngineChoice(best.Engine, $"{how}: {Describe(best)}; {Describe(other)}.");
    }

    private static bool MayBeChosen(EngineMeasurement result) => EngineRegistry.Find(result.Engine.Name)?.IsChosenByAuto ?? true;

    /// <summary>Measures one engine.</summary>
    /// <param name="slice">Time for each of the four figures.</param>
    /// <param name="stopEarly">Leave the other figures zero if kernel mode alone rules the engine out.</param>
    internal static EngineMeasurement Measure(EngineDescriptor engine, TimeSpan slice, bool stopEarly = false)
    {
        try
        {
            return Run(engine, slice, stopEarly);
        }
        catch (Exception error) when (error is EngineUnavailableException or InvalidOperationException)
        {
            return new EngineMeasurement { Engine = new Engine(engine.Name), Unavailable = error.Message };
        }
    }

    /// <summary>The fastest that can run here, of those whose speed is known; the interpreter at least.</summary>
    private static EngineDescriptor BestByTypicalSpeed(IReadOnlyList<Engine> failed) => EngineRegistry.All
        .Where(engine => engine is { IsChosenByAuto: true, TypicalSpeed: not null } && failed.All(other => other.Name != engine.Name)
            && engine.FindObstacle() is null)
        .MinBy(engine => Estimate(engine).MixSeconds) ?? EngineRegistry.Interpreter;

    private static EngineMeasurement Estimate(EngineDescriptor engine) =>
        EngineMeasurement.Of(new Engine(engine.Name), engine.TypicalSpeed!);

    private static string Describe(EngineMeasurement m)
    {
        string name = m.Engine.Name;
        string defect = m.Defect is { } wrong ? $" (defective: {wrong})" : string.Empty;
        return m.Unavailable is { } cause
            ? $"{name} cannot run ({cause.TrimEnd('.')})"
            : m.UserMips <= 0
                ? string.Create(CultureInfo.InvariantCulture, $"{name} does {m.KernelMips:F1} MIPS in kernel mode{defect}")
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name} does {m.KernelMips:F1} MIPS in kernel mode and {m.UserMips:F0} in user mode, {m.ExitMicroseconds:F1} µs an " +
                    $"exit, {m.FaultMicroseconds:F1} µs a page fault{defect}");
    }

    private static EngineMeasurement Run(EngineDescriptor engine, TimeSpan slice, bool stopEarly)
    {
        CpuidPolicy policy = engine.Narrow(new CpuidPolicy()).Policy;
        using ProbeMachine machine = new(
            policy, engine.NeedsSharedMemory,
            (memory, ram) => engine.Create(new EngineSetup { Memory = memory, Ram = ram, Policy = policy, AcceptsDefects = true }));
        double kernelMips = machine.Measure(ProbeProgram.Loop, user: false, slice) * ProbeProgram.LoopInstructions / 1e6;
        if (stopEarly && kernelMips < Hopeless)
        {
            return new EngineMeasurement { Engine = new Engine(engine.Name), KernelMips = kernelMips };
        }

        return new EngineMeasurement
        {
            Engine = new Engine(engine.Name),
            Defect = engine.FindDefect(),
            KernelMips = kernelMips,
            UserMips = machine.Measure(ProbeProgram.Loop, user: true, slice) * ProbeProgram.LoopInstructions / 1e6,
            ExitMicroseconds = 1e6 / machine.Measure(ProbeProgram.Exit, user: false, slice),
            FaultMicroseconds = 1e6 / machine.Measure(ProbeProgram.Touch, user: true, slice),
        };
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
