using Strata.Core.Bus;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Interpreter;
using Strata.X86.Kvm;
using Strata.X86.Translator;

namespace Strata.Machines.Boards;

/// <summary>Makes the engines of one machine; KVM's side of the machine is made once and kept. Calls are serialized by the board.</summary>
internal sealed class BoardEngines : IDisposable
{
    private readonly AddressSpace _memory;
    private readonly PcBoardOptions _options;
    private readonly CpuidPolicy _policy;
    private KvmMachine? _kvm;

    /// <param name="memory">RAM must be mapped.</param>
    /// <param name="wanted">What the machine offers to its guest, before engines narrow it.</param>
    /// <exception cref="KvmUnavailableException">The machine is to run on KVM, which this host does not have.</exception>
    public BoardEngines(AddressSpace memory, PcBoardOptions options, CpuidPolicy wanted)
    {
        _memory = memory;
        _options = options;
        _policy = wanted;
        if (options.Engine == EngineKind.Kvm)
        {
            OpenKvm(narrow: true);
        }
        else if (options.PortableCpu && TryOpenDevice() is { } device)
        {
            using (device)
            {
                Policy = device.Adapt(wanted);
                TscOrigin = device.TscOrigin;
            }
        }
    }

    /// <summary>What the guest is told of its processors.</summary>
    public CpuidPolicy Policy
    {
        get => field ?? _policy;
        private set;
    }

    /// <summary>What the processors' time-stamp counters show at the start, in ticks.</summary>
    public ulong TscOrigin { get; private set; }

    /// <summary>Does what can fail, before anything is stopped for a new engine.</summary>
    /// <exception cref="KvmUnavailableException">KVM cannot run this machine.</exception>
    public void Prepare(EngineKind kind)
    {
        if (kind == EngineKind.Kvm && _kvm is null)
        {
            OpenKvm(narrow: false);
        }
    }

    /// <summary>An engine over a processor as the last engine left it.</summary>
    public IX86Engine Create(EngineKind kind, X86Cpu cpu) => kind switch
    {
        EngineKind.Translator => new Translator(cpu, _options.Translation with { IsOnlyProcessor = _options.Processors == 1 }),
        EngineKind.Kvm => new KvmEngine(cpu, _kvm ?? throw new InvalidOperationException("KVM has not been prepared.")),
        _ => new Interpreter(cpu),
    };

    /// <summary>Marks what guests wrote behind everybody's back. No processor may run.</summary>
    public void HarvestDirtyPages() => _kvm?.HarvestDirtyPages();

    public void Dispose() => _kvm?.Dispose();

    private static KvmDevice? TryOpenDevice()
    {
        try
        {
            return KvmDevice.Open();
        }
        catch (KvmUnavailableException)
        {
            return null; // the host's other engines take any processor
        }
    }

    private void OpenKvm(bool narrow)
    {
        KvmDevice device = KvmDevice.Open();
        try
        {
            if (!_options.AcceptsDefectiveKvm && KvmSelfTest.FindDefect(device) is { } defect)
            {
                throw new KvmUnavailableException($"This host's KVM is defective: {defect}. Use --engine translator, or run on the host below this one.");
            }

            if (narrow)
            {
                Policy = device.Adapt(_policy);
                TscOrigin = device.TscOrigin;
            }

            _kvm = new KvmMachine(device, _memory, Policy, logsDirtyPages: false, ownsDevice: true);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }
}
