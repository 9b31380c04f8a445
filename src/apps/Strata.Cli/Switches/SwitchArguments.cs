using System.Globalization;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;

namespace Strata.Cli.Switches;

/// <summary>What stands behind `--net switch=`.</summary>
internal static class SwitchArguments
{
    private const long BitsPerByte = 8;

    /// <param name="text">NAME[,isolated][,vlan=N][,delay=Nms][,loss=N%][,rate=N[K|M|G]].</param>
    /// <exception cref="StrataException">It cannot be understood.</exception>
    public static NetworkCard Parse(string text, IReadOnlyList<PortForward> forwards)
    {
        string[] words = OptionList.Split(text);
        NamedSwitchOptions options = new() { Forwards = forwards };
        foreach (string word in words.Skip(1))
        {
            options = Apply(options, word);
        }

        return NetworkCard.Switch(words[0], options);
    }

    private static NamedSwitchOptions Apply(NamedSwitchOptions options, string word) => word.Split('=', 2) switch
    {
        ["isolated"] => options with { IsIsolated = true },
        ["vlan", string text] when TryParseNumber(text, "", 1, 4094, out double vlan) && double.IsInteger(vlan) => options with { Vlan = (int)vlan },
        ["delay", string text] when TryParseNumber(text, "ms", 0, 60_000, out double delay) =>
            options with { Conditions = options.Conditions with { Delay = TimeSpan.FromMilliseconds(delay) } },
        ["loss", string text] when TryParseNumber(text, "%", 0, 100, out double percent) => options with { Conditions = options.Conditions with { Loss = percent / 100 } },
        ["rate", string text] when TryParseRate(text, out long bytes) => options with { Conditions = options.Conditions with { BytesPerSecond = bytes } },
        _ => throw new StrataException(
            StrataError.BadInput, $"\"{word}\" is no option of a switch; write isolated, vlan=1 to 4094, delay=20ms (at most 60000), loss=1% or rate=10M (bits a second)."),
    };

    private static bool TryParseNumber(string text, string unit, double least, double most, out double number)
    {
        number = 0;
        return text.EndsWith(unit, StringComparison.Ordinal)
            && double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number)
            && number >= least && number <= most;
    }

    /// <summary>Bits a second; K, M and G are powers of 1000, as network cards count.</summary>
    private static bool TryParseRate(string text, out long bytesPerSecond)
    {
        long unit = text.Length == 0 ? 1 : char.ToUpperInvariant(text[^1]) switch { 'K' => 1000, 'M' => 1_000_000, 'G' => 1_000_000_000, _ => 1 };
        bool good = TryParseNumber(unit == 1 ? text : text[..^1], "", 0, 1e6, out double number) || (unit == 1 && TryParseNumber(text, "", 0, 1e12, out number));
        bytesPerSecond = (long)(number * unit) / BitsPerByte;
        return good && bytesPerSecond > 0;
    }
}
