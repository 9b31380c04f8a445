using System.CommandLine;

namespace Strata.Cli.Machines;

/// <summary>What the commands for running machines share.</summary>
internal static class MachineArguments
{
    public static Argument<string> Machine() => new("machine") { Description = "Name of a running machine; `strata list` shows them." };

    public static Option<string> Output() => OutputOption.Create();

    public static void WriteJson<T>(T value) => OutputOption.WriteJson(value, leaveOutNulls: true);
}
