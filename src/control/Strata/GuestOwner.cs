using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Strata;

/// <summary>A user of the guest and a group, by their numbers there.</summary>
public sealed record GuestOwner(uint UserId, uint GroupId)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{UserId}:{GroupId}");

    /// <summary>Understands USER[:GROUP], decimal; the group has the user's number where none is given.</summary>
    internal static bool TryParse(string text, [NotNullWhen(true)] out GuestOwner? owner)
    {
        string[] parts = text.Split(':');
        owner = parts.Length <= 2 && TryParseNumber(parts[0], out uint user) && TryParseNumber(parts[^1], out uint group)
            ? new GuestOwner(user, group)
            : null;
        return owner is not null;
    }

    /// <summary>The largest number means "nobody asked" to the kernel.</summary>
    private static bool TryParseNumber(string text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number != uint.MaxValue;
}
