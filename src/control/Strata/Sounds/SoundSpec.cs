namespace Strata;

/// <summary>A sound card (AC '97), and where what it plays goes.</summary>
/// <param name="Wave">
/// A WAV file, which is written anew: 48 kHz, two channels of 16 bits, without the silence between sounds. Null for nowhere.
/// </param>
public sealed record SoundSpec(string? Wave)
{
    /// <summary>What <see cref="Parse"/> understands, for help texts.</summary>
    public const string Syntax = "wav=FILE, or none";

    private const string Prefix = "wav=";

    /// <summary>A card that nobody hears.</summary>
    public static SoundSpec Unheard { get; } = new((string?)null);

    /// <summary>Understands <see cref="Syntax"/>.</summary>
    /// <exception cref="StrataException">It is something else.</exception>
    public static SoundSpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text switch
        {
            "none" => Unheard,
            _ when text.StartsWith(Prefix, StringComparison.Ordinal) && text.Length > Prefix.Length => new SoundSpec(text[Prefix.Length..]),
            _ => throw new StrataException(StrataError.BadInput, $"\"{text}\" is no sound card; write {Syntax}."),
        };
    }
}
