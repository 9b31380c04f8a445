using System.CommandLine;
using System.CommandLine.Invocation;
using Strata;
using Strata.Cli;
using Strata.Cli.Machines;
using Strata.Cli.Snapshots;
using Strata.Cli.Switches;

using TerminationSignals signals = new();

// Not a RootCommand: that one is called after the executable file.
DocumentedCommand root = new("strata", "Strata runs unmodified operating systems without hardware virtualization, root or native code.", """
    Example: strata run debian-tiny --cpus 2

    strata COMMAND --help tells more about each.
    """)
{
    CommandHelp.CreateOption(), CommandVersion.CreateOption(),
    RunArguments.Create(signals), ListCommand.Create(), ExecCommand.Create(signals), ConsoleCommand.Create(signals),
    CopyCommand.Create(), EngineCommand.Create(), ExplainCommand.Create(), ScreenCommand.Create(), TypeCommand.Create(),
    MediaCommand.Create(), InspectCommand.Create(),
    StopCommand.Create(), ResetCommand.Create(), WakeCommand.Create(),
    SnapshotCommand.Create(signals), RestoreCommand.CreateSuspend(), RestoreCommand.CreateResume(signals), CloneCommand.Create(signals),
    ImageCommand.Create(), DiskCommand.Create(), SwitchCommand.Create(), ProbeCommand.Create(), VerifyCommand.Create(),
};

StandardStream.TakeConsole();
try
{
    ParseResult parsed = root.Parse(ExecCommand.SeparateGuestCommand(RawArguments.Of(args)));
    if (ParseErrors.Report(parsed))
    {
        return ExitCodes.BadInput;
    }

    // No handling of signals by the parser: its own comes too late for a second one, and knows one exit code.
    InvocationConfiguration invocation = new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
    int code = parsed.Action is AsynchronousCommandLineAction
        ? await signals.RunAsync(token => parsed.InvokeAsync(invocation, token))
        : parsed.Invoke(invocation);
    return parsed.Action is ParseErrorAction ? ExitCodes.BadInput : code;
}
catch (StrataException error)
{
    Console.Error.WriteLine($"strata: {error.Message}");
    return error.CommandExitCode ?? (error.Error == StrataError.BadInput ? ExitCodes.BadInput : ExitCodes.Failure);
}
catch (OutputLostException error)
{
    Console.Error.WriteLine($"strata: {error.Message}");
    return ExitCodes.Failure;
}
catch (OperationCanceledException)
{
    return ExitCodes.Interrupted;
}
