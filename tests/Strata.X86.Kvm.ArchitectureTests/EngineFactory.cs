using Strata.X86.Execution;
using Strata.X86.Kvm;

namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>The engine under test: here KVM.</summary>
internal static class EngineFactory
{
    public static IX86Engine Create(X86CpuWiring wiring)
    {
        KvmDevice device = KvmDevice.Open();
        return new KvmEngine(wiring, new KvmMachine(device, wiring.Memory, device.Adapt(wiring.Cpuid), ownsDevice: true));
    }
}
