using Strata.Core.Input;

namespace Strata.Display.Keys;

/// <summary>Gives keys to a keyboard as fast as the guest asks for them. Safe on any thread; keys of one call stay together.</summary>
public sealed class KeyboardInput(IKeyboard keyboard, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private bool _isStuck; // under _turn: the guest took none for long, and nobody waits for it again

    /// <summary>How long a guest may take none before keys are lost, as a keyboard's are.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Sends keys.</summary>
    /// <param name="areHeld">Somebody holds those that are pressed, and they repeat meanwhile.</param>
    /// <returns>Whether the keyboard took them all.</returns>
    public async Task<bool> SendAsync(
        IReadOnlyList<KeyChange> changes, bool areHeld = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(changes);
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            foreach (KeyChange change in changes)
            {
                if (!await SendAsync(change, areHeld, cancellationToken).ConfigureAwait(false))
                {
                    return false;
                }
            }

            return true;
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private async Task<bool> SendAsync(KeyChange change, bool isHeld, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        while (!(isHeld && change.Pressed ? keyboard.Hold(change.Key) : keyboard.Send(change.Key, change.Pressed)))
        {
            if (_isStuck || time.GetElapsedTime(start) > Patience)
            {
                _isStuck = true;
                return false;
            }

            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }

        _isStuck = false;
        return true;
    }
}
