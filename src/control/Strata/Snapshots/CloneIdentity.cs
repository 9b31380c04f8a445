using System.Globalization;
using System.Security.Cryptography;
using Strata.Core.State;
using Strata.Machines.Boards;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Virtio.Network;

namespace Strata.Snapshots;

/// <summary>
/// Makes a clone another machine than the one that it was saved from: its cards before it runs, its guest as soon as that runs. Meanwhile
/// its cables to networks that others share are unplugged, as its guest still sends from the other machine's addresses.
/// </summary>
internal sealed class CloneIdentity
{
    private const int EntropySize = 64;
    private const string All = "random numbers to come, clock, host name, machine ID, MAC addresses and SSH host keys";

    private readonly PcBoard _board;
    private readonly MachineSpec _spec;
    private readonly List<(MacAddress Old, MacAddress New)> _addresses = [];
    private readonly List<int> _unplugged = [];

    /// <summary>Gives the cards of a clone that stands still their own addresses.</summary>
    /// <param name="cards">The addresses, in the order of the cards.</param>
    public CloneIdentity(PcBoard board, MachineSpec spec, IEnumerable<MacAddress> cards)
    {
        _board = board;
        _spec = spec;
        foreach ((VirtioNetwork card, MacAddress address) in board.Units.OfType<VirtioNetwork>().Zip(cards))
        {
            VirtioNetworkState state = card.SaveState();
            _addresses.Add((MacAddress.Read(state.MacAddress), address));
            state.MacAddress = address.ToBytes();
            card.LoadState(state);
        }

        Dictionary<ulong,
        ulong> renamed = _addresses.DistinctBy(pair => pair.Old).ToDictionary(pair => pair.Old.Value, pair => pair.New.Value);
        foreach (IUnit<UserNetworkState> network in board.Units.OfType<IUnit<UserNetworkState>>())
        {
            UserNetworkState state = network.SaveState();
            state.Leases = Rename(state.Leases, renamed);
            state.Neighbours = Rename(state.Neighbours, renamed);
            network.LoadState(state);
        }
    }

    /// <summary>
    /// No program of the guest runs until it is another machine, but the one that makes it so. Otherwise others run for some time before
    /// the agent has done it.
    /// </summary>
    public bool HoldsPrograms { get; private set; }

    /// <summary>Holds the guest's programs back, where its agent and the engine can do that; while the machine stands still.</summary>
    public void HoldPrograms()
    {
        if (_board.HasIdentityProgram && _board.Engine.HoldsUserCode && _board.Sockets is not null)
        {
            _board.HoldUserCode();
            HoldsPrograms = true;
        }
    }

    /// <summary>
    /// Pulls the cables until the guest has addresses of its own; while the machine stands still. Where programs are held back, that is
    /// before any of them runs, and a user-mode network, which nobody shares, knows the new addresses already: there the cable stays.
    /// </summary>
    public void Unplug()
    {
        for (int card = 0; card < _addresses.Count; card++)
        {
            if (_board.IsNetworkLinkUp(card) && !(HoldsPrograms && _spec.Networks[card].Plug is NetworkPlug.User))
            {
                _unplugged.Add(card);
                _board.SetNetworkLink(card, up: false);
            }
        }
    }

    /// <summary>Makes the guest another machine, and plugs its cables in.</summary>
    /// <returns>What it still has of the other machine, and why; null if nothing.</returns>
    /// <exception cref="StrataException">Its programs were held back, and would run as the other machine's.</exception>
    public async Task<string?> RepairAsync(GuestAgent agent, TimeSpan patience, CancellationToken cancellationToken)
    {
        bool makesKeys = HoldsPrograms && await RepairHeldAsync(patience, cancellationToken).ConfigureAwait(false);
        string? failure = _board.Sockets is not null
            ? await TryAsync(agent, makesKeys, patience, cancellationToken).ConfigureAwait(false)
            : "it has no sockets for an agent";
        if (failure is null)
        {
            return null;
        }

        int[] shared = HoldsPrograms ? [] : [.. _unplugged.Where(card => _spec.Networks[card].Plug is not NetworkPlug.User)];
        Plug(except: shared);
        string cables = shared.Length == 0
            ? string.Empty
            : " Its cables to networks that it shares stay unplugged: change its addresses, then plug them in.";
        return HoldsPrograms
            ? $"The clone {_spec.Name} is a machine of its own, but for its SSH host keys or addresses: {failure}."
            : $"The clone {_spec.Name} may have the saved machine's {All}: {failure}.{cables}";
    }

    /// <summary>What the guest does before its programs run.</summary>
    /// <returns>Whether it had SSH host keys, which are gone.</returns>
    private async Task<bool> RepairHeldAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        string why;
        try
        {
            IdentityProgram program = new(async (port, token) => await _board.Sockets!.ConnectAsync(port, token).ConfigureAwait(false));
            (int hostKeys, string failures) = await program.RunAsync(
                RandomNumberGenerator.GetBytes(EntropySize), CloneSpec.HostNameOf(_spec.Name ?? "clone"),
                _addresses.Select(pair => $"{pair.Old}={pair.New}"), limit.Token)
                .ConfigureAwait(false);
            if (failures.Length == 0)
            {
                _board.ReleaseUserCode();
                return hostKeys > 0;
            }

            why = $"its guest says: {Printable(failures)}";
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            why = string.Create(CultureInfo.InvariantCulture, $"it was not done within {patience.TotalSeconds:0.#} s");
        }
        catch (Exception error) when (error is IOException or StrataException)
        {
            why = error.Message.TrimEnd('.');
        }

        throw new StrataException(
            StrataError.Guest,
            $"The clone {_spec.Name} could not be made a machine of its own, and is ended before its programs run: {why}. Give it " +
            $"longer, restart the agent in the machine that it is of, or let it keep that machine's identity.");
    }

    private async Task<string?> TryAsync(GuestAgent agent, bool makesKeys, TimeSpan patience, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        try
        {
            string? failure = HoldsPrograms
                ? makesKeys ? await RunAsync(agent, ["keys"], default, limit.Token).ConfigureAwait(false) : null
                : await RunAsync(
                    agent,
                    [
                        "names", IdentityProgram.HostTime(), CloneSpec.HostNameOf(_spec.Name ?? "clone"),
                        .. _addresses.Select(pair => $"{pair.Old}={pair.New}")],
                    RandomNumberGenerator.GetBytes(EntropySize),
                    limit.Token).ConfigureAwait(false);
            if (failure is null && _unplugged.Count > 0)
            {
                Plug(except: []);
                failure = await RunAsync(
                    agent, ["network", .. _unplugged.Select(card => _addresses[card].New.ToString())], default,
                    limit.Token).ConfigureAwait(false);
            }

            return failure;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return string.Create(CultureInfo.InvariantCulture, $"its agent did not do it within {patience.TotalSeconds:0.#} s");
        }
        catch (StrataException error)
        {
            return error.Message.TrimEnd('.');
        }
    }

    private static async Task<string?> RunAsync(
        GuestAgent agent, IEnumerable<string> arguments, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        GuestCommand command = new(["perl", "-e", GuestAgent.IdentityScript, .. arguments]);
        GuestResult result = await agent.RunAsync(command, input, cancellationToken).ConfigureAwait(false);
        string text = Printable(result.OutputText + (result.ExitCode == 0 ? string.Empty : result.ErrorText));
        return result.ExitCode == 0 && text.Length == 0 ? null : $"its guest says: {text}";
    }

    private static string Printable(string text) =>
        Control.Printable.Text(string.Join("; ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries)));

    private static List<StationState> Rename(IReadOnlyList<StationState> stations, Dictionary<ulong, ulong> renamed) =>
        [.. stations.Select(station => new StationState { MacAddress = renamed.GetValueOrDefault(
            station.MacAddress, station.MacAddress), Address = station.Address })];

    private void Plug(int[] except)
    {
        foreach (int card in _unplugged.Except(except))
        {
            _board.SetNetworkLink(card, up: true);
        }
    }
}
