using System.Collections;
using System.Reflection;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.EndToEnd.Tests.Harness;
using Strata.Machines.Boards;
using Strata.Virtio;
using Strata.X86.Apic;
using Strata.X86.Execution;

namespace Strata.Machines.Tests.Boards;

/// <summary>Nothing that a guest can see is missing on the roster: the objects of a board are walked, whatever holds them.</summary>
public sealed class RosterTests
{
    /// <summary>Devices without state of their own, and why.</summary>
    private static readonly Dictionary<string, string> Stateless = new()
    {
        ["DebugExit"] = "ends the run at the first write",
        ["PciConfigPorts"] = "leads to the bus and to the reset register, which are units",
        ["MsixTable"] = "is in its function's record",
    };

    [Fact]
    public void Units_EveryDeviceOfABoard_IsAmongThemOrHasNoState()
    {
        using GuestBoard guest = new("interpreter", ChecksumGuest.Assemble(), processors: 2);
        HashSet<object> units = new(guest.Board.Units, ReferenceEqualityComparer.Instance);

        object[] devices = [
            .. Walk(guest.Board).Where(found => found is IPortDevice or IMmioDevice or VirtioDevice or LocalApic or X86Cpu)];
        string[] missing = [.. devices.Where(device => !units.Contains(device) && !BelongsToAUnit(device.GetType()))
            .Select(device => device.GetType().Name)
            .Distinct()];

        Assert.InRange(devices.Length, 20, int.MaxValue); // the walk finds them at all
        Assert.Equal(Stateless.Keys.Order(), missing.Order());
    }

    [Fact]
    public void Units_OfABoard_EachInstanceOfAUnitIsAmongThem()
    {
        using GuestBoard guest = new("interpreter", ChecksumGuest.Assemble(), processors: 2);
        HashSet<object> units = new(guest.Board.Units, ReferenceEqualityComparer.Instance);

        Assert.Empty(Walk(guest.Board).OfType<IUnit>().Where(unit => !units.Contains(unit)).Select(unit => unit.UnitName));
    }

    /// <summary>A view of a chip, such as its status port, is a class inside of it.</summary>
    private static bool BelongsToAUnit(Type type) =>
        type.DeclaringType is { } owner && (typeof(IUnit).IsAssignableFrom(owner) || BelongsToAUnit(owner));

    /// <summary>All objects of ours that a field leads to, through collections and delegates.</summary>
    private static HashSet<object> Walk(object root)
    {
        HashSet<object> found = new(ReferenceEqualityComparer.Instance);
        Stack<object> open = new([root]);
        while (open.TryPop(out object? next))
        {
            if (!found.Add(next))
            {
                continue;
            }

            foreach (object inner in Inside(next).Where(IsWorthALook))
            {
                open.Push(inner);
            }
        }

        return found;
    }

    private static IEnumerable<object> Inside(object outer) => outer switch
    {
        Delegate function => function.GetInvocationList().Select(one => one.Target).OfType<object>(),
        IEnumerable items => items.OfType<object>(),
        _ => Fields(outer.GetType()).Select(field => field.GetValue(outer)).OfType<object>(),
    };

    private static IEnumerable<FieldInfo> Fields(Type? type) => type is null
        ? []
        : type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            .Where(field => !field.FieldType.IsPointer && !field.FieldType.IsFunctionPointer && !field.FieldType.IsByRefLike)
            .Concat(Fields(type.BaseType));

    private static bool IsWorthALook(object value)
    {
        Type type = value.GetType();
        Type element = type.IsArray ? type.GetElementType()! : type;
        return value is Delegate
            || (type.IsArray && !element.IsPrimitive && !element.IsPointer)
            || (type.Namespace is { } name && (
                name.StartsWith("Strata", StringComparison.Ordinal) || name.StartsWith("System.Collections", StringComparison.Ordinal)));
    }
}
