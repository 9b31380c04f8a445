namespace Strata.Core.Display;

/// <summary>
/// What a display adapter shows. It keeps note of what the guest has drawn since the last <see cref="Update"/>, so it has one viewer: who shows
/// it to several hands the picture on.
/// </summary>
public interface IScreen
{
    /// <summary>
    /// Raised once when something changes behind an <see cref="Update"/>, and not again before the next one: nobody has to look at a screen that
    /// stands still. Comes on any thread, a vCPU's in the middle of an instruction among them; a handler only wakes somebody.
    /// </summary>
    event Action? Changed;

    /// <summary>Takes over what has changed: gives the picture the mode's size, paints it, and adds what it painted.</summary>
    /// <param name="picture">The same one at each call: what did not change is still in it.</param>
    /// <param name="changed">Gets the rectangles; the whole picture when its size changed. Nothing is added where nothing changed.</param>
    void Update(ScreenPicture picture, ICollection<ScreenRectangle> changed);

    /// <summary>The characters of a text mode; null in a graphics mode. Any thread.</summary>
    ScreenText? ReadText();
}
