using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;
using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;

namespace Strata.Cli;

/// <summary>`--version`: the version, and how the command was compiled, as that decides how soon it starts.</summary>
internal sealed class CommandVersion : SynchronousCommandLineAction
{
    /// <summary>The option, for the first command of all.</summary>
    public static VersionOption CreateOption() => new() { Action = new CommandVersion() };

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        parseResult.InvocationConfiguration.Output.WriteLine($"{Number}, {Compilation}");
        return ExitCodes.Success;
    }

    private static string Number =>
        typeof(CommandVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    private static string Compilation =>
        !RuntimeFeature.IsDynamicCodeSupported ? "native"
        : IsPrecompiled(Path.Combine(AppContext.BaseDirectory, "Strata.Cli.dll")) ? "precompiled"
        : "compiled while it runs";

    /// <summary>Whether an assembly holds native code beside its portable code (ReadyToRun).</summary>
    private static bool IsPrecompiled(string assembly)
    {
        using PEReader file = new(File.OpenRead(assembly));
        return file.PEHeaders.CorHeader is { ManagedNativeHeaderDirectory.Size: > 0 };
    }
}
