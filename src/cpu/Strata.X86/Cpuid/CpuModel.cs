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

    /// <summary>AVX2, FMA and F16C besides.</summary>
    public const string V3Name = "x86-64-v3";

    private const char Separator = '+';
    private const string Avx = "avx";

    /// <summary>What can be offered beyond x86-64-v2.</summary>
    private static readonly Extension[] Extensions =
    [
        new(Avx, CpuidFeatureSet.None with { Leaf1Ecx = CpuidFeatureSet.Avx }) { IsOfV3 = true },
        new("avx2", CpuidFeatureSet.None with { Leaf7Ebx = 1u << 5 }) { IsOfV3 = true, NeedsAvx = true },
        new("fma", CpuidFeatureSet.None with { Leaf1Ecx = 1u << 12 }) { IsOfV3 = true, NeedsAvx = true },
        new("f16c", CpuidFeatureSet.None with { Leaf1Ecx = 1u << 29 }) { IsOfV3 = true, NeedsAvx = true },
        new("vaes", CpuidFeatureSet.None with { Leaf7Ecx = 1u << 9 }) { NeedsAvx = true },
        new("vpclmulqdq", CpuidFeatureSet.None with { Leaf7Ecx = 1u << 10 }) { NeedsAvx = true },
        new("sha", CpuidFeatureSet.None with { Leaf7Ebx = 1u << 29 }),
        new("clflushopt", CpuidFeatureSet.None with { Leaf7Ebx = 1u << 23 }),
        new("clwb", CpuidFeatureSet.None with { Leaf7Ebx = 1u << 24 }),
        new("fsrm", CpuidFeatureSet.None with { Leaf7Edx = 1u << 4 }),
    ];

    private readonly Extension[] _extensions;

    private CpuModel(IEnumerable<Extension> extensions)
    {
        _extensions = [.. Extensions.Where(extensions.Contains)];
        Features = _extensions.Aggregate(CpuidFeatureSet.Baseline, (features, extension) => features.Union(extension.Features));
    }

    /// <summary>x86-64-v2, and beyond it what needs no state and no host: AES, PCLMULQDQ, MOVBE, BMI, ADX, RDRAND and RDSEED.</summary>
    public static CpuModel V2 { get; } = new([]);

    /// <summary>x86-64-v3, and what <see cref="V2"/> has beyond its level.</summary>
    public static CpuModel V3 { get; } = new(Extensions.Where(extension => extension.IsOfV3));

    /// <summary>Everything that there is and that this host's processor has itself.</summary>
    public static CpuModel Host { get; } = new(Extensions.Where(extension => HostCpu.Features.Contains(extension.Features)));

    /// <summary>What is offered.</summary>
    public CpuidFeatureSet Features { get; }

    /// <summary>Names that <see cref="TryParse"/> knows, for people.</summary>
    public static IReadOnlyList<string> Names { get; } = [V2Name, V3Name, HostName];

    /// <summary>Reads a name, or a level with extensions: <c>x86-64-v2+sha</c>, as <see cref="ToString"/> writes it.</summary>
    public static bool TryParse(string text, out CpuModel? model)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(Separator);
        model = parts[0] switch
        {
            HostName => Host,
            V2Name => V2,
            V3Name => V3,
            _ => null,
        };
        if (model is null || parts.Length == 1)
        {
            return model is not null;
        }

        List<Extension> chosen = [.. model._extensions];
        foreach (string name in parts.Skip(1))
        {
            if (Array.Find(Extensions, extension => extension.Name == name) is not { } extension)
            {
                model = null;
                return false;
            }

            chosen.Add(extension);
        }

        bool isWhole = chosen.Any(extension => extension.Name == Avx) || !chosen.Any(extension => extension.NeedsAvx);
        model = isWhole ? new CpuModel(chosen) : null;
        return isWhole;
    }

    /// <summary>The same on every host, unlike <see cref="HostName"/>.</summary>
    public override string ToString()
    {
        bool isV3 = V3._extensions.All(_extensions.Contains);
        IEnumerable<string> beyond = _extensions.Where(extension => !(isV3 && extension.IsOfV3)).Select(extension => extension.Name);
        return string.Join(Separator, [isV3 ? V3Name : V2Name, .. beyond]);
    }

    private sealed record Extension(string Name, CpuidFeatureSet Features)
    {
        public bool IsOfV3 { get; init; }

        /// <summary>It is nothing without AVX.</summary>
        public bool NeedsAvx { get; init; }
    }
}
