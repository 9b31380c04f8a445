using Strata.Core.Input;

namespace Strata.Display.Rfb;

/// <summary>Turns a client's places of the pointer into movements of a mouse. Not safe for several threads.</summary>
internal sealed class PointerInput(IPointer pointer)
{
    /// <summary>The place that stands for no movement, in clients that send movements.</summary>
    private const int Still = 0x7FFF;

    private const byte WheelUp = 8;
    private const byte WheelDown = 16;

    private (int X, int Y)? _last;
    private byte _mask;

    /// <summary>A pointer event.</summary>
    /// <param name="mask">Bits 0 to 2: left, middle, right; 3 and 4: the wheel, a step each time one is set.</param>
    /// <param name="isMovement">Whether the client sends movements.</param>
    public void Move(int x, int y, byte mask, bool isMovement)
    {
        (int fromX, int fromY) = isMovement ? (Still, Still) : _last ?? (x, y);
        _last = isMovement ? null : (x, y);
        int pressed = mask & ~_mask;
        _mask = mask;
        int wheel = ((pressed & WheelDown) != 0 ? 1 : 0) - ((pressed & WheelUp) != 0 ? 1 : 0);
        pointer.Move(x - fromX, y - fromY, wheel, Buttons(mask));
    }

    /// <summary>Lets all buttons go, as the client has gone.</summary>
    public void Release()
    {
        if (Buttons(_mask) != PointerButtons.None)
        {
            pointer.Move(0, 0, 0, PointerButtons.None);
        }
    }

    private static PointerButtons Buttons(byte mask) =>
        ((mask & 1) != 0 ? PointerButtons.Left : 0)
            | ((mask & 2) != 0 ? PointerButtons.Middle : 0)
            | ((mask & 4) != 0 ? PointerButtons.Right : 0);
}
