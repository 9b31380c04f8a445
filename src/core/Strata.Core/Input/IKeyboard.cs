namespace Strata.Core.Input;

/// <summary>A keyboard of a machine, for whoever types. All members are safe on any thread.</summary>
public interface IKeyboard
{
    /// <summary>Presses or releases a key. A key that is held and pressed again repeats.</summary>
    /// <returns>False if the keyboard's buffer is full, and the key is lost.</returns>
    bool Send(KeyCode key, bool pressed);

    /// <summary>
    /// Presses a key that somebody holds until it is released by <see cref="Send"/>: it repeats meanwhile, as the guest has set, where that
    /// is the keyboard's affair.
    /// </summary>
    /// <returns>As <see cref="Send"/>.</returns>
    bool Hold(KeyCode key) => Send(key, pressed: true);

    /// <summary>Everything that was sent has been taken by the guest: a time to type on.</summary>
    bool IsIdle { get; }

    /// <summary>Lamps that the guest has lit.</summary>
    KeyboardLamps Lamps { get; }
}

/// <summary>A mouse of a machine, for whoever moves it. All members are safe on any thread.</summary>
public interface IPointer
{
    /// <summary>Moves the mouse; distances add up until the guest takes them.</summary>
    /// <param name="x">To the right.</param>
    /// <param name="y">Downwards.</param>
    /// <param name="wheel">Notches, towards the user.</param>
    /// <param name="buttons">Those that are held from now on.</param>
    void Move(int x, int y, int wheel, PointerButtons buttons);
}

/// <summary>Lamps of a keyboard.</summary>
[Flags]
public enum KeyboardLamps : byte
{
    /// <summary>All are dark.</summary>
    None = 0,

    /// <summary>Scroll Lock.</summary>
    ScrollLock = 1,

    /// <summary>Num Lock.</summary>
    NumLock = 2,

    /// <summary>Caps Lock.</summary>
    CapsLock = 4,
}

/// <summary>Buttons of a mouse.</summary>
[Flags]
public enum PointerButtons : byte
{
    /// <summary>None is held.</summary>
    None = 0,

    /// <summary>The left one.</summary>
    Left = 1,

    /// <summary>The right one.</summary>
    Right = 2,

    /// <summary>The middle one.</summary>
    Middle = 4,
}
