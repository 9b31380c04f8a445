namespace Strata.Screens;

/// <summary>How people see a machine's screen.</summary>
/// <param name="IsText">Its text modes, in a terminal.</param>
/// <param name="Vnc">By VNC; null for not.</param>
public sealed record DisplaySpec(bool IsText = false, VncSpec? Vnc = null)
{
    /// <summary>What <see cref="Parse"/> understands, for help texts.</summary>
    public const string Syntax = "none|text|vnc[=" + VncSpec.Syntax + "]";

    /// <summary>Not at all.</summary>
    public static DisplaySpec None { get; } = new();

    /// <summary>Understands <see cref="Syntax"/>.</summary>
    /// <exception cref="StrataException">There is no such display.</exception>
    public static DisplaySpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text switch
        {
            "none" => None,
            "text" => new DisplaySpec(IsText: true),
            "vnc" => new DisplaySpec(Vnc: VncSpec.Parse(string.Empty)),
            _ when text.StartsWith("vnc=", StringComparison.Ordinal) => new DisplaySpec(Vnc: VncSpec.Parse(text["vnc=".Length..])),
            _ when text.StartsWith("vnc,", StringComparison.Ordinal) => new DisplaySpec(Vnc: VncSpec.Parse(text["vnc".Length..])),
            _ => throw new StrataException(StrataError.BadInput, $"There is no display \"{text}\"; write {Syntax}."),
        };
    }
}
