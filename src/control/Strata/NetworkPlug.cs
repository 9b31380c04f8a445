using Strata.Control;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;
using Strata.Networking.Tap;

namespace Strata;

/// <summary>The network that a <see cref="NetworkCard"/> is plugged into.</summary>
public abstract record NetworkPlug
{
    private NetworkPlug()
    {
    }

    /// <summary>A private network of the machine's own: <see cref="NetworkCard.User"/>.</summary>
    public sealed record User(UserNetworkOptions Options) : NetworkPlug;

    /// <summary>A switch that machines share: <see cref="NetworkCard.Switch"/>.</summary>
    public sealed record Switch : NetworkPlug
    {
        /// <exception cref="StrataException">No switch can have the name.</exception>
        public Switch(string name, NamedSwitchOptions options)
        {
            SwitchRegistry.CheckName(name);
            Name = name;
            Options = options;
        }

        public string Name { get; }

        public NamedSwitchOptions Options { get; init; }
    }

    /// <summary>An interface of the host: <see cref="NetworkCard.Tap"/>.</summary>
    public sealed record Tap : NetworkPlug
    {
        /// <exception cref="StrataException">No interface can have the name.</exception>
        public Tap(string name)
        {
            ArgumentNullException.ThrowIfNull(name);
            Name = TapNetwork.IsName(name)
                ? name
                : throw new StrataException(
                    StrataError.BadInput,
                    $"\"{Printable.Text(name)}\" can name no network interface; use 1 to {TapNetwork.LongestName} letters, digits and " +
                    $"dashes, "
                    + "such as --net tap=tap0.");
        }

        public string Name { get; }
    }

    /// <summary>A network of this process: <see cref="NetworkCard.Attached"/>.</summary>
    public sealed record Attachment(string Name) : NetworkPlug;
}
