using System.Net;
using System.Reflection;
using Strata.Machines.Firmware;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;

namespace Strata.Tests.Specs;

/// <summary>
/// Specifications in which every property differs from its default, found by reflection: a new property is in them by itself.
/// </summary>
internal static class SpecSample
{
    /// <summary>Values for properties that not every value of their type will do for.</summary>
    private static readonly Dictionary<(Type Owner, string Property), object> Chosen = new()
    {
        [(typeof(MachineSpec), nameof(MachineSpec.Memory))] = 640UL << 20,
        [(typeof(MachineSpec), nameof(MachineSpec.Processors))] = 3,
        [(typeof(MachineSpec), nameof(MachineSpec.Cpu))] = "x86-64-v2+sha",
        [(typeof(DiskSpec), nameof(DiskSpec.Format))] = "vhdx",
        [(typeof(SmbiosSpec), nameof(SmbiosSpec.Values))] = SmbiosKey.All.ToDictionary(key => key.Name, key => $"other {key.Name}"),
        [(typeof(UserNetworkOptions), nameof(UserNetworkOptions.Mtu))] = 9000,
        [(typeof(UserNetworkOptions), nameof(UserNetworkOptions.MaxBufferedBytes))] = 3L << 20,
        [(typeof(NamedSwitchOptions), nameof(NamedSwitchOptions.Vlan))] = 77,
    };

    /// <summary>Of types that are no records of properties.</summary>
    private static readonly Dictionary<Type, object> Values = new()
    {
        [typeof(string)] = "other",
        [typeof(int)] = 4321,
        [typeof(uint)] = 4321U,
        [typeof(long)] = 4_321_000L,
        [typeof(ulong)] = 4_321_000UL,
        [typeof(double)] = 0.375,
        [typeof(TimeSpan)] = TimeSpan.FromTicks(12_345_678),
        [typeof(MacAddress)] = new MacAddress(0x52_54_00_AB_CD_EF),
        [typeof(Ipv4Address)] = Ipv4Address.Parse("192.168.7.9"),
        [typeof(Ipv4Network)] = new Ipv4Network(Ipv4Address.Parse("192.168.7.0"), 24),
        [typeof(InternetNetwork)] = InternetNetwork.Parse("fd00:7:8:9::/64"),
        [typeof(IPAddress)] = IPAddress.IPv6Loopback,
        [typeof(IPEndPoint)] = new IPEndPoint(IPAddress.Parse("9.9.9.9"), 5353),
        [typeof(BackingImages)] = BackingImages.Detached,
        [typeof(Engine)] = Engine.Kvm,
        [typeof(Guid)] = new Guid("3f1c2d7e-9a4b-4c21-8a57-0d5e6b7c8d90"),
    };

    public static MachineSpec Create() => Fill(new MachineSpec());

    /// <summary>Every property that a specification can hold, with its path: for comparisons field by field.</summary>
    public static IEnumerable<(string Path, object? Value)> Flatten(object? value, string path = "")
    {
        switch (value)
        {
            case null or string or IPAddress or IPEndPoint:
            case { } plain when plain.GetType().IsValueType:
                yield return (path, value);
                break;
            case System.Collections.IEnumerable items:
                int index = 0;
                foreach ((string, object?) one in items.Cast<object?>().SelectMany(item => Flatten(item, $"{path}[{index++}]")))
                {
                    yield return one;
                }

                yield return ($"{path}.Count", index);
                break;
            default:
                yield return ($"{path}.Type", value.GetType());
                foreach ((string, object?) one in PropertiesOf(value.GetType())
                    .SelectMany(property => Flatten(property.GetValue(value), $"{path}.{property.Name}")))
                {
                    yield return one;
                }

                break;
        }
    }

    public static IEnumerable<PropertyInfo> PropertiesOf(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.CanRead && property.GetIndexParameters().Length == 0);

    private static T Fill<T>(T record)
        where T : class
    {
        foreach (PropertyInfo property in PropertiesOf(record.GetType())
            .Where(property => property.CanWrite && property.Name != nameof(NetworkCard.Plug)))
        {
            property.SetValue(record, Make(record.GetType(), property.Name, property.PropertyType, property.GetValue(record)));
        }

        return record;
    }

    /// <summary>One of every plug.</summary>
    private static NetworkCard[] CreateCards() =>
    [
        Fill(new NetworkCard(new NetworkPlug.User(Fill(new UserNetworkOptions())))),
        Fill(new NetworkCard(new NetworkPlug.Switch("lab", Fill(new NamedSwitchOptions())))),
        Fill(new NetworkCard(new NetworkPlug.Tap("tap7"))),
        Fill(new NetworkCard(new NetworkPlug.Attachment("mine"))),
    ];

    private static object Make(Type owner, string name, Type type, object? old)
    {
        if (type == typeof(IReadOnlyList<NetworkCard>))
        {
            return CreateCards();
        }

        if (Chosen.TryGetValue((owner, name), out object? chosen))
        {
            return chosen;
        }

        type = Nullable.GetUnderlyingType(type) ?? type;
        if (Values.TryGetValue(type, out object? value))
        {
            return value;
        }

        if (type == typeof(bool))
        {
            return old is not true;
        }

        if (type.IsEnum)
        {
            return Enum.GetValues(type).Cast<object>().Last(candidate => !candidate.Equals(old));
        }

        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
        {
            Type item = type.GetGenericArguments()[0];
            Array items = Array.CreateInstance(item, 2);
            items.SetValue(Make(owner, name + "[]", item, null), 0);
            items.SetValue(Make(owner, name + "[]", item, null), 1);
            return items;
        }

        return Fill(CreateEmpty(type));
    }

    /// <summary>By its shortest constructor, with any arguments; the properties are set afterwards.</summary>
    private static object CreateEmpty(Type type)
    {
        ConstructorInfo constructor = type.GetConstructors().OrderBy(candidate => candidate.GetParameters().Length).First();
        return constructor.Invoke(
            [.. constructor.GetParameters().Select(parameter => Make(type, parameter.Name!, parameter.ParameterType, null))]);
    }
}
