using Strata.Core.Display;

namespace Strata.Display.Feed;

/// <summary>One of those who look at a screen. What it has not seen yet adds up, in a fixed amount of memory, until it looks.</summary>
public sealed class ScreenView : IDisposable
{
    private readonly ScreenFeed _feed;
    private readonly Action _wake;

    internal ScreenView(ScreenFeed feed, Action wake)
    {
        _feed = feed;
        _wake = wake;
    }

    /// <summary>What it has not seen; under the feed's gate.</summary>
    internal DamageMap Damage { get; } = new();

    /// <summary>Whether it waits for a change; under the feed's gate.</summary>
    internal bool IsWanting { get; set; }

    /// <summary>Whether the size has changed since it looked; under the feed's gate.</summary>
    internal bool IsResized { get; set; }

    /// <summary>Asks to be woken when there is something to see: at once if there is already.</summary>
    public void Want() => _feed.Want(this);

    /// <summary>Looks at the picture. Everybody else waits meanwhile.</summary>
    /// <param name="action">Gets the picture, what is new of it (to be taken), and whether its size is another one.</param>
    internal void Look(Action<ScreenPicture, DamageMap, bool> action) => _feed.Look(this, action);

    /// <summary>Looks at the whole picture; everything counts as seen.</summary>
    public T Read<T>(Func<ScreenPicture, T> reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        T? result = default;
        Look((picture, damage, _) =>
        {
            damage.Take([]);
            result = reader(picture);
        });
        return result!;
    }

    public void Dispose() => _feed.Close(this);

    internal void Wake() => _wake();
}
