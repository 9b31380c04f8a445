namespace Strata.Devices.Usb;

/// <summary>What a controller remembers of a device slot. Under the controller's lock.</summary>
internal sealed class XhciSlot
{
    /// <summary>Bytes of a control transfer's data that a device is asked to take or give.</summary>
    public const int LargestData = 512;

    /// <summary>What <see cref="Given"/> counts up to: the field of an event has 24 bits.</summary>
    public const int MostGiven = 0xFF_FFFF;

    public bool IsEnabled { get; set; }

    /// <summary>Of the root hub, from 1; 0 before a device is addressed.</summary>
    public byte Port { get; set; }

    public SlotState State { get; set; }

    public XhciEndpoint[] Endpoints { get; } =
        [.. Enumerable.Range(0, XhciRegisters.EndpointCount).Select(_ => new XhciEndpoint())];

    /// <summary>Of the control transfer under way; null between two.</summary>
    public UsbSetup? Setup { get; set; }

    /// <summary>What the device has given, or the guest so far.</summary>
    public List<byte> Data { get; } = [];

    /// <summary>Bytes of it that the guest has got.</summary>
    public int Given { get; set; }

    /// <summary>The device refuses the request.</summary>
    public bool IsRefused { get; set; }

    /// <summary>Nothing is enabled.</summary>
    public void Clear()
    {
        (IsEnabled, Port, State) = (false, 0, SlotState.Enabled);
        Array.ForEach(Endpoints, endpoint => (endpoint.State, endpoint.Ring) = (EndpointState.Disabled, default));
        EndControl();
    }

    /// <summary>Forgets the control transfer under way.</summary>
    public void EndControl()
    {
        (Setup, Given, IsRefused) = (null, 0, false);
        Data.Clear();
    }
}

/// <summary>An endpoint of a slot.</summary>
internal sealed class XhciEndpoint
{
    public EndpointState State { get; set; }

    public TrbRing Ring { get; set; }
}

/// <summary>A port of the root hub.</summary>
/// <param name="device">What is plugged in; null for nothing.</param>
internal sealed class XhciPort(UsbHidDevice? device)
{
    public UsbHidDevice? Device => device;

    /// <summary>PORTSC.</summary>
    public uint Status { get; set; }
}
