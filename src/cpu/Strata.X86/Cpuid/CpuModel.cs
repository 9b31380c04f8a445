namespace Strata.X86.Cpuid;

/// <summary>
/// What a machine's processors can do, as a name: a level of the x86-64 ABI, and what is offered beyond it. Every engine executes all of
/// it on every host; what the host's processor has itself only decides how fast. Immutable; any thread.
/// </summary>
public sealed class CpuModel
{
    /// <summary>What a user asks for by that: what the host executes itself, of all that there is.</summary>
    public const string HostName = "host";

    /// <summary>The least that machines have had since the first one; older snapshots are of it.</summary>
    public const string V2Name = "x86-64-v2";

    private const char Separator = '+';

    /// <summary>What can be offered beyond x86-64-v2, each behind what it needs.</summary>
    private static readonly Extension[] Extensions =
    [
        new("clflushopt", CpuidFeatureSet.None with { Leaf7Ebx = 1u << 23 }),
        new("clwb", CpuidFeatureSet.None with { Leaf7Ebx = 1u << 24 }),
        new("fsrm", CpuidFeatureSet.None with { Leaf7Edx = 1u << 4 }),
        new("sha", CpuidFeatureSet.None with { Leaf7Ebx = 1u << 29 }),
    ];

    private readonly string[] _extensions;

    private CpuModel(IEnumerable<Extension> extensions)
    {
        Extension[] chosen = [.. Extensions.Where(extensions.Contains)];
        _extensions = [.. chosen.Select(extension => extension.Name)];
        Features = chosen.Aggregate(CpuidFeatureSet.Baseline, (features, extension) => features.Union(extension.Features));
    }

    /// <summary>x86-64-v2, and beyond it what needs no state and no host: AES, PCLMULQDQ, MOVBE, BMI, ADX, RDRAND and RDSEED.</summary>
    public static CpuModel V2 { get; } = new([]);

    /// <summary>Everything that there is and that this host's processor has itself.</summary>
    public static CpuModel Host { get; } = new(Extensions.Where(extension => HostCpu.Features.Contains(extension.Features)));

    /// <summary>What is offered.</summary>
    public CpuidFeatureSet Features { get; }

    /// <summary>Names that <see cref="TryParse"/> knows, for people.</summary>
    public static IReadOnlyList<string> Names { get; } = [V2Name, HostName];

    /// <summary>Reads a name, or a level with extensions: <c>x86-64-v2+sha</c>, as <see cref="ToString"/> writes it.</summary>
    public static bool TryParse(string text, out CpuModel? model)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(Separator);
        model = null;
        IEnumerable<Extension>? start = parts[0] switch
        {
            HostName => Extensions.Where(extension => HostCpu.Features.Contains(extension.Features)),
            V2Name => [],
            _ => null,
        };
        if (start is null)
        {
            return false;
        }

        List<Extension> chosen = [.. start];
        foreach (string name in parts.Skip(1))
        {
            if (Array.Find(Extensions, extension => extension.Name == name) is not { } extension)
            {
                return false;
            }

            chosen.Add(extension);
        }

        CpuModel made = new(chosen);
        bool isWhole = Array.TrueForAll(Extensions, e => !made._extensions.Contains(e.Name) || e.Needs.All(made._extensions.Contains));
        model = isWhole ? made : null;
        return model is not null;
    }

    /// <summary>The same on every host, unlike <see cref="HostName"/>.</summary>
    public override string ToString() => string.Join(Separator, [V2Name, .. _extensions]);

    private sealed record Extension(string Name, CpuidFeatureSet Features)
    {
        /// <summary>Other extensions without which it makes no sense.</summary>
        public IReadOnlyList<string> Needs { get; init; } = [];
    }
}
