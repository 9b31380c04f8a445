using System.Collections;
using System.Reflection;
using Strata.Core.State;

namespace Strata.Core.Tests.State;

/// <summary>
/// What every unit of state has to hold, checked by reflection over its record: linked into the tests of each project that has units.
/// A test calls <see cref="Check"/> with a unit in a state that differs from reset, so that arrays and lists have elements.
/// </summary>
internal static class UnitContract
{
    /// <summary>Checks a unit.</summary>
    /// <param name="unit">In any state; its state afterwards is undefined.</param>
    /// <param name="valueFor">
    /// A value for a field that cannot have any, such as one bounded by the unit's configuration; null lets the field be changed in
    /// general.
    /// </param>
    public static void Check<TState>(IUnit<TState> unit, Func<PropertyInfo, object?, object?>? valueFor = null)
        where TState : IStateRecord<TState>
    {
        byte[] bytes = Bytes(unit);
        SaveLoadSaveIsEqual(unit, bytes);
        CutOffIsRefused(unit, bytes);
        OversizedIsRefused(unit, bytes);
        NewerVersionIsRefused(unit, bytes);
        EveryFieldComesBack(unit, valueFor);
        ResetIsTheSameEachTime(unit);
    }

    private static byte[] Bytes(IUnit unit)
    {
        StateWriter writer = new();
        unit.Save(writer);
        return writer.ToArray();
    }

    private static void SaveLoadSaveIsEqual(IUnit unit, byte[] bytes)
    {
        unit.Load(new StateReader(bytes, unit.UnitName));
        Assert.Equal(bytes, Bytes(unit));
    }

    /// <summary>Long records are cut at a sample of lengths, with all of the first and last ones.</summary>
    private static void CutOffIsRefused(IUnit unit, byte[] bytes)
    {
        int step = Math.Max(1, bytes.Length / 500);
        for (int length = 0; length < bytes.Length; length += length < 64 || length > bytes.Length - 64 ? 1 : step)
        {
            StateException error = Assert.Throws<StateException>(
                () => unit.Load(new StateReader(bytes.AsMemory(0, length), unit.UnitName)));
            Assert.Contains(unit.UnitName, error.Message, StringComparison.Ordinal);
        }

        Assert.Equal(bytes, Bytes(unit));
    }

    /// <summary>One byte more inside the record: its length says so, and no field takes it.</summary>
    private static void OversizedIsRefused(IUnit unit, byte[] bytes)
    {
        byte[] longer = [.. bytes, 0];
        BitConverter.TryWriteBytes(longer.AsSpan(2), BitConverter.ToInt32(longer, 2) + 1);
        Assert.Throws<StateException>(() => unit.Load(new StateReader(longer, unit.UnitName)));
        Assert.Equal(bytes, Bytes(unit));
    }

    private static void NewerVersionIsRefused(IUnit unit, byte[] bytes)
    {
        byte[] newer = [.. bytes];
        newer[0] = newer[1] = 0xFF;
        StateException error = Assert.Throws<StateException>(() => unit.Load(new StateReader(newer, unit.UnitName)));
        Assert.Contains("newer", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Each field on its own gets another value, is loaded, saved, written and read, and is found again.</summary>
    private static void EveryFieldComesBack<TState>(IUnit<TState> unit, Func<PropertyInfo, object?, object?>? valueFor)
        where TState : IStateRecord<TState>
    {
        foreach (Field field in Fields(unit.SaveState(), typeof(TState).Name, valueFor))
        {
            TState state = unit.SaveState();
            object? old = field.Get(state);
            object? value = valueFor?.Invoke(field.Property, old) ?? Different(field.Name, old);
            field.Set(state, value);
            StateWriter writer = new();
            writer.WriteRecord(state);
            unit.Load(new StateReader(writer.ToArray(), unit.UnitName));
            object? found = field.Get(unit.SaveState());
            Assert.True(AreEqual(value, found), $"{field.Name} is {Describe(found)} after a load of {Describe(value)}.");
        }
    }

    /// <summary>The fields of a record, and those of the records inside it but where a value for the whole is given.</summary>
    private static IEnumerable<Field> Fields(object record, string name, Func<PropertyInfo, object?, object?>? valueFor)
    {
        IEnumerable<PropertyInfo> settable = record.GetType()
            .GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.SetMethod is not null);
        foreach (PropertyInfo property in settable)
        {
            object? value = property.GetValue(record);
            Field whole = new(property, $"{name}.{property.Name}", property.GetValue, property.SetValue);
            List<Field> inner = valueFor?.Invoke(property, value) is not null ? [] : [.. Inside(whole, value, valueFor)];
            foreach (Field field in inner.Count == 0 ? [whole] : inner)
            {
                yield return field;
            }
        }
    }

    private static IEnumerable<Field> Inside(Field whole, object? value, Func<PropertyInfo, object?, object?>? valueFor) => value switch
    {
        not null when IsRecord(value.GetType()) => Fields(value, whole.Name, valueFor).Select(field => field.Of(whole.Get)),
        IList list => list.Cast<object?>().SelectMany((element, i) => element is not null && IsRecord(element.GetType())
            ? Fields(element, $"{whole.Name}[{i}]", valueFor).Select(field => field.Of(root => ((IList)whole.Get(root)!)[i]))
            : []),
        _ => [],
    };

    private static void ResetIsTheSameEachTime(IUnit unit)
    {
        unit.Reset();
        byte[] first = Bytes(unit);
        unit.Reset();
        Assert.Equal(first, Bytes(unit));
    }

    private static object Different(string name, object? value) => value switch
    {
        bool flag => !flag,
        byte number => (byte)(number ^ 1),
        sbyte number => (sbyte)(number ^ 1),
        short number => (short)(number ^ 1),
        ushort number => (ushort)(number ^ 1),
        int number => number ^ 1,
        uint number => number ^ 1,
        long number => number ^ 1,
        ulong number => number ^ 1,
        string text => text.Length == 0 ? "a" : text[..^1],
        Enum kind => Enum.ToObject(kind.GetType(), Convert.ToInt64(kind, null) ^ 1),
        Array { Length: > 0 } array => WithLastChanged(name, array),
        _ => throw new InvalidOperationException(
            $"The test does not know how to change {name}: give a value for it, and a unit whose lists are not empty. It is " +
            $"{Describe(value)}."),
    };

    private static Array WithLastChanged(string name, Array array)
    {
        Array copy = (Array)array.Clone();
        copy.SetValue(Different($"{name}[{copy.Length - 1}]", copy.GetValue(copy.Length - 1)), copy.Length - 1);
        return copy;
    }

    private static bool AreEqual(object? left, object? right) => (left, right) switch
    {
        (IEnumerable a and not string, IEnumerable b and not string) =>
            a.Cast<object?>().Zip(b.Cast<object?>(), AreEqual).All(equal => equal)
            && a.Cast<object?>().Count() == b.Cast<object?>().Count(),
        (not null, not null) when left.GetType() == right.GetType() && IsRecord(left.GetType()) =>
            left.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .All(property => AreEqual(property.GetValue(left), property.GetValue(right))),
        _ => Equals(left, right),
    };

    private static bool IsRecord(Type type) =>
        Array.Exists(type.GetInterfaces(), face => face.IsGenericType && face.GetGenericTypeDefinition() == typeof(IStateRecord<>));

    /// <param name="Get">From the outermost record.</param>
    /// <param name="Set">Into the outermost record.</param>
    private sealed record Field(PropertyInfo Property, string Name, Func<object, object?> Get, Action<object, object?> Set)
    {
        /// <summary>The same field, of a record that is part of another one.</summary>
        public Field Of(Func<object, object?> inside) =>
            new(Property, Name, root => Get(inside(root)!), (root, value) => Set(inside(root)!, value));
    }

    private static string Describe(object? value) =>
        value is IEnumerable list and not string ? $"[{string.Join(", ", list.Cast<object?>())}]" : $"{value ?? "null"}";
}
