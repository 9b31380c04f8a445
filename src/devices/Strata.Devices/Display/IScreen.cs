namespace Strata.Devices.Display;

/// <summary>What a machine shows. All members are safe on any thread; nothing happens for a screen that nobody looks at.</summary>
public interface IScreen
{
    /// <summary>
    /// Changes whenever the guest changes something by registers or by the display's window. It does not change for what a guest writes into
    /// a linear framebuffer: <see cref="Update"/> finds that.
    /// </summary>
    long Version { get; }

    /// <summary>Brings a picture up to what shows now, and says where it has changed.</summary>
    /// <param name="picture">Of an earlier call, or a new one; its size is the screen's afterwards.</param>
    /// <param name="changed">Receives where pixels have changed; all of it if the size has.</param>
    void Update(ScreenPicture picture, ICollection<ScreenRectangle> changed);

    /// <summary>What a text mode shows; null in a graphics mode.</summary>
    ScreenText? ReadText();
}

/// <summary>A part of a picture, in pixels.</summary>
public readonly record struct ScreenRectangle(int X, int Y, int Width, int Height);
