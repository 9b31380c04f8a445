namespace Strata.Networking.Tcp;

/// <summary>States of a connection to a guest. RFC 9293, "State Machine Overview"; the first is not one of TCP's.</summary>
internal enum TcpState
{
    /// <summary>The guest's SYN waits for the host's connection.</summary>
    Connecting,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    Closed,
}
