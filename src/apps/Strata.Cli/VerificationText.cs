using System.Globalization;
using Strata.Verification;

namespace Strata.Cli;

/// <summary>What `strata verify` prints for people.</summary>
internal static class VerificationText
{
    private const int NameWidth = 16;

    /// <param name="fault">The instruction that was made to go wrong, or 0.</param>
    public static void Write(TextWriter output, VerificationResult result, VerificationSpec spec, long fault)
    {
        string total = Format($"{result.Instructions:N0} instructions on each engine, {result.Comparisons:N0} comparisons");
        if (result.Divergence is not { } divergence)
        {
            string end = result.Exit?.Details
                ?? (spec.Limit > 0 && result.Instructions >= spec.Limit ? "The limit was reached." : "The guest waits for ever.");
            output.WriteLine(Format($"The engines agree: {total}; undefined flags differed {result.AdoptedFlags:N0} times. {end}"));
            return;
        }

        output.WriteLine(divergence.IsExact
            ? Format($"The engines differ at instruction {divergence.After:N0} of processor {divergence.Processor} ({total}).")
            : Format(
                $"The engines differ after instruction {divergence.After:N0}; they were the same after {divergence.Before:N0} ({total})."));
        output.WriteLine();
        output.WriteLine("Code:");
        foreach (string line in divergence.Code)
        {
            output.WriteLine("  " + line);
        }

        output.WriteLine();
        WriteRegisters(output, divergence);
        foreach (string line in divergence.Others)
        {
            output.WriteLine(line);
        }

        output.WriteLine();
        output.WriteLine("Repeat with: " + CommandLine(spec, divergence, fault));
    }

    /// <summary>Every register that differs, marked; then the general ones before the instruction.</summary>
    private static void WriteRegisters(TextWriter output, Divergence divergence)
    {
        if (divergence.Registers.Count > 0)
        {
            output.WriteLine(Format($"  {"Register",-NameWidth} {"before",18} {"interpreter",18} {"translator",18}"));
            foreach (RegisterDifference difference in divergence.Registers)
            {
                output.WriteLine(
                    Format($"* {difference.Name,-NameWidth} {difference.Before,18:x} {difference.Expected,18:x} {difference.Actual,18:x}"));
            }

            output.WriteLine();
        }

        output.WriteLine("Both before it:");
        const int perLine = 4;
        foreach (RegisterValue[] line in divergence.State.Where(field => IsGeneral(field.Name)).Chunk(perLine))
        {
            output.WriteLine("  " + string.Join("  ", line.Select(field => Format($"{field.Name,-7} {field.Value:x16}"))));
        }
    }

    private static bool IsGeneral(string name) =>
        name is "Rip" or "Rflags" or "Cr0" or "Cr2" or "Cr3" or "Cr4" or "Fs.Base" or "Gs.Base" || (name.Length <= 3 && name[0] == 'R');

    private static string CommandLine(VerificationSpec spec, Divergence divergence, long fault)
    {
        string initrd = spec.Initrd == null ? string.Empty : $" --initrd {spec.Initrd}";
        string modules = string.Concat(spec.Modules.Select(module => $" --module '{module.Text}'"));
        string input = string.Concat(spec.Input.Select(line => $" --send '{line}'"));
        string flip = fault > 0 ? Format($" --fault-at {fault}") : string.Empty;
        string machine = Format($"--append '{spec.CommandLine}' -m {spec.Memory >> 20}M --cpus {spec.Processors} --seed {spec.Seed}");
        string run = Format($"--prompt '{spec.Prompt}' --from {divergence.Before}{flip}");
        return $"strata verify --kernel {spec.Kernel}{initrd}{modules} {machine}{input} {run}";
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
