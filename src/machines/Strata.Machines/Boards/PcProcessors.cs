using Strata.Core.Execution;
using Strata.Core.Interrupts;
using Strata.Core.Posix;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Machines.Boot;
using Strata.Machines.Engines;
using Strata.X86.Apic;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.Machines.Boards;

/// <summary>The processors of a board and the engine that executes them all. Calls are serialized by the board, except as said.</summary>
internal sealed class PcProcessors : IDisposable
{
    /// <summary>
    /// UEFI firmware maps all that there could be by pages of 2 MiB; the last of it here is the wide PCI window, below 1 TiB.
    /// </summary>
    private const int FirmwareAddressBits = 40;

    /// <summary>Hz. UEFI firmware for virtual machines takes the APIC's timer for one of 1 GHz: its clock is made of it.</summary>
    private const uint FirmwareCrystalFrequency = 1_000_000_000;

    private static readonly TimeSpan PauseCheck = TimeSpan.FromMilliseconds(10);

    private readonly PcBoard _board;
    private readonly BoardWiring _wiring;
    private readonly List<PcProcessor> _all = [];
    private readonly List<LocalApic> _apics = [];
    private BoardEngines? _engines;

    public PcProcessors(PcBoard board, BoardWiring wiring)
    {
        _board = board;
        _wiring = wiring;
        Engine = wiring.Options.Engine;
    }

    /// <summary>All of them, by index; complete once they have been made. Any thread.</summary>
    public IReadOnlyList<PcProcessor> All => _all;

    /// <summary>What executes them now.</summary>
    public EngineDescriptor Engine { get; private set; }

    /// <summary>Makes them. Apart from the constructor, so that those made when one fails can be disposed.</summary>
    /// <exception cref="EngineUnavailableException">The host does not have the engine, or it cannot run this machine.</exception>
    public void Create(IPicAcknowledge pic)
    {
        PcBoardOptions options = _wiring.Options;
        AwakeProcessors awake = new();
        CpuidPolicy offered = new()
        {
            ProcessorCount = options.Processors,
            Model = options.CpuModel,
            Paravirtual = ParavirtualFeatures(options),
        };
        if (options.Firmware is { Variables.Length: > 0 })
        {
            offered = offered with { PhysicalAddressBits = FirmwareAddressBits, CrystalFrequency = FirmwareCrystalFrequency };
        }

        _engines = new BoardEngines(_wiring.Memory, _board.Ram, options, offered);
        CpuidPolicy policy = _engines.Policy;
        for (int i = 0; i < options.Processors; i++)
        {
            PcProcessor? processor = null;
            LocalApic apic = new((uint)i, _wiring.Clock, _wiring.Apics, policy, i == 0 ? pic : null, () => processor!.Cpu.ReadTsc());
            _apics.Add(apic);
            KvmHypercallInterface hypercalls = new(i, policy, _wiring.Memory, apic, _wiring.Wall);
            processor = Create(
                new X86CpuWiring
                {
                    Index = i,
                    Memory = _wiring.Memory,
                    Ports = _wiring.Ports,
                    Clock = _wiring.Clock,
                    LocalApic = apic,
                    Cpuid = policy,
                    Hypercalls = hypercalls,
                    LookForStandstill = _wiring.Clock is RealTimeClock clock ? clock.LookForGap : null,
                    Random = options.Deterministic is { } deterministic ? deterministic.NextRandom : X86CpuWiring.HostRandom,
                },
                apic,
                hypercalls,
                awake);
            _all.Add(processor);
            apic.Connect(processor);
        }
    }

    /// <summary>
    /// Puts the processors on the roster: time-stamp counters before the APICs whose timers compare with them, and those before the
    /// paravirtual interface, which gives them the guest's flag.
    /// </summary>
    public void Enlist(UnitRoster roster)
    {
        foreach (PcProcessor processor in _all)
        {
            roster.Add(processor.Cpu);
            roster.Add(processor.Apic);
            roster.Add(processor.Hypercalls);
        }
    }

    /// <summary>By how much each time-stamp counter differs from virtual time, apart from what the guest changed, in ticks.</summary>
    public IReadOnlyList<ulong> TimeStampOffsets() =>
        [.. _all.Select(processor => processor.Cpu.State.TscOffset - processor.Cpu.State.TscAdjust)];

    /// <summary>Puts them where a guest begins: the first one at its entry, the others waiting to be started.</summary>
    /// <param name="entry">Null for the reset vector, where firmware begins.</param>
    /// <param name="timeStampOffsets">For each of them, in ticks; null at the first start.</param>
    public void Enter(BootEntry? entry, IReadOnlyList<ulong>? timeStampOffsets = null)
    {
        _all[0].Cpu.SetState(entry is null ? X86CpuState.AtReset() : BootState.Create(_wiring.Memory, entry));
        for (int i = 1; i < _all.Count; i++)
        {
            X86CpuState waiting = X86CpuState.AtReset();
            waiting.Activity = ActivityState.WaitForStartup;
            _all[i].Cpu.SetState(waiting);
        }

        for (int i = 0; i < _all.Count; i++)
        {
            _all[i].Cpu.State.TscOffset = timeStampOffsets?[i] ?? _engines!.TscOrigin;
        }
    }

    /// <summary>The engines' work on code, while all of them stand still; null for an engine whose work cannot be kept.</summary>
    public (ReadOnlyMemory<byte> Identity, IReadOnlyList<ICodeCapture> Captures)? CaptureCode() =>
        _all[0].Engine is ICodeKeeper first
            ? (first.CodeIdentity, [.. _all.Select(processor => ((ICodeKeeper)processor.Engine).CaptureCode(_board.Ram))])
            : null;

    public void Start() => _all.ForEach(processor => processor.Thread.Start());

    /// <summary>Any thread.</summary>
    public void RequestStop() => _all.ForEach(processor => processor.Thread.RequestStop());

    /// <summary>Any thread.</summary>
    public void RequestPause() => _all.ForEach(processor => processor.Thread.RequestPause());

    /// <summary>Waits until all of them stand still.</summary>
    /// <param name="hasEnded">Asked from time to time.</param>
    /// <returns>False if the machine has ended meanwhile.</returns>
    public bool WaitUntilPaused(Func<bool> hasEnded)
    {
        foreach (PcProcessor processor in _all)
        {
            while (!processor.Thread.WaitPaused(PauseCheck))
            {
                if (hasEnded())
                {
                    return false;
                }
            }
        }

        return !hasEnded();
    }

    public void Resume() => _all.ForEach(processor => processor.Thread.Resume());

    public void Join() => _all.ForEach(processor => processor.Thread.Join());

    /// <summary>The host did not run this process, or not its clock's thread. Any thread.</summary>
    public void PostStandstill() => _all.ForEach(processor => processor.Cpu.PostStoodStill());

    /// <summary>The PICs' INTR output changed. Any thread.</summary>
    public void OnPicOutput(bool high)
    {
        if (high && _apics.Count > 0)
        {
            _apics[0].NotifyExternal();
        }
    }

    /// <summary>CR3 of the processor whose instruction is served on the calling thread; null on any other.</summary>
    public ulong? CurrentAddressSpace => _all.Find(processor => processor.Thread.IsCurrent)?.Engine.AddressSpace;

    /// <summary>Which user code may run on all of them, which stand still; null for all, on any thread.</summary>
    public void SetUserHold(UserCodeHold? hold)
    {
        _all.ForEach(processor => processor.Cpu.UserHold = hold);
        if (hold is null)
        {
            _all.ForEach(processor => processor.Kick());
        }
    }

    /// <summary>Does what can fail, before anything is stopped for a new engine.</summary>
    /// <exception cref="EngineUnavailableException">The engine cannot run this machine.</exception>
    public void Prepare(EngineDescriptor engine) => _engines!.Prepare(engine);

    /// <summary>Replaces the engine of all processors, which stand still: of all or of none.</summary>
    public void ReplaceEngines(EngineDescriptor wanted)
    {
        BoardEngines engines = _engines!;
        EngineDescriptor old = Engine;
        engines.HarvestDirtyPages(old);
        int done = 0;
        try
        {
            for (; done < _all.Count; done++)
            {
                _all[done].ReplaceEngine(cpu => engines.Create(wanted, cpu), cpu => engines.Create(old, cpu));
            }

            Engine = wanted;
        }
        catch
        {
            // Code is tracked within one engine only.
            for (int i = 0; i < done; i++)
            {
                _all[i].ReplaceEngine(cpu => engines.Create(old, cpu), cpu => engines.Create(old, cpu));
            }

            throw;
        }
    }

    /// <summary>Frees them; nobody interrupts them any more.</summary>
    public void Dispose()
    {
        _apics.ForEach(apic => apic.Dispose());
        _all.ForEach(processor => processor.Dispose());
        _engines?.Dispose();
    }

    /// <summary>Steal time needs a host that tells it; a deterministic machine has none, but the guest may ask.</summary>
    private static ParavirtFeatures ParavirtualFeatures(PcBoardOptions options) => !options.Paravirtual ? ParavirtFeatures.None
        : options.Deterministic != null || RunDelay.IsAvailable ? ParavirtFeatures.All
        : ParavirtFeatures.All & ~ParavirtFeatures.StealTime;

    private PcProcessor Create(X86CpuWiring wiring, LocalApic apic, IHypercallInterface hypercalls, AwakeProcessors awake)
    {
        X86Cpu? cpu = null;
        IX86Engine? engine = null;
        try
        {
            if (_wiring.Options.Deterministic is { CreateEngine: { } create })
            {
                engine = create(wiring);
                cpu = engine.Cpu;
            }
            else
            {
                cpu = new X86Cpu(wiring);
                engine = _engines!.Create(Engine, cpu);
            }

            return new PcProcessor(_board, _wiring, cpu, apic, hypercalls, engine, awake);
        }
        catch
        {
            engine?.Dispose();
            cpu?.Dispose();
            throw;
        }
    }
}
