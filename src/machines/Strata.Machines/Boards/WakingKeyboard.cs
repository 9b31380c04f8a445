using Strata.Core.Input;
using Strata.Devices.Power;

namespace Strata.Machines.Boards;

/// <summary>A keyboard whose keys wake a guest that is suspended to memory; what was typed does not reach it.</summary>
internal sealed class WakingKeyboard(IKeyboard keyboard, AcpiPower power) : IKeyboard
{
    public bool IsIdle => keyboard.IsIdle;

    public KeyboardLamps Lamps => keyboard.Lamps;

    public bool Send(KeyCode key, bool pressed) => (power.IsAsleep && (!pressed || power.TryWake())) || keyboard.Send(key, pressed);
}
