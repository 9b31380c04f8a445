using System.Net;

namespace Strata.Networking.Nat;

/// <summary>A port of the host that leads into a guest now.</summary>
/// <param name="Forward">What was asked for.</param>
/// <param name="HostEndPoint">Where it listens, which says more where the host chose the port's number.</param>
public sealed record ForwardedPort(PortForward Forward, IPEndPoint HostEndPoint);
