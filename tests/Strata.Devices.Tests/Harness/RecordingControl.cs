using Strata.Devices.Power;

namespace Strata.Devices.Tests.Harness;

/// <summary>Remembers what devices ask of the machine.</summary>
internal sealed class RecordingControl : IMachineControl
{
    public List<string> Requests { get; } = [];

    public void RequestPowerOff() => Requests.Add("off");

    public void RequestSleep() => Requests.Add("sleep");

    public void RequestWake() => Requests.Add("wake");

    public void RequestReset(string reason) => Requests.Add("reset");

    public void RequestExit(int code) => Requests.Add($"exit {code}");
}
