using Strata.Control;
using Strata.Core.Logging;
using Strata.Engines;
using Strata.Machines.Engines;

namespace Strata;

/// <summary>Which engine runs the machine, and moving it to another.</summary>
public sealed partial class VirtualMachine
{
    private const int KeptSwitches = 64;

    private readonly List<EngineSwitch> _switches = []; // under itself

    /// <summary>The engine that the machine was started on, and why.</summary>
    public EngineChoice InitialEngine { get; }

    /// <summary>The engine that runs the machine now.</summary>
    public Engine Engine => new(_board.Engine.Name);

    /// <summary>
    /// Moves the running machine to another engine at an instruction boundary. The guest notices nothing but the time it takes; no
    /// memory is copied.
    /// </summary>
    /// <param name="engine">The engine; <see cref="Engine.Auto"/> for the fastest here.</param>
    /// <returns>How long the processors stood still.</returns>
    /// <exception cref="StrataException">The host cannot run this machine on that engine, or the machine has ended. It stays on the old
    /// one.</exception>
    public async Task<TimeSpan> SwitchEngineAsync(Engine engine, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        Engine target = engine == Engine.Auto ? (await new EngineProbe().ChooseAsync().ConfigureAwait(false)).Engine : engine;
        EngineDescriptor wanted = EngineNames.Find(target);
        try
        {
            Engine before = Engine;
            TimeSpan pause = await Task.Run(() => _board.SwitchEngine(wanted), cancellationToken).ConfigureAwait(false);
            if (pause > TimeSpan.Zero)
            {
                LogMove(_loggers.For(LogAreas.Engine), before, target, pause.TotalMilliseconds);
                Note(new EngineSwitch(before, target, pause.TotalMilliseconds, DateTime.UtcNow));
            }

            return pause;
        }
        catch (EngineUnavailableException error)
        {
            throw new StrataException(StrataError.Host, error.Message, error);
        }
        catch (InvalidOperationException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }

    /// <summary>Which engine runs the machine, and why.</summary>
    public EngineReport ExplainEngine()
    {
        lock (_switches)
        {
            return new EngineReport
            {
                Engine = Engine,
                InitialEngine = InitialEngine.Engine,
                Reason = InitialEngine.Reason,
                Switches = [.. _switches],
                Measurements = [.. new EngineProbe().ReadLast().Select(EngineFigures.Of)],
                Counters = DescribeCounters().Split('\n'),
            };
        }
    }

    private void Note(EngineSwitch done)
    {
        lock (_switches)
        {
            if (_switches.Count == KeptSwitches)
            {
                _switches.RemoveAt(0);
            }

            _switches.Add(done);
        }
    }

    private static async Task<EngineChoice> ChooseEngineAsync(MachineSpec spec) => spec.Engine == Engine.Auto
        ? await new EngineProbe().ChooseAsync().ConfigureAwait(false)
        : new EngineChoice(spec.Engine, "Asked for.");
}
