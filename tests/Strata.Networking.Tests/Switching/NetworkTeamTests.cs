using Strata.Core.Networking;
using Strata.Networking.Switching;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Switching.SwitchBench;

namespace Strata.Networking.Tests.Switching;

/// <summary>A team of two ports of one switch, and a third port to talk to.</summary>
public sealed class NetworkTeamTests : IDisposable
{
    private readonly SwitchBench _bench = new();
    private readonly SwitchPort _first;
    private readonly SwitchPort _second;
    private readonly SwitchPort _peer;
    private readonly RecordingReceiver _peerCard;
    private readonly RecordingReceiver _card = new();

    public NetworkTeamTests()
    {
        _first = _bench.Switch.AddPort();
        _second = _bench.Switch.AddPort();
        (_peer, _peerCard) = _bench.Plug();
    }

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void ActiveBackup_FirstMemberFails_TheSecondCarriesOnAndTheFirstTakesOverAgain()
    {
        using NetworkTeam team = Team(TeamPolicy.ActiveBackup);

        team.Send(Frame(1, 9), FrameOffload.None);
        Assert.Equal((1, 0), (_first.Counters.In, _second.Counters.In));
        _first.IsLinkUp = false;
        team.Send(Frame(1, 9), FrameOffload.None);
        Assert.Equal((1, 1), (_first.Counters.In, _second.Counters.In));
        Send(_peer, Frame(9, 1, 5));
        _first.IsLinkUp = true;
        team.Send(Frame(1, 9), FrameOffload.None);

        Assert.Equal((2, 1), (_first.Counters.In, _second.Counters.In));
        Assert.Equal(3, _peerCard.Count);
        Assert.Equal(Frame(9, 1, 5), _card.TryTake()!.Bytes);
        Assert.True(_card.HasCarrier);
    }

    [Theory]
    [InlineData(TeamPolicy.ActiveBackup)]
    [InlineData(TeamPolicy.Balance)]
    public void Broadcast_ThroughBothMembers_ArrivesOnceAndTheOwnOneNever(TeamPolicy policy)
    {
        using NetworkTeam team = Team(policy);

        team.Send(Broadcast(1), FrameOffload.None); // the switch sends it to the other member
        Assert.Equal(0, _card.Count);
        Send(_peer, Broadcast(9));

        Assert.Equal(1, _card.Count);
        Assert.Equal(1, _peerCard.Count);
    }

    [Fact]
    public void Balance_ManyStations_UseBothMembersAndGetTheirAnswers()
    {
        using NetworkTeam team = Team(TeamPolicy.Balance);

        for (int station = 1; station <= 8; station++)
        {
            team.Send(Frame(station, 9), FrameOffload.None);
            Send(_peer, Frame(9, station));
        }

        Assert.Equal((4, 4), (_first.Counters.In, _second.Counters.In));
        Assert.Equal(8, _card.Count);
    }

    [Fact]
    public void Balance_MemberFails_ItsStationsMoveToTheOther()
    {
        using NetworkTeam team = Team(TeamPolicy.Balance);
        _second.IsLinkUp = false;

        for (int station = 1; station <= 8; station++)
        {
            team.Send(Frame(station, 9), FrameOffload.None);
        }

        Assert.Equal((8, 0), (_first.Counters.In, _second.Counters.In));
    }

    [Fact]
    public void Carrier_AllMembersFail_TheCardIsToldAndToldAgainWhenOneWorks()
    {
        using NetworkTeam team = Team(TeamPolicy.ActiveBackup);

        _first.IsLinkUp = false;
        Assert.True(_card.HasCarrier);
        _second.IsLinkUp = false;
        Assert.False(_card.HasCarrier);
        Assert.Equal(-1, team.ActiveMember);
        _second.IsLinkUp = true;

        Assert.True(_card.HasCarrier);
        Assert.Equal(1, team.ActiveMember);
    }

    private NetworkTeam Team(TeamPolicy policy)
    {
        NetworkTeam team = new(policy, _first, _second);
        team.Connect(_card);
        return team;
    }
}
