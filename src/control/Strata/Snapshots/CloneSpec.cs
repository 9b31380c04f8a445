using System.Security.Cryptography;
using Strata.Control;
using Strata.Networking.Frames;
using Strata.Networking.Nat;

namespace Strata.Snapshots;

/// <summary>What differs between the specification of a machine and that of its clone.</summary>
internal static class CloneSpec
{
    private const byte LocallyAdministered = 2;
    private const byte Group = 1;

    /// <summary>
    /// A clone's disks are overlays that go with it, its captures and its sound would overwrite the machine's, and its cards are others
    /// where networks tell machines by them.
    /// </summary>
    public static MachineSpec Of(MachineSpec spec, bool keepsIdentity) => spec with
    {
        Keep = null,
        Sound = spec.Sound is null ? null : SoundSpec.Unheard,
        FirmwareVariables = null, // its flash has them
        Disks = [.. spec.Disks.Select(disk => disk with { Snapshot = !disk.ReadOnly })],
        Networks = [.. spec.Networks.Select(
            card => WithForwards(card, forwards => [.. forwards.Select(forward => forward with { HostPort = 0 })]) with
        {
            Capture = null,
            Mac = keepsIdentity ? card.Mac : card.Plug is NetworkPlug.Switch or NetworkPlug.Attachment ? null : CreateMac(),
        })],
    };

    /// <summary>With other forwarded ports, through the first card that can have some.</summary>
    /// <exception cref="StrataException">There is no such card.</exception>
    public static MachineSpec With(MachineSpec spec, IReadOnlyList<PortForward> forwards)
    {
        int first = spec.Networks.ToList().FindIndex(card => card.Plug is NetworkPlug.User or NetworkPlug.Switch);
        return first >= 0 || forwards.Count == 0
            ? spec with { Networks = [.. spec.Networks.Select((card, index) => WithForwards(card, _ => index == first ? forwards : []))] }
            : throw new StrataException(
                StrataError.BadInput, "The machine has no network card that ports of the host could lead through; leave them out.");
    }

    /// <summary>What others may call clones of a machine, numbered from <paramref name="first"/>.</summary>
    public static IReadOnlyList<string> NamesOf(MachineSpec machine, int first, int count)
    {
        string name = machine.Name ?? (MachineName.IsValid(machine.Image) ? machine.Image! : "machine");
        return [.. Enumerable.Range(first, count).Select(number => NameOf(name, number))];
    }

    private static string NameOf(string machine, int number)
    {
        string ending = $"-{number}";
        return string.Concat(machine.AsSpan(0, Math.Min(machine.Length, MachineName.Longest - ending.Length)), ending);
    }

    /// <summary>What a guest can be called by a machine's name.</summary>
    public static string HostNameOf(string machine)
    {
        string name = new([.. machine.Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '-')]);
        return name.Trim('-') is { Length: > 0 } trimmed ? trimmed : "clone";
    }

    private static NetworkCard WithForwards(NetworkCard card, Func<IReadOnlyList<PortForward>, IReadOnlyList<PortForward>> change) =>
        card.Plug switch
    {
        NetworkPlug.User user => card with
        {
            Plug = user with { Options = user.Options with { Forwards = change(user.Options.Forwards) } },
        },
        NetworkPlug.Switch named => card with
        {
            Plug = named with { Options = named.Options with { Forwards = change(named.Options.Forwards) } },
        },
        _ => card,
    };

    private static MacAddress CreateMac()
    {
        byte[] bytes = RandomNumberGenerator.GetBytes(MacAddress.Size);
        bytes[0] = (byte)((bytes[0] & ~Group) | LocallyAdministered);
        return MacAddress.Read(bytes);
    }
}
