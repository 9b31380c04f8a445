namespace Strata.Networking.Nat;

/// <summary>A protocol with ports.</summary>
public enum TransportProtocol
{
    Tcp,
    Udp,
}
