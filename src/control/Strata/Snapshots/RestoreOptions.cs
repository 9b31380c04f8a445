using Strata.Networking.Nat;

namespace Strata.Snapshots;

/// <summary>How a machine comes back from a snapshot.</summary>
public sealed record RestoreOptions
{
    /// <summary>Whether it is the machine that was saved, or another one that begins where that was.</summary>
    public MachineIdentity Identity { get; init; } = MachineIdentity.Same;

    /// <summary>What others call it; null for the name in its specification.</summary>
    public string? Name { get; init; }

    /// <summary>The engine that goes on; null for what the specification says.</summary>
    public Engine? Engine { get; init; }

    /// <summary>
    /// A clone keeps what tells its guest from others: random numbers to come, MAC addresses, host name, machine ID, SSH host keys. For one
    /// that takes the place of the machine that was saved.
    /// </summary>
    public bool KeepIdentity { get; init; }

    /// <summary>
    /// Ports of the host that lead into it, through its first network card that can have some; null for those of the machine that was
    /// saved, of which the host chooses new numbers for a clone.
    /// </summary>
    public IReadOnlyList<PortForward>? Forwards { get; init; }

    /// <summary>Do not use what the engine had made of the guest's code: it is made anew.</summary>
    public bool IgnoresKeptCode { get; init; }

    /// <summary>
    /// How long the guest of a clone may take to become another machine. One whose programs are held back until then is ended when it takes
    /// longer; of others see <see cref="VirtualMachine.IdentityFailure"/>.
    /// </summary>
    public TimeSpan IdentityPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>With <see cref="Forwards"/> as <see cref="NetworkCard.ParseForward"/> understands them.</summary>
    /// <exception cref="StrataException">One cannot be understood.</exception>
    public RestoreOptions WithForwards(IEnumerable<string> forwards) => this with
    {
        Forwards = [.. forwards.Select(NetworkCard.ParseForward)],
    };
}

/// <summary>Who a restored machine is.</summary>
public enum MachineIdentity
{
    /// <summary>
    /// The machine that was saved. What its disks' files hold is put back to what they held. The one that was saved should not run any
    /// more.
    /// </summary>
    Same,

    /// <summary>
    /// A clone: it writes to overlays of its own, and the saved machine may go on beside it. The agent in its guest makes it another
    /// machine on networks and to programs.
    /// </summary>
    New,
}
