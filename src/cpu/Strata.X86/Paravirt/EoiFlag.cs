using Strata.Core.Bus;

namespace Strata.X86.Paravirt;

/// <summary>
/// A byte in guest memory that says "no end-of-interrupt command is needed": the guest clears it instead of writing to the APIC.
/// Only the thread of the processor whose flag it is touches it, and never while guest code runs.
/// </summary>
/// <param name="memory">Guest-physical memory.</param>
/// <param name="gpa">Where the byte lies.</param>
public sealed class EoiFlag(AddressSpace memory, ulong gpa)
{
    private const byte Set = 1;

    /// <summary>Whether the byte can be written at all: it lies in RAM.</summary>
    public bool IsWritable => memory.IsWritableRam(gpa, 1);

    /// <summary>Tells the guest that it may leave the command out.</summary>
    public void Raise() => Write(Set);

    /// <summary>Takes the permission back.</summary>
    /// <returns>True if the guest had used it: the interrupt has ended.</returns>
    public bool TakeBack()
    {
        bool used = memory.TryGetSpan(gpa, 1, out ReadOnlySpan<byte> flag) && (flag[0] & Set) == 0;
        if (!used)
        {
            Write(0);
        }

        return used;
    }

    private void Write(byte value) => memory.TryWriteBytes(gpa, [value]);
}
