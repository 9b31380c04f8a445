using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Machines.Engines;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Translator.Keeping;

namespace Strata.Machines.Boards;

/// <summary>
/// The engines of one machine: the side of the machine that an engine has is made once and kept. Calls are serialized by the board.
/// </summary>
internal sealed class BoardEngines : IDisposable
{
    private readonly AddressSpace _memory;
    private readonly GuestMemory _ram;
    private readonly PcBoardOptions _options;
    private readonly ProcessorOffer _offer;
    private readonly Dictionary<EngineDescriptor, IMachineEngine> _engines = [];

    /// <param name="memory">RAM must be mapped.</param>
    /// <param name="ram">The machine's.</param>
    /// <param name="wanted">What the machine offers to its guest, before engines narrow it.</param>
    /// <exception cref="EngineUnavailableException">The host does not have the engine that the machine is to run on.</exception>
    public BoardEngines(AddressSpace memory, GuestMemory ram, PcBoardOptions options, CpuidPolicy wanted)
    {
        _memory = memory;
        _ram = ram;
        _options = options;
        _offer = options.Engine.Narrow(wanted);
        if (options.PortableCpu)
        {
            foreach (EngineDescriptor other in EngineRegistry.All.Where(engine => engine != options.Engine))
            {
                _offer = TryNarrow(other, _offer);
            }
        }

        Prepare(options.Engine);
    }

    /// <summary>What the guest is told of its processors.</summary>
    public CpuidPolicy Policy => _offer.Policy;

    /// <summary>What the processors' time-stamp counters show at the start, in ticks.</summary>
    public ulong TscOrigin => _offer.TscOrigin;

    /// <summary>Does what can fail, before anything is stopped for a new engine.</summary>
    /// <exception cref="EngineUnavailableException">The engine cannot run this machine.</exception>
    public void Prepare(EngineDescriptor engine)
    {
        if (!_engines.ContainsKey(engine))
        {
            _engines[engine] = engine.Create(new EngineSetup
            {
                Memory = _memory,
                Ram = _ram,
                Policy = Policy,
                Translation = _options.Translation,
                OpenKeptCode = identity => _options.OpenKeptCode?.Invoke(identity) is { } code ? new KeptPages(code, _ram) : null,
                AcceptsDefects = _options.AcceptsDefectiveKvm,
            });
        }
    }

    /// <summary>An engine over a processor as the last engine left it.</summary>
    public IX86Engine Create(EngineDescriptor engine, X86Cpu cpu) => _engines[engine].CreateVcpu(cpu);

    /// <summary>Marks what guests wrote behind everybody's back. No processor may run.</summary>
    public void HarvestDirtyPages(EngineDescriptor engine) => _engines[engine].HarvestDirtyPages();

    public void Dispose()
    {
        foreach (IMachineEngine engine in _engines.Values)
        {
            engine.Dispose();
        }
    }

    private static ProcessorOffer TryNarrow(EngineDescriptor engine, ProcessorOffer offer)
    {
        try
        {
            ProcessorOffer narrow = engine.FindObstacle() is null ? engine.Narrow(offer.Policy) : offer;
            return narrow with { TscOrigin = Math.Max(offer.TscOrigin, narrow.TscOrigin) };
        }
        catch (EngineUnavailableException)
        {
            return offer; // the machine cannot come to this engine anyway
        }
    }
}
