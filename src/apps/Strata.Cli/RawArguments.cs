namespace Strata.Cli;

/// <summary>
/// The command line as it was given: the runtime turns bytes that are no UTF-8 into U+FFFD, and with them a file's name is lost.
/// </summary>
internal static class RawArguments
{
    private const string CommandLineFile = "/proc/self/cmdline";
    private const char Replacement = '\uFFFD';

    /// <param name="arguments">As the runtime tells them.</param>
    /// <returns>The same, with such bytes as <see cref="HostText"/> keeps them.</returns>
    public static string[] Of(string[] arguments) =>
        Array.Exists(arguments, argument => argument.Contains(Replacement, StringComparison.Ordinal))
            ? Recover(arguments, File.ReadAllBytes(CommandLineFile))
            : arguments;

    /// <param name="commandLine">Every word of the process's, each with a zero byte behind it; the arguments are the last ones.</param>
    internal static string[] Recover(string[] arguments, ReadOnlySpan<byte> commandLine)
    {
        List<string> words = [];
        while (commandLine.IndexOf((byte)0) is var length and >= 0)
        {
            words.Add(HostText.Decode(commandLine[..length]));
            commandLine = commandLine[(length + 1)..];
        }

        return words.Count >= arguments.Length ? [.. words.TakeLast(arguments.Length)] : arguments;
    }
}
