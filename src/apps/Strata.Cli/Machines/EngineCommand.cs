using System.CommandLine;
using System.Globalization;
using Strata.Control;
using Strata.Engines;

namespace Strata.Cli.Machines;

/// <summary>`strata engine`: shows or changes what executes a running machine.</summary>
internal static class EngineCommand
{
    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        Argument<string?> engine = new("engine")
        {
            Description = "kvm, direct, translator, interpreter, or auto for the fastest here. Left out: say which it is.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string> output = MachineArguments.Output();
        DocumentedCommand command = new("engine", "Show which engine runs a machine, or move it to another while it runs.", """
            The guest notices nothing but the pause, which is printed. To KVM only a machine can go that was started there or with
            --portable-cpu.

            Example: strata engine debian-tiny interpreter
            """)
        {
            machine, engine, output,
        };
        command.SetAction(async (result, token) =>
        {
            IMachine running = new MachineRegistry().Find(result.GetValue(machine)!);
            bool json = OutputOption.IsJson(result, output);
            if (result.GetValue(engine) is not { } wanted)
            {
                MachineDescription description = await running.DescribeAsync(token);
                if (json)
                {
                    MachineArguments.WriteJson(new EngineChoice(description.Engine?.Name));
                }
                else
                {
                    Console.WriteLine((description.Engine ?? Engine.Auto).Name);
                }

                return ExitCodes.Success;
            }

            EngineSwitch done = await running.SwitchEngineAsync(EngineNames.Parse(wanted), token);
            if (json)
            {
                MachineArguments.WriteJson(done);
            }
            else
            {
                Console.WriteLine(done.From == done.To
                    ? $"{done.To.Name} already"
                    : string.Create(
                        CultureInfo.InvariantCulture, $"{done.From.Name} to {done.To.Name}, paused for {done.PauseMilliseconds:F1} ms"));
            }

            return ExitCodes.Success;
        });
        return command;
    }
}

/// <summary>The engine that runs a machine, in the form that programs read.</summary>
/// <param name="Engine">Null where the machine does not say.</param>
internal sealed record EngineChoice(string? Engine);
