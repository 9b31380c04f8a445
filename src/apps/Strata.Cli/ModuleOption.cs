using System.CommandLine;

namespace Strata.Cli;

/// <summary>The option for a kernel's modules.</summary>
internal static class ModuleOption
{
    public static Option<string[]> Create() => new("--module")
    {
        Description = "File for a Multiboot or PVH kernel, FILE or 'FILE ARGS'; may be repeated. The kernel finds the text as the " +
            "module's string.",
    };
}
