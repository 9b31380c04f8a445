using Strata.X86.Direct;
using Strata.X86.Execution;
using Strata.X86.Translator;

namespace Strata.Machines.Engines;

/// <summary>Direct execution in a machine: what its processors' stub processes are made from.</summary>
internal sealed class DirectMachineEngine : IMachineEngine
{
    private readonly DirectMachine _machine;

    private DirectMachineEngine(DirectMachine machine) => _machine = machine;

    public static EngineDescriptor Descriptor { get; } = new()
    {
        Name = "direct",
        Description = "Kernel code by translation, programs that compute on the CPU itself, in processes without privilege.",
        Needs = "an x64 Linux host with system-call filters and syscall user dispatch",
        FindObstacle = DirectMachine.FindObstacle,
        HoldsUserCode = true,
        NeedsSharedMemory = true,
        IsChosenByAuto = false,
        TypicalSpeed = new EngineSpeed(1500, 3000, 0.3, 8), // of a program that runs directly
        Create = Open,
    };

    public IX86Engine CreateVcpu(X86Cpu cpu)
    {
        try
        {
            return new DirectEngine(cpu, _machine);
        }
        catch (PlatformNotSupportedException error)
        {
            throw new EngineUnavailableException(error.Message, error);
        }
    }

    public void Dispose() => _machine.Dispose();

    private static DirectMachineEngine Open(EngineSetup setup)
    {
        TranslatorOptions options = setup.Translation with { IsOnlyProcessor = setup.Policy.ProcessorCount == 1 };
        try
        {
            return new DirectMachineEngine(new DirectMachine(
                setup.Ram ?? throw new EngineUnavailableException("Direct execution needs a machine with RAM of its own."), options));
        }
        catch (DirectUnavailableException error)
        {
            throw new EngineUnavailableException(error.Message, error);
        }
    }
}
