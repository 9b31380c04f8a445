namespace Strata.Networking.Nat;

/// <summary>Why a guest's packet did not arrive, as ICMP tells it.</summary>
internal enum Unreachable
{
    Network,
    Host,
    Port,

    /// <summary>By a rule, here or on the way.</summary>
    Prohibited,
}
