using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Interpreter.Tests.Integer;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>
/// Memory operands off their alignment. Intel SDM Vol. 2A, "Exceptions Type 1, 2 and 4 of Legacy SSE": 16-byte operands
/// want 16-byte alignment except in the moves that say otherwise and the string comparisons; shorter ones do not care.
/// </summary>
public sealed unsafe class SimdAlignmentTests
{
    private static readonly Mnemonic[] Unaligned =
    [
        Mnemonic.Movups, Mnemonic.Movupd, Mnemonic.Movdqu, Mnemonic.Lddqu,
        Mnemonic.Pcmpestri, Mnemonic.Pcmpestri64, Mnemonic.Pcmpestrm, Mnemonic.Pcmpestrm64, Mnemonic.Pcmpistri, Mnemonic.Pcmpistrm,
    ];

    public static TheoryData<CpuidFeature> Features =>
    [
        CpuidFeature.MMX, CpuidFeature.SSE, CpuidFeature.SSE2, CpuidFeature.SSE3, CpuidFeature.SSSE3, CpuidFeature.SSE4_1,
        CpuidFeature.SSE4_2, CpuidFeature.AES, CpuidFeature.PCLMULQDQ,
        .. HostFeatures.Has(CpuidFeature.SHA) ? [CpuidFeature.SHA] : Array.Empty<CpuidFeature>(),
    ];

    [HostTheory]
    [MemberData(nameof(Features))]
    public void Execute_MisalignedButAllowed_MatchesHost(CpuidFeature feature)
    {
        using SimdComparison comparison = new(100 + (int)feature);

        foreach (SimdEncoding encoding in MemoryForms(feature).Where(e => !WantsAlignment(e)))
        {
            comparison.Run(encoding, 20);
        }

        comparison.AssertNoFailures();
    }

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_MisalignedVector_IsGeneralProtection(CpuidFeature feature)
    {
        using GuestProcessor guest = new();
        List<string> failures = [];

        foreach (SimdEncoding encoding in MemoryForms(feature).Where(WantsAlignment))
        {
            X86CpuState before = Filled();
            *(ulong*)guest.At(GuestProcessor.Data + 16) = 0x1122334455667788;
            guest.State = before;
            guest.Place(GuestProcessor.Code, encoding.Bytes);
            guest.Run();
            if (guest.Fault != (int)ExceptionVector.GeneralProtection || !SameVectors(before, guest.State)
                || *(ulong*)guest.At(GuestProcessor.Data + 16) != 0x1122334455667788)
            {
                failures.Add($"{encoding.Instruction}: fault {guest.Fault}");
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_MemoryNotPresent_IsPageFaultWithoutEffect(CpuidFeature feature)
    {
        using GuestProcessor guest = new();
        List<string> failures = [];

        foreach (SimdEncoding encoding in MemoryForms(feature, 0).Where(e => !IsPrefetch(e)))
        {
            X86CpuState before = Filled();
            before.Gprs[Gpr.Rbx] = 0x40000000;
            guest.State = before;
            guest.Place(GuestProcessor.Code, encoding.Bytes);
            guest.Run();
            bool unchanged = SameVectors(before, guest.State) && before.Ftw == guest.State.Ftw && before.Fsw == guest.State.Fsw
                && before.Mxcsr == guest.State.Mxcsr && guest.State.Cr2 == 0x40000000;
            if (guest.Fault != (int)ExceptionVector.PageFault || !unchanged)
            {
                failures.Add(
                    $"{encoding.Instruction}: fault {guest.Fault} ftw {guest.State.Ftw:X4} fsw {guest.State.Fsw:X4} cr2 " +
                    $"{guest.State.Cr2:X}");
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_OperandReachesIntoMissingPage_IsPageFaultWithoutEffect(CpuidFeature feature)
    {
        const ulong endOfMemory = 0x400000;
        const ulong pattern = 0x1122334455667788;
        using GuestProcessor guest = new();
        List<string> failures = [];

        foreach (SimdEncoding encoding in MemoryForms(feature, 0).Where(e => e.MemoryBytes > 3 && !WantsAlignment(e)))
        {
            X86CpuState before = Filled();
            before.Gprs[Gpr.Rbx] = endOfMemory - 3;
            *(ulong*)guest.At(endOfMemory - 8) = pattern;
            guest.State = before;
            guest.Place(GuestProcessor.Code, encoding.Bytes);
            guest.Run();
            bool unchanged = SameVectors(before, guest.State)
                && before.Ftw == guest.State.Ftw
                && *(ulong*)guest.At(endOfMemory - 8) == pattern;
            if (guest.Fault != (int)ExceptionVector.PageFault || guest.State.Cr2 != endOfMemory || !unchanged)
            {
                failures.Add($"{encoding.Instruction}: fault {guest.Fault} cr2 {guest.State.Cr2:X} unchanged {unchanged}");
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    private static IEnumerable<SimdEncoding> MemoryForms(CpuidFeature feature, int displacement = 3)
    {
        foreach (Code code in SimdEncodings.CodesOf(feature))
        {
            if (SimdEncodings.TryEncode(code, form: 3, 1, displacement, out SimdEncoding? encoding))
            {
                yield return encoding;
            }
        }
    }

    private static bool WantsAlignment(SimdEncoding encoding) =>
        encoding.MemoryBytes == 16 && !Unaligned.Contains(encoding.Instruction.Mnemonic);

    private static bool IsPrefetch(SimdEncoding encoding) =>
        encoding.Instruction.Mnemonic.ToString().StartsWith("Prefetch", StringComparison.Ordinal);

    private static X86CpuState Filled()
    {
        X86CpuState state = GuestProcessor.LongMode();
        for (int i = 0; i < 64; i++)
        {
            state.Vectors[i] = 0x0101010101010101UL * (ulong)i;
        }

        for (int i = 0; i < 16; i++)
        {
            state.FpuRegisters[i] = i % 2 == 0 ? 0x8000000000000000UL + (ulong)i : 0x3FFF;
        }

        state.Fsw = 3 << 11;
        state.Mxcsr = 0x1F80;
        return state;
    }

    private static bool SameVectors(X86CpuState a, X86CpuState b) =>
        new Span<ulong>(a.Vectors, 64).SequenceEqual(new Span<ulong>(b.Vectors, 64))
        && new Span<ulong>(a.FpuRegisters, 16).SequenceEqual(new Span<ulong>(b.FpuRegisters, 16));
}
