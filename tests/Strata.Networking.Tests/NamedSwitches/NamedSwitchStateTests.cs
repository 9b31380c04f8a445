using Strata.Core.Networking;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.NamedSwitches.NamedSwitchBench;
using static Strata.Networking.Tests.Switching.SwitchBench;

namespace Strata.Networking.Tests.NamedSwitches;

/// <summary>A port of a switch that a restored machine is plugged into.</summary>
public sealed class NamedSwitchStateTests : IDisposable
{
    private readonly NamedSwitchBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Contract_Holds()
    {
        IUnit<NamedSwitchPortState> unit = Unit(_bench.Join(1).Port);
        unit.LoadState(new NamedSwitchPortState { Address = 0x0A00_0263 });

        UnitContract.Check(unit);
    }

    [Fact]
    public void Load_AddressOfTheGuest_IsKeptForItByTheHost()
    {
        (NamedSwitchPort one, _) = _bench.Join(1);
        (NamedSwitchPort two, RecordingReceiver card) = _bench.Join(2);
        IUnit<NamedSwitchPortState> unit = Unit(two);

        unit.LoadState(new NamedSwitchPortState { Address = 0x0A00_024D });
        unit.Resume();

        NatBench.WaitUntil(
            () => _bench.Describe().Ports.Any(port => port is { Machine: "m2", Address: "10.0.2.77" }), "the host to know the address");
        SendUntilTaken(one, card, Frame(1, 2, 1));
    }

    private static IUnit<NamedSwitchPortState> Unit(NamedSwitchPort port) =>
        (IUnit<NamedSwitchPortState>)((INetworkBackend)port).GetUnits("backend").Single();
}
