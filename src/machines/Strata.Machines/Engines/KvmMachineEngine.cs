using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Kvm;

namespace Strata.Machines.Engines;

/// <summary>KVM's side of a machine: its memory slots and vCPUs, which outlive a switch to another engine.</summary>
internal sealed class KvmMachineEngine : IMachineEngine
{
    private readonly KvmDevice _device;
    private readonly KvmMachine _machine;

    private KvmMachineEngine(KvmDevice device, EngineSetup setup)
    {
        _device = device;
        _machine = new KvmMachine(device, setup.Memory, setup.Policy);
    }

    public static EngineDescriptor Descriptor { get; } = new()
    {
        Name = "kvm",
        Description = "The CPU's own virtualization, through the host's KVM.",
        Needs = "/dev/kvm, and a KVM that runs on hardware",
        FindObstacle = () => KvmDevice.CanOpen(out string reason) ? null : reason,
        FindDefect = () => WithDevice(KvmSelfTest.FindDefect),
        Narrow = policy => WithDevice(device => new ProcessorOffer(device.Adapt(policy), device.TscOrigin)),
        Create = Open,
    };

    public IX86Engine CreateVcpu(X86Cpu cpu)
    {
        try
        {
            return new KvmEngine(cpu, _machine);
        }
        catch (KvmUnavailableException error)
        {
            throw Unavailable(error);
        }
    }

    public void HarvestDirtyPages() => _machine.HarvestDirtyPages();

    public void Dispose()
    {
        _machine.Dispose();
        _device.Dispose();
    }

    private static KvmMachineEngine Open(EngineSetup setup)
    {
        KvmDevice? device = null;
        try
        {
            device = KvmDevice.Open();
            if (!setup.AcceptsDefects && KvmSelfTest.FindDefect(device) is { } defect)
            {
                throw new KvmUnavailableException(
                    $"This host's KVM is defective: {defect}. Use --engine translator, or run on the host below this one.");
            }

            return new KvmMachineEngine(device, setup);
        }
        catch (KvmUnavailableException error)
        {
            device?.Dispose();
            throw Unavailable(error);
        }
        catch
        {
            device?.Dispose();
            throw;
        }
    }

    private static T WithDevice<T>(Func<KvmDevice, T> use)
    {
        try
        {
            using KvmDevice device = KvmDevice.Open();
            return use(device);
        }
        catch (KvmUnavailableException error)
        {
            throw Unavailable(error);
        }
    }

    private static EngineUnavailableException Unavailable(KvmUnavailableException error) => new(error.Message, error);
}
