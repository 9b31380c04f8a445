using System.CommandLine;
using System.CommandLine.Invocation;
using Strata;
using Strata.Cli;
using Strata.Cli.Machines;
using Strata.Cli.Snapshots;
using Strata.Cli.Switches;

// Not a RootCommand: that one is called after the executable file.
DocumentedCommand root = new("strata", "Strata runs unmodified operating systems without hardware virtualization, root or native code.", """
    Example: strata run debian-tiny --cpus 2

    strata COMMAND --help tells more about each.
    """)
{
    CommandHelp.CreateOption(), new VersionOption(),
    RunArguments.Create(), ListCommand.Create(), ExecCommand.Create(), ConsoleCommand.Create(), CopyCommand.Create(), EngineCommand.Create(), ExplainCommand.Create(), InspectCommand.Create(), StopCommand.Create(),
    SnapshotCommand.Create(), RestoreCommand.CreateSuspend(), RestoreCommand.CreateResume(),
    ImageCommand.Create(), DiskCommand.Create(), SwitchCommand.Create(), ProbeCommand.Create(), VerifyCommand.Create(),
};

StandardStream.TakeConsole();
try
{
    ParseResult parsed = root.Parse(ExecCommand.SeparateGuestCommand(args));
    if (ParseErrors.Report(parsed))
    {
        return ExitCodes.BadInput;
    }

    int code = await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    return parsed.Action is ParseErrorAction ? ExitCodes.BadInput : code;
}
catch (StrataException error)
{
    Console.Error.WriteLine($"strata: {error.Message}");
    return error.Error == StrataError.BadInput ? ExitCodes.BadInput : ExitCodes.Failure;
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
