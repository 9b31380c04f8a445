namespace Strata.X86.Cpuid;

/// <summary>
/// The feature words of CPUID: which instructions and mechanisms a processor has. A bit set means present.
/// Intel SDM Vol. 2A, "CPUID".
/// </summary>
/// <param name="Leaf1Ecx">Leaf 1, ECX.</param>
/// <param name="Leaf1Edx">Leaf 1, EDX.</param>
/// <param name="Leaf7Ebx">Leaf 7, subleaf 0, EBX.</param>
/// <param name="Leaf7Ecx">Leaf 7, subleaf 0, ECX.</param>
/// <param name="Leaf7Edx">Leaf 7, subleaf 0, EDX.</param>
/// <param name="ExtendedEcx">Leaf 80000001H, ECX.</param>
/// <param name="ExtendedEdx">Leaf 80000001H, EDX.</param>
/// <param name="Paravirtual">Leaf 40000001H, EAX.</param>
public readonly record struct CpuidFeatureSet(
    uint Leaf1Ecx, uint Leaf1Edx, uint Leaf7Ebx, uint Leaf7Ecx, uint Leaf7Edx, uint ExtendedEcx, uint ExtendedEdx, uint Paravirtual)
{
    public const uint Xsave = 1 << 26; // leaf 1, ECX
    public const uint Avx = 1 << 28; // leaf 1, ECX
    public const uint Hypervisor = 1u << 31; // leaf 1, ECX: a processor of a monitor that says so

    // Leaf 1 ECX: SSE3 PCLMULQDQ SSSE3 CX16 PCID SSE4.1 SSE4.2 x2APIC MOVBE POPCNT TSC-deadline AES XSAVE RDRAND hypervisor.
    private const uint BaselineLeaf1Ecx = (1 << 0) | (1 << 1) | (1 << 9) | (1 << 13) | (1 << 17) | (1 << 19) | (1 << 20) | (1 << 21)
        | (1 << 22) | (1 << 23) | (1 << 24) | (1 << 25) | (1 << 26) | (1 << 30) | Hypervisor;

    // Leaf 1 EDX: FPU VME DE PSE TSC MSR PAE MCE CX8 SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2.
    private const uint BaselineLeaf1Edx = 0b0000_0111_1000_1011_1111_1001_1111_1111 & ~(1u << 9);

    // Leaf 7, EBX: FSGSBASE, TSC_ADJUST, BMI1, SMEP, BMI2, ERMS, INVPCID, RDSEED, ADX, SMAP.
    private const uint BaselineLeaf7Ebx = (1 << 0) | (1 << 1) | (1 << 3) | (1 << 7) | (1 << 8) | (1 << 9) | (1 << 10) | (1 << 18)
        | (1 << 19) | (1 << 20);

    // ECX: UMIP, RDPID. EDX: IBRS/IBPB, STIBP, ARCH_CAPABILITIES, SSBD.
    private const uint BaselineLeaf7Ecx = (1 << 2) | (1 << 22);
    private const uint BaselineLeaf7Edx = (1u << 26) | (1u << 27) | (1u << 29) | (1u << 31);

    // 80000001 ECX: LAHF, LZCNT, 3DNOWPREFETCH. EDX: SYSCALL, NX, PDPE1GB, RDTSCP, LM.
    private const uint BaselineExtendedEcx = (1 << 0) | (1 << 5) | (1 << 8);
    private const uint BaselineExtendedEdx = (1 << 11) | (1 << 20) | (1 << 26) | (1 << 27) | (1 << 29);

    private static readonly (int Word, int Bit, string Name)[] Names =
    [
        (0, 0, "SSE3"), (0, 1, "PCLMULQDQ"), (0, 9, "SSSE3"), (0, 12, "FMA"), (0, 13, "CMPXCHG16B"), (0, 17, "PCID"), (0, 19, "SSE4.1"),
        (0, 20, "SSE4.2"), (0, 22, "MOVBE"), (0, 23, "POPCNT"), (0, 25, "AES"), (0, 26, "XSAVE"), (0, 28, "AVX"), (0, 29, "F16C"),
        (0, 30, "RDRAND"),
        (1, 0, "x87"), (1, 1, "VME"), (1, 2, "DE"), (1, 3, "PSE"), (1, 4, "TSC"), (1, 6, "PAE"), (1, 8, "CMPXCHG8B"), (1, 11, "SYSENTER"),
        (1, 13, "PGE"), (1, 15, "CMOV"), (1, 16, "PAT"), (1, 17, "PSE-36"), (1, 19, "CLFLUSH"), (1, 23, "MMX"), (1, 24, "FXSAVE"),
        (1, 25, "SSE"), (1, 26, "SSE2"),
        (2, 0, "FSGSBASE"), (2, 3, "BMI1"), (2, 5, "AVX2"), (2, 7, "SMEP"), (2, 8, "BMI2"), (2, 9, "ERMS"), (2, 10, "INVPCID"),
        (2, 18, "RDSEED"), (2, 19, "ADX"),
        (2, 20, "SMAP"), (2, 23, "CLFLUSHOPT"), (2, 24, "CLWB"), (2, 29, "SHA"),
        (3, 2, "UMIP"), (3, 9, "VAES"), (3, 10, "VPCLMULQDQ"), (3, 22, "RDPID"),
        (4, 4, "FSRM"), (4, 26, "IBRS"), (4, 27, "STIBP"), (4, 31, "SSBD"),
        (5, 0, "LAHF"), (5, 5, "LZCNT"), (5, 8, "PREFETCHW"),
        (6, 11, "SYSCALL"), (6, 20, "NX"), (6, 26, "1-GiB pages"), (6, 27, "RDTSCP"), (6, 29, "long mode"),
        (7, 0, "the old paravirtual clock"), (7, 1, "ports without delay"), (7, 3, "the paravirtual clock"), (7, 5, "steal time"),
        (7, 6, "paravirtual EOI"),
        (7, 7, "paravirtual wake-up"), (7, 11, "paravirtual IPIs"), (7, 13, "paravirtual yield"), (7, 15, "wide MSI destinations"),
        (7, 24, "a stable paravirtual clock"),
    ];

    /// <summary>Every bit: nothing is left out.</summary>
    public static CpuidFeatureSet All { get; } = new(~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u);

    /// <summary>No bit.</summary>
    public static CpuidFeatureSet None { get; }

    /// <summary>What every machine's processors have, paravirtual features apart.</summary>
    internal static CpuidFeatureSet Baseline { get; } = new(
        BaselineLeaf1Ecx, BaselineLeaf1Edx, BaselineLeaf7Ebx, BaselineLeaf7Ecx, BaselineLeaf7Edx, BaselineExtendedEcx, BaselineExtendedEdx,
        Paravirtual: 0);

    /// <summary>Whether everything of another set is here.</summary>
    public bool Contains(CpuidFeatureSet other) => Intersect(other) == other;

    public CpuidFeatureSet Union(CpuidFeatureSet other) => new(
        Leaf1Ecx | other.Leaf1Ecx,
        Leaf1Edx | other.Leaf1Edx,
        Leaf7Ebx | other.Leaf7Ebx,
        Leaf7Ecx | other.Leaf7Ecx,
        Leaf7Edx | other.Leaf7Edx,
        ExtendedEcx | other.ExtendedEcx,
        ExtendedEdx | other.ExtendedEdx,
        Paravirtual | other.Paravirtual);

    public CpuidFeatureSet Intersect(CpuidFeatureSet other) => new(
        Leaf1Ecx & other.Leaf1Ecx,
        Leaf1Edx & other.Leaf1Edx,
        Leaf7Ebx & other.Leaf7Ebx,
        Leaf7Ecx & other.Leaf7Ecx,
        Leaf7Edx & other.Leaf7Edx,
        ExtendedEcx & other.ExtendedEcx,
        ExtendedEdx & other.ExtendedEdx,
        Paravirtual & other.Paravirtual);

    /// <summary>Names of what is here and not in another set.</summary>
    public IReadOnlyList<string> Except(CpuidFeatureSet other)
    {
        List<string> names = [];
        for (int word = 0; word < 8; word++)
        {
            uint missing = Word(word) & ~other.Word(word);
            for (int bit = 0; bit < 32; bit++)
            {
                if (((missing >> bit) & 1) != 0)
                {
                    string? name = Array.Find(Names, entry => entry.Word == word && entry.Bit == bit).Name;
                    names.Add(name ?? $"feature word {word} bit {bit}");
                }
            }
        }

        return names;
    }

    private uint Word(int index) => index switch
    {
        0 => Leaf1Ecx,
        1 => Leaf1Edx,
        2 => Leaf7Ebx,
        3 => Leaf7Ecx,
        4 => Leaf7Edx,
        5 => ExtendedEcx,
        6 => ExtendedEdx,
        _ => Paravirtual,
    };
}
