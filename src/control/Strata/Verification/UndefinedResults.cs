using Strata.Core.Bus;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.Verification;

/// <summary>
/// Flags that the manual leaves undefined are no difference, in RFLAGS and in the copy that an exception has pushed. The
/// reference's copy is made that of the machine under test, so that what comes of it is the same.
/// </summary>
internal static class UndefinedResults
{
    /// <summary>How far above RIP an exception's frame in 64-bit mode has RFLAGS; bytes.</summary>
    private const ulong RipToRflags = 16;

    /// <summary>Whether two states differ in no other flags than undefined ones.</summary>
    /// <param name="before">The state before a straight run of instructions.</param>
    /// <param name="expected">The reference's state after it; it differs from the other in arithmetic flags only.</param>
    /// <param name="count">Instructions executed.</param>
    /// <param name="fault">The exception that ended the run early, or null.</param>
    public static bool Explain(
        AddressSpace memory, in X86CpuState before, in X86CpuState expected, in X86CpuState actual, int count, ExceptionRecord? fault)
    {
        ulong difference = expected.Rflags ^ actual.Rflags;
        ulong undefined = CodeReader.UndefinedFlags(memory, before, count, expected.Rip);
        ulong atFault = fault is { } exception ? CodeReader.UndefinedFlagsAt(memory, before, count, exception.Rip) : 0;
        return (difference & ~undefined) == 0 || (difference & ~atFault) == 0;
    }

    /// <summary>Takes over undefined flags in the frame of an exception.</summary>
    /// <param name="state">The reference's state with the exception delivered.</param>
    /// <returns>Whether there was a difference to take over.</returns>
    public static bool AdoptFrame(
        AddressSpace reference, AddressSpace subject, in X86CpuState before, in X86CpuState state, int count, in ExceptionRecord fault)
    {
        ulong va = fault.Frame + (fault.ErrorCode == null ? 0UL : sizeof(ulong)) + RipToRflags;
        if (!TryFind(reference, state, va, out ulong place, out ulong expected) || !TryFind(subject, state, va, out _, out ulong value))
        {
            return false;
        }

        ulong difference = expected ^ value;
        if (difference == 0 || (difference & ~CodeReader.UndefinedFlagsAt(reference, before, count, fault.Rip)) != 0)
        {
            return false;
        }

        reference.Write(place, AccessWidth.Qword, value);
        return true;
    }

    private static bool TryFind(AddressSpace memory, in X86CpuState state, ulong va, out ulong gpa, out ulong value)
    {
        (gpa, value) = (0, 0);
        if (!PageWalker.TryWalk(state, memory, va, AccessKind.Write, user: false, smapOverride: true, out Translation found, out _)
            || !memory.IsWritableRam(found.Gpa, sizeof(ulong)))
        {
            return false;
        }

        gpa = found.Gpa;
        value = memory.Read(gpa, AccessWidth.Qword);
        return true;
    }
}
