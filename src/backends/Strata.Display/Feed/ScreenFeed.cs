using Strata.Core.Display;

namespace Strata.Display.Feed;

/// <summary>
/// Looks at a machine's screen and hands its picture on to any number of views. It looks only while somebody waits for a change and the
/// screen has said that there is one, and then no more often than people see: a screen that stands still, or that nobody watches, costs
/// nothing. Where the guest paints unnoticed it looks from time to time while somebody waits, the seldomer the longer nothing happens.
/// Members are safe on any thread.
/// </summary>
public sealed class ScreenFeed : IAsyncDisposable
{
    /// <summary>The shortest time between two looks: 30 pictures a second.</summary>
    public static readonly TimeSpan FrameTime = TimeSpan.FromMilliseconds(33);

    /// <summary>The longest time between two looks where the guest paints unnoticed.</summary>
    public static readonly TimeSpan MaxPollTime = TimeSpan.FromMilliseconds(250);

    private readonly IScreen _screen;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new(); // the picture and the views; the screen's own locks are taken inside
    private readonly ScreenPicture _picture = new();
    private readonly List<ScreenRectangle> _changed = [];
    private readonly HashSet<ScreenView> _views = [];
    private readonly WakeSignal _wake = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _running;
    private volatile bool _isStale = true; // the screen has changed since the last look
    private bool _isDisposed;
    private int _wanting; // under _gate: views that wait
    private TimeSpan _pollTime = FrameTime; // under _gate

    /// <param name="screen">What is shown.</param>
    /// <param name="time">The host's time.</param>
    public ScreenFeed(IScreen screen, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(screen);
        _screen = screen;
        _time = time;
        _screen.Changed += OnChanged;
        _running = RunAsync();
    }

    /// <summary>How often the screen was looked at: it stands still with the screen.</summary>
    public long Looks { get; private set; }

    /// <summary>Hands the picture of this moment to a reader, who must not keep it.</summary>
    public T Read<T>(Func<ScreenPicture, T> reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        lock (_gate)
        {
            if (_isStale || _screen.ChangesUnnoticed)
            {
                Look();
            }

            return reader(_picture);
        }
    }

    /// <summary>The text at this moment; null where there is none.</summary>
    public ScreenText? ReadText() => _screen.ReadText();

    /// <summary>Opens a view, which has everything to see yet.</summary>
    /// <param name="wake">Called when the view asked for something and got it; on any thread, and must not block.</param>
    public ScreenView Open(Action wake)
    {
        lock (_gate)
        {
            ScreenView view = new(this, wake);
            view.Damage.Resize(_picture.Width, _picture.Height);
            view.Damage.AddAll();
            _views.Add(view);
            return view;
        }
    }

    /// <summary>Ends looking; a second call does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
        {
            return;
        }

        _screen.Changed -= OnChanged;
        await _ending.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _ending.Dispose();
    }

    /// <summary>Something was typed or moved: the guest may well paint soon.</summary>
    internal void Expect()
    {
        lock (_gate)
        {
            _pollTime = FrameTime;
        }

        if (_screen.ChangesUnnoticed)
        {
            _wake.Set();
        }
    }

    internal void Close(ScreenView view)
    {
        lock (_gate)
        {
            if (_views.Remove(view) && view.IsWanting)
            {
                _wanting--;
            }
        }
    }

    /// <summary>Wakes the view at once if it has something to see, and otherwise when it has.</summary>
    internal void Want(ScreenView view)
    {
        lock (_gate)
        {
            if (!view.Damage.IsEmpty || view.IsResized)
            {
                view.Wake();
                return;
            }

            if (!view.IsWanting && _views.Contains(view))
            {
                view.IsWanting = true;
                _wanting++;
            }
        }

        Interlocked.MemoryBarrier(); // whoever changes the screen looks for those who want behind it
        if (_isStale || _screen.ChangesUnnoticed)
        {
            _wake.Set();
        }
    }

    /// <summary>Runs an action with the picture and what the view has not seen of it; nobody changes either meanwhile.</summary>
    internal void Look(ScreenView view, Action<ScreenPicture, DamageMap, bool> action)
    {
        lock (_gate)
        {
            if (_isStale && _picture.Width == 0)
            {
                Look();
            }

            bool resized = view.IsResized;
            view.IsResized = false;
            action(_picture, view.Damage, resized);
        }
    }

    /// <summary>On any thread, a vCPU's among them: wakes the loop if somebody waits.</summary>
    private void OnChanged()
    {
        _isStale = true;
        Interlocked.MemoryBarrier(); // whoever begins to want looks at the flag behind it
        if (Volatile.Read(ref _wanting) > 0)
        {
            _wake.Set();
        }
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await _wake.WaitAsync(_ending.Token).ConfigureAwait(false);
                while (LookForViews())
                {
                    await Task.Delay(FrameTime, _time, _ending.Token).ConfigureAwait(false);
                    await WaitToPollAsync().ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // the end
        }
    }

    /// <summary>Where the guest paints unnoticed, waits longer the longer nothing happens; a wake-up ends that.</summary>
    private async Task WaitToPollAsync()
    {
        TimeSpan rest;
        lock (_gate)
        {
            rest = _pollTime - FrameTime;
        }

        if (_isStale || rest <= TimeSpan.Zero)
        {
            return;
        }

        using CancellationTokenSource limit = new(rest, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _ending.Token);
        try
        {
            await _wake.WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!_ending.IsCancellationRequested)
        {
            // time to look
        }
    }

    /// <returns>Whether there was something to look for.</returns>
    private bool LookForViews()
    {
        lock (_gate)
        {
            if (_wanting == 0 || !(_isStale || _screen.ChangesUnnoticed))
            {
                return false;
            }

            TimeSpan longer = _pollTime * 2;
            Look();
            _pollTime = _changed.Count > 0 || !_screen.ChangesUnnoticed ? FrameTime : longer > MaxPollTime ? MaxPollTime : longer;
            return true;
        }
    }

    /// <summary>Under the gate.</summary>
    private void Look()
    {
        _isStale = false;
        _changed.Clear();
        (int width, int height) = (_picture.Width, _picture.Height);
        _screen.Update(_picture, _changed);
        Looks++;
        bool resized = (width, height) != (_picture.Width, _picture.Height);
        if (!resized && _changed.Count == 0)
        {
            return;
        }

        foreach (ScreenView view in _views)
        {
            Tell(view, resized);
        }
    }

    private void Tell(ScreenView view, bool resized)
    {
        if (resized)
        {
            view.Damage.Resize(_picture.Width, _picture.Height);
            view.Damage.AddAll();
            view.IsResized = true;
        }
        else
        {
            foreach (ScreenRectangle rectangle in _changed)
            {
                view.Damage.Add(rectangle);
            }
        }

        if (view.IsWanting)
        {
            view.IsWanting = false;
            _wanting--;
            view.Wake();
        }
    }
}
