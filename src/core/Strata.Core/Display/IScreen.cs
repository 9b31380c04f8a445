namespace Strata.Core.Display;

/// <summary>
/// What a display adapter shows. Members are safe on any thread. Nothing happens for a screen that nobody looks at.
/// </summary>
public interface IScreen
{
    /// <summary>
    /// Raised when something changes behind an <see cref="Update"/>, and not again before the next one: nobody has to look at a screen that
    /// stands still. Comes on any thread, a vCPU's in the middle of an instruction among them, and under locks of the adapter: a handler
    /// wakes somebody, and nothing else.
    /// </summary>
    event Action? Changed;

    /// <summary>
    /// Whether the guest can change the picture now without the adapter's noticing, as in a linear framebuffer: whoever wants to see that
    /// has to look from time to time.
    /// </summary>
    bool ChangesUnnoticed { get; }

    /// <summary>Brings a picture up to what shows now, and says where it has changed.</summary>
    /// <param name="picture">Of an earlier call, or a new one; its size is the screen's afterwards.</param>
    /// <param name="changed">Receives where pixels have changed; all of it if the size has.</param>
    void Update(ScreenPicture picture, ICollection<ScreenRectangle> changed);

    /// <summary>
    /// What a text mode shows, or text in a picture that is drawn with the adapter's own fonts, without a cursor. Null where there is none.
    /// </summary>
    ScreenText? ReadText();
}
