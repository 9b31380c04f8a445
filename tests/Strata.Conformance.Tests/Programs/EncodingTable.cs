using Iced.Intel;

namespace Strata.Conformance.Tests.Programs;

/// <summary>Encodings by what they do, for a mixture in which no kind drowns the others.</summary>
internal sealed class EncodingTable
{
    private static readonly CpuidFeature[] AvxFeatures =
    [
        CpuidFeature.AVX, CpuidFeature.AVX2, CpuidFeature.FMA, CpuidFeature.F16C, CpuidFeature.AES, CpuidFeature.PCLMULQDQ,
        CpuidFeature.VAES, CpuidFeature.VPCLMULQDQ,
    ];

    private readonly Code[] _integer;
    private readonly Code[] _branches;
    private readonly Code[] _stack;
    private readonly Code[] _strings;
    private readonly Code[] _vectors;
    private readonly Code[] _avx;
    private readonly Code[] _x87;
    private readonly Code[] _system;

    private EncodingTable(int bitness)
    {
        Code[] all = [.. Enum.GetValues<Code>().Where(code => IsCandidate(code, bitness))];
        _branches = [.. all.Where(IsBranch)];
        _stack = [.. all.Where(code => !IsBranch(code) && code.Mnemonic().ToString() is var name
            && (name.StartsWith("Push", StringComparison.Ordinal) || name.StartsWith("Pop", StringComparison.Ordinal))
                && !name.StartsWith("Popcnt", StringComparison.Ordinal)
            || code.Mnemonic() is Mnemonic.Leave or Mnemonic.Enter)];
        _strings = [.. all.Where(code => code.ToOpCode().CanUseRepPrefix || code.ToOpCode().CanUseRepnePrefix)];
        _vectors = [.. all.Where(UsesVectors)];
        _avx = [.. all.Where(code => UsesAvx(code) && code.CpuidFeatures().All(AvxFeatures.Contains))];
        _x87 = [.. all.Where(code => code.Mnemonic().ToString()[0] == 'F' && !UsesVectors(code))];
        _system = [.. all.Where(code => code.ToOpCode() is var info && (
            info.IsPrivileged || info.IsSaveRestore || code.FlowControl() is FlowControl.Interrupt or FlowControl.Exception)
            || code.Mnemonic() is Mnemonic.Syscall
                or Mnemonic.Cpuid
                or Mnemonic.Rdtsc
                or Mnemonic.Iretq
                or Mnemonic.Popfq
                or Mnemonic.Pushfq
                or Mnemonic.Sahf
                or Mnemonic.Lahf
                    or Mnemonic.Cld
                    or Mnemonic.Std
                    or Mnemonic.Cli
                    or Mnemonic.Sti
                    or Mnemonic.Swapgs
                    or Mnemonic.Clac
                    or Mnemonic.Stac)];
        _integer = [.. all.Except([.. _branches, .. _stack, .. _strings, .. _vectors, .. _x87, .. _system, .. all.Where(UsesAvx)])];
    }

    /// <summary>64-bit mode.</summary>
    public static EncodingTable Long { get; } = new(64);

    /// <summary>32-bit and compatibility mode.</summary>
    public static EncodingTable Protected32 { get; } = new(32);

    public static EncodingTable Sixteen { get; } = new(16);

    public Code Next(Random random) => Pick(
        random.Next(100) switch
        {
            < 44 => _integer,
            < 54 => _branches,
            < 60 => _stack,
            < 65 => _strings,
            < 74 => _vectors,
            < 88 => _avx,
            < 94 => _x87,
            _ => _system,
        },
        random);

    private static bool IsCandidate(Code code, int bitness)
    {
        OpCodeInfo info = code.ToOpCode();
        bool mode = bitness switch { 64 => info.Mode64, 32 => info.Mode32, _ => info.Mode16 };
        return mode && info.IsInstruction && info.Encoding is EncodingKind.Legacy or EncodingKind.VEX;
    }

    private static bool IsBranch(Code code) => code.FlowControl() is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch
        or FlowControl.IndirectBranch or FlowControl.IndirectCall or FlowControl.Call or FlowControl.Return
        && code.Mnemonic() is not (Mnemonic.Syscall or Mnemonic.Sysret or Mnemonic.Iretq or Mnemonic.Iretd or Mnemonic.Iret);

    private static bool UsesVectors(Code code) => code.ToOpCode().Encoding == EncodingKind.Legacy && NamesVectors(code);

    private static bool UsesAvx(Code code) => code.ToOpCode().Encoding == EncodingKind.VEX
        && (NamesVectors(code) || code.Mnemonic() is Mnemonic.Vzeroupper or Mnemonic.Vzeroall or Mnemonic.Vldmxcsr or Mnemonic.Vstmxcsr);

    private static bool NamesVectors(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return Enumerable.Range(0, info.OpCount)
            .Select(i => info.GetOpKind(i).ToString())
            .Any(kind => kind.StartsWith("xmm", StringComparison.Ordinal) || kind.StartsWith("ymm", StringComparison.Ordinal)
                || kind.StartsWith("mm", StringComparison.Ordinal));
    }

    private static Code Pick(Code[] codes, Random random) => codes[random.Next(codes.Length)];
}
