using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Networking.Nat;

namespace Strata.Networking.Tests.Harness;

/// <summary>A user-mode network with a guest made of frames. Time stands still unless a test moves it; sockets are real.</summary>
internal sealed class NatBench : IGuestWire, IDisposable
{
    public NatBench(UserNetworkOptions? options = null)
    {
        Network = new UserNetwork(options ?? new UserNetworkOptions(), Clock);
        Network.Connect(Card);
    }

    public ManualClock Clock { get; } = new();

    public RecordingReceiver Card { get; } = new();

    public UserNetwork Network { get; }

    public void Send(byte[] frame) => Network.Send(frame, FrameOffload.None);

    /// <summary>The next frame to the guest; the sockets' thread may still be at it.</summary>
    public RecordedFrame Take()
    {
        RecordedFrame? frame = null;
        Assert.True(SpinWait.SpinUntil(() => (frame = Card.TryTake()) is not null, TimeSpan.FromMinutes(1)), "No frame came to the guest.");
        return frame!;
    }

    /// <summary>Nothing was sent by what the test did; only for what happens on the test's own thread.</summary>
    public void AssertSilent() => Assert.Null(Card.TryTake());

    /// <summary>Makes the guest known, as its first ARP request does.</summary>
    public void Introduce()
    {
        Send(GuestFrames.Ethernet(GuestFrames.Everybody, GuestFrames.GuestMac, 0x0806,
            [0, 1, 8, 0, 6, 4, 0, 1, .. GuestFrames.GuestMac, .. GuestFrames.Guest, 0, 0, 0, 0, 0, 0, .. GuestFrames.Gateway]));
        Take();
    }

    /// <summary>The same over IPv6, by asking for the router's Ethernet address.</summary>
    public void IntroduceIpv6()
    {
        Send(GuestFrames.OnLink(
            GuestFrames.Guest6, GuestFrames.Gateway6, 135, [0, 0, 0, 0, .. GuestFrames.Gateway6, 1, 1, .. GuestFrames.GuestMac]));
        Take();
    }

    public static void WaitUntil(Func<bool> condition, string what) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromMinutes(1)), $"Waited in vain for {what}.");

    public void Dispose() => Network.Dispose();
}
