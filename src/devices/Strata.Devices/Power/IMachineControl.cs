namespace Strata.Devices.Power;

/// <summary>What a device may ask of the machine as a whole. Any thread; the request is carried out after the instruction.</summary>
public interface IMachineControl
{
    /// <summary>The guest switched itself off (ACPI S5).</summary>
    void RequestPowerOff();

    /// <summary>The guest suspended itself to memory (ACPI S3): no processor runs until <see cref="RequestWake"/>.</summary>
    void RequestSleep();

    /// <summary>What a guest sleeps for has come: firmware starts anew, finds that memory is whole, and lets it go on.</summary>
    void RequestWake();

    /// <param name="reason">Which mechanism, for the log: "keyboard controller", "port 0xCF9" …</param>
    void RequestReset(string reason);

    /// <summary>The guest ended the run through the debug-exit port.</summary>
    /// <param name="code">Exit code for the host.</param>
    void RequestExit(int code);
}
