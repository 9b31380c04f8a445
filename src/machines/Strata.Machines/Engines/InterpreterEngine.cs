using Strata.X86.Execution;
using Strata.X86.Interpreter;

namespace Strata.Machines.Engines;

/// <summary>The interpreter in a machine.</summary>
internal sealed class InterpreterEngine : IMachineEngine
{
    public static EngineDescriptor Descriptor { get; } = new()
    {
        Name = "interpreter",
        Description = "Decoded blocks in portable C#: the reference that the others are compared with.",
        Needs = "nothing",
        FindObstacle = () => null,
        HoldsUserCode = true,
        TypicalSpeed = new EngineSpeed(250, 250, 0.2, 2),
        Create = _ => new InterpreterEngine(),
    };

    public IX86Engine CreateVcpu(X86Cpu cpu) => new Interpreter(cpu);

    public void Dispose()
    {
        // Holds nothing.
    }
}
