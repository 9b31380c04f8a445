using Strata.X86.Registers;

namespace Strata.X86.Kvm.Tests;

/// <summary>Registers of a state for assertions.</summary>
internal static unsafe class StateRegisters
{
    public static ulong Gprs0(this in X86CpuState state) => state.Gprs[0];
}
