namespace Strata.Devices.Input;

/// <summary>What a key of set 3 does beside sending its code when it is pressed.</summary>
[Flags]
internal enum KeyModes : byte
{
    None = 0,

    /// <summary>It says when it is released.</summary>
    Breaks = 1,

    /// <summary>It repeats while it is held: "typematic".</summary>
    Repeats = 2,
}
