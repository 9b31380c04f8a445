namespace Strata.Networking.Tests.Harness;

/// <summary>What a guest made of frames is plugged into.</summary>
internal interface IGuestWire
{
    /// <summary>A frame from the guest.</summary>
    void Send(byte[] frame);

    /// <summary>The next frame to the guest.</summary>
    RecordedFrame Take();
}
