namespace Strata.Devices.Network;

/// <summary>A network card, as far as its machine's owner can do something to it.</summary>
public interface INetworkCard
{
    /// <summary>Whether the cable is plugged in at this end. Setting it tells the driver. Any thread.</summary>
    bool IsLinkUp { get; set; }
}
