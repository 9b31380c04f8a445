using Strata.X86.Registers;

namespace Strata.X86.Kvm.State;

/// <summary>Compares whole states.</summary>
internal static unsafe class StateEquality
{
    public static bool AreEqual(in X86CpuState a, in X86CpuState b)
    {
        // SAFETY: blittable records of the same size; padding is never written.
        fixed (X86CpuState* left = &a, right = &b)
        {
            return new ReadOnlySpan<byte>(left, sizeof(X86CpuState)).SequenceEqual(new ReadOnlySpan<byte>(right, sizeof(X86CpuState)));
        }
    }
}
