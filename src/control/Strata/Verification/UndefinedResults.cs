using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.X86.Comparison;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.Verification;

/// <summary>
/// Tells whether two machines differ only in flags that the manual leaves undefined, in RFLAGS and in the copy that an exception
/// has pushed, and makes the reference's copy that of the machine under test.
/// </summary>
internal static class UndefinedResults
{
    /// <summary>Where an exception's frame in long mode has RFLAGS: without and with an error code.</summary>
    private static readonly ulong[] FrameOffsets = [16, 24];

    /// <param name="before">The state before a straight run of instructions.</param>
    /// <param name="expected">The reference's state after it; it differs from the other in arithmetic flags only.</param>
    /// <param name="count">Instructions executed.</param>
    public static bool TryAdopt(
        AddressSpace reference, AddressSpace subject, in X86CpuState before, in X86CpuState expected, in X86CpuState actual, int count)
    {
        ulong difference = expected.Rflags ^ actual.Rflags;
        if ((difference & ~CodeReader.UndefinedFlags(reference, before, count, expected.Rip)) == 0)
        {
            return true;
        }

        // The last one may have faulted, and so not have written the flags that it would define.
        ulong undefined = CodeReader.UndefinedFlags(reference, before, count - 1, expected.Rip);
        return (difference & ~undefined) == 0 && TryAdoptFrame(reference, subject, expected, undefined);
    }

    private static bool TryAdoptFrame(AddressSpace reference, AddressSpace subject, in X86CpuState state, ulong undefined)
    {
        ulong rsp = StateComparison.Values(state).First(field => field.Name == "RSP").Value;
        foreach (ulong offset in FrameOffsets)
        {
            ulong va = rsp + offset;
            if (TryFind(reference, state, va, out Span<byte> expected) && TryFind(subject, state, va, out Span<byte> actual))
            {
                ulong value = BinaryPrimitives.ReadUInt64LittleEndian(actual);
                ulong difference = BinaryPrimitives.ReadUInt64LittleEndian(expected) ^ value;
                if (difference != 0 && (difference & ~undefined) == 0)
                {
                    BinaryPrimitives.WriteUInt64LittleEndian(expected, value);
                    return true;
                }
            }
        }

        return false;
    }

    private static bool TryFind(AddressSpace memory, in X86CpuState state, ulong va, out Span<byte> place)
    {
        place = default;
        return PageWalker.TryWalk(state, memory, va, AccessKind.Write, user: false, smapOverride: true, out Translation found, out _)
            && memory.TryGetSpan(found.Gpa, sizeof(ulong), forWriting: true, out place);
    }
}
