namespace Strata;

/// <summary>What to run in the guest.</summary>
/// <param name="Arguments">The program, looked up in the agent's PATH, and what it gets.</param>
public sealed record GuestCommand(IReadOnlyList<string> Arguments)
{
    /// <summary>Variables beside those of the agent.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Working folder.</summary>
    public string Folder { get; init; } = "/";

    /// <summary>Gives the program a terminal of this size; its error output is the terminal's, too.</summary>
    public TerminalSize? Terminal { get; init; }

    /// <summary>A line for the guest's shell.</summary>
    public static GuestCommand Shell(string line) => new(["sh", "-c", line]);
}

/// <summary>A terminal's size in characters.</summary>
public sealed record TerminalSize(ushort Rows, ushort Columns);

/// <summary>What a program left.</summary>
/// <param name="ExitCode">Its exit code; 128 and the signal's number if a signal ended it.</param>
public sealed record GuestResult(int ExitCode, byte[] Output, byte[] ErrorOutput)
{
    public string OutputText => System.Text.Encoding.UTF8.GetString(Output);

    public string ErrorText => System.Text.Encoding.UTF8.GetString(ErrorOutput);
}
