using Strata.X86.Cpuid;

namespace Strata.Engines;

/// <summary>Processors that a machine can have, as users write them.</summary>
public static class CpuNames
{
    /// <summary>What machines had whose specification does not say, and whose snapshot is older than the choice.</summary>
    internal const string BeforeThereWasAChoice = CpuModel.V2Name;

    /// <summary>The processor that has the least.</summary>
    public const string Least = CpuModel.V2Name;

    /// <summary>What can be asked for.</summary>
    public static IReadOnlyList<string> All => CpuModel.Names;

    /// <summary>What a specification may say, for an error.</summary>
    internal static string Form => string.Join(", ", All.Select(name => $"\"{name}\""));

    /// <exception cref="StrataException">There is no such processor.</exception>
    public static string Parse(string text) => TryParse(text, out _)
        ? text
        : throw new StrataException(StrataError.BadInput, $"There is no processor \"{text}\"; use {string.Join(", ", All)}.");

    internal static bool TryParse(string text, out string? name)
    {
        name = CpuModel.TryParse(text, out _) ? text : null;
        return name is not null;
    }

    /// <summary>The model of a name; null for what the host has.</summary>
    /// <exception cref="StrataException">There is no such processor.</exception>
    internal static CpuModel Find(string? name) =>
        name is null ? CpuModel.Host
        : CpuModel.TryParse(name, out CpuModel? model) ? model!
        : throw new StrataException(StrataError.BadInput, $"There is no processor \"{name}\"; use {string.Join(", ", All)}.");
}
