namespace Strata.Machines.Boards;

/// <summary>Which chip a network card is.</summary>
public enum NetworkCardModel
{
    /// <summary>virtio-net. The fastest, for systems that have its driver.</summary>
    Virtio,

    /// <summary>Intel 82540EM, which systems from about 2002 on have a driver for.</summary>
    E1000,
}
