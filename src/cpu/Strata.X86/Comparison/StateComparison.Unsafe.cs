using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.X86.Registers;

namespace Strata.X86.Comparison;

/// <summary>A field of the state with two values.</summary>
/// <param name="Name">As the manual calls it, where it has a name there: RAX, XMM3 low, Cs.Base.</param>
public readonly record struct StateDifference(string Name, ulong Expected, ulong Actual)
{
    public override string ToString() => $"{Name} = {Actual:X}, not {Expected:X}";
}

/// <summary>Compares two states field by field.</summary>
public static unsafe class StateComparison
{
    private static readonly IReadOnlyList<StateField> Fields = StateFields.Create();

    /// <summary>Whether two states are the same but for some flags.</summary>
    /// <param name="ignoredFlags">Bits of RFLAGS that do not count, such as <see cref="UndefinedFlags"/>.</param>
    public static bool AreEqual(in X86CpuState expected, in X86CpuState actual, ulong ignoredFlags)
    {
        X86CpuState other = actual;
        other.Rflags ^= (actual.Rflags ^ expected.Rflags) & ignoredFlags;
        ReadOnlySpan<X86CpuState> left = new(in expected);
        ReadOnlySpan<X86CpuState> right = new(in other);
        return MemoryMarshal.AsBytes(left).SequenceEqual(MemoryMarshal.AsBytes(right));
    }

    /// <summary>The fields that differ.</summary>
    /// <param name="ignoredFlags">Bits of RFLAGS that do not count.</param>
    public static IReadOnlyList<StateDifference> Compare(in X86CpuState expected, in X86CpuState actual, ulong ignoredFlags)
    {
        List<StateDifference> differences = [];
        foreach (StateField field in Fields)
        {
            ulong mask = field.Name == nameof(X86CpuState.Rflags) ? ~ignoredFlags : ulong.MaxValue;
            ulong left = Read(expected, field);
            ulong right = Read(actual, field);
            if (((left ^ right) & mask) != 0)
            {
                differences.Add(new StateDifference(field.Name, left, right));
            }
        }

        return differences;
    }

    /// <summary>Every field with its value.</summary>
    public static IEnumerable<(string Name, ulong Value)> Values(X86CpuState state) =>
        Fields.Select(field => (field.Name, Read(state, field)));

    private static ulong Read(in X86CpuState state, StateField field)
    {
        ulong value = 0;

        // SAFETY: offset and size are those of a field of the type, at most eight bytes.
        fixed (X86CpuState* at = &state)
        {
            Unsafe.CopyBlockUnaligned(&value, (byte*)at + field.Offset, (uint)field.Size);
        }

        return value;
    }
}
