namespace Strata.Cli;

/// <summary>Tells keys for the guest from those behind Ctrl-A, which are for Strata.</summary>
internal sealed class EscapedKeys
{
    /// <summary>Ctrl-A.</summary>
    public const byte Escape = 1;

    private bool _escaped;

    /// <param name="pass">Receives what is for the guest.</param>
    /// <param name="onEscaped">Takes a key that was typed behind the escape, when the keys before it are in
    /// <paramref name="pass"/>.</param>
    public void Take(ReadOnlySpan<byte> keys, List<byte> pass, Action<byte> onEscaped)
    {
        foreach (byte key in keys)
        {
            if (_escaped)
            {
                _escaped = false;
                onEscaped(key);
            }
            else if (key == Escape)
            {
                _escaped = true;
            }
            else
            {
                pass.Add(key);
            }
        }
    }
}
