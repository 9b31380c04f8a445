using Strata.Core.Input;

namespace Strata.Display.Rfb;

/// <summary>
/// Puts a tablet where a client's pointer is, or turns its places into movements of a mouse while the guest has no tablet. Not safe for
/// several threads.
/// </summary>
internal sealed class PointerInput(IPointer pointer, ITablet? tablet)
{
    /// <summary>The place that stands for no movement, in clients that send movements.</summary>
    private const int Still = 0x7FFF;

    private const byte WheelUp = 8;
    private const byte WheelDown = 16;

    private (int X, int Y)? _last;
    private (int X, int Y) _place; // of the tablet
    private byte _mask;

    /// <summary>Places count, not movements.</summary>
    public bool IsAbsolute => tablet is { IsReady: true };

    /// <summary>A pointer event.</summary>
    /// <param name="size">Of the picture that the place is in.</param>
    /// <param name="mask">Bits 0 to 2: left, middle, right; 3 and 4: the wheel, a step each time one is set.</param>
    /// <param name="isMovement">Whether the client sends movements.</param>
    public void Move(int x, int y, (int Width, int Height) size, byte mask, bool isMovement)
    {
        (int fromX, int fromY) = isMovement ? (Still, Still) : _last ?? (x, y);
        _last = isMovement ? null : (x, y);
        int pressed = mask & ~_mask;
        _mask = mask;
        int wheel = ((pressed & WheelDown) != 0 ? 1 : 0) - ((pressed & WheelUp) != 0 ? 1 : 0);
        if (!isMovement && tablet is { IsReady: true })
        {
            _place = (Scale(x, size.Width), Scale(y, size.Height));
            tablet.MoveTo(_place.X, _place.Y, wheel, Buttons(mask));
        }
        else
        {
            pointer.Move(x - fromX, y - fromY, wheel, Buttons(mask));
        }
    }

    /// <summary>Lets all buttons go, as the client has gone.</summary>
    public void Release()
    {
        if (Buttons(_mask) == PointerButtons.None)
        {
            return;
        }

        if (tablet is { IsReady: true })
        {
            tablet.MoveTo(_place.X, _place.Y, 0, PointerButtons.None);
        }
        else
        {
            pointer.Move(0, 0, 0, PointerButtons.None);
        }
    }

    private static int Scale(int place, int size) => Math.Clamp(place, 0, Math.Max(size - 1, 0)) * ITablet.Largest / Math.Max(size - 1, 1);

    private static PointerButtons Buttons(byte mask) =>
        ((mask & 1) != 0 ? PointerButtons.Left : 0)
            | ((mask & 2) != 0 ? PointerButtons.Middle : 0)
            | ((mask & 4) != 0 ? PointerButtons.Right : 0);
}
