namespace Strata.Cli;

/// <summary>Progress as lines on standard error, in the order in which it is reported.</summary>
internal sealed class LineProgress : IProgress<string>
{
    private readonly long _start = Environment.TickCount64;

    /// <summary>Lines for people; null, which is quiet, where standard error is a pipe or a file.</summary>
    public static LineProgress? ForTerminal() => Console.IsErrorRedirected ? null : new LineProgress();

    public void Report(string value) => Console.Error.WriteLine($"strata: [{(Environment.TickCount64 - _start) / 1000,3} s] {value} ...");
}
