using System.Reflection;
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

/// <summary>Compares two states field by field. The fields are those of the type, so that none can be forgotten.</summary>
public static unsafe class StateComparison
{
    private const int GprCount = Gpr.None;

    private static readonly Field[] Fields = [.. typeof(X86CpuState)
        .GetFields(BindingFlags.Instance | BindingFlags.Public)
        .SelectMany(field => Expand(field, field.Name, (int)Marshal.OffsetOf<X86CpuState>(field.Name)))];

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
        foreach (Field field in Fields)
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
    public static IEnumerable<(string Name, ulong Value)> Values(X86CpuState state) => Fields.Select(field => (field.Name, Read(state, field)));

    private static ulong Read(in X86CpuState state, Field field)
    {
        ulong value = 0;

        // SAFETY: offset and size are those of a field of the type, at most eight bytes.
        fixed (X86CpuState* at = &state)
        {
            Unsafe.CopyBlockUnaligned(&value, (byte*)at + field.Offset, (uint)field.Size);
        }

        return value;
    }

    private static IEnumerable<Field> Expand(FieldInfo field, string name, int offset)
    {
        if (field.GetCustomAttribute<FixedBufferAttribute>() is { } buffer)
        {
            for (int i = 0; i < buffer.Length; i++)
            {
                yield return new Field(NameOf(field.Name, i), offset + (8 * i), 8);
            }
        }
        else if (field.FieldType.IsEnum || field.FieldType.IsPrimitive)
        {
            Type type = field.FieldType.IsEnum ? Enum.GetUnderlyingType(field.FieldType) : field.FieldType;
            yield return new Field(name, offset, Marshal.SizeOf(type));
        }
        else
        {
            foreach (FieldInfo part in field.FieldType.GetFields(BindingFlags.Instance | BindingFlags.Public))
            {
                yield return new Field($"{name}.{part.Name}", offset + (int)Marshal.OffsetOf(field.FieldType, part.Name), Marshal.SizeOf(part.FieldType));
            }
        }
    }

    private static string NameOf(string buffer, int index) => buffer switch
    {
        nameof(X86CpuState.Gprs) => index < GprCount ? (Iced.Intel.Register.RAX + index).ToString() : "(zero)",
        nameof(X86CpuState.Vectors) => $"YMM{index / 4}[{index % 4}]",
        nameof(X86CpuState.FpuRegisters) => index % 2 == 0 ? $"R{index / 2} significand" : $"R{index / 2} exponent",
        nameof(X86CpuState.DebugAddresses) => $"Dr{index}",
        _ => $"{buffer}[{index}]",
    };

    private readonly record struct Field(string Name, int Offset, int Size);
}
