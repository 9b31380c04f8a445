using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>
/// CR0.EM, CR0.TS, CR4.OSFXSR and pending x87 exceptions, for every encoding. Intel SDM Vol. 2A, "Exception Conditions of
/// Legacy SIMD Instructions Operating on MMX Registers"; Vol. 3A, "System Programming for Instruction Set Extensions".
/// </summary>
public sealed unsafe class SimdAvailabilityTests
{
    private const int NoFault = -1;
    private const int InvalidOpcode = (int)ExceptionVector.InvalidOpcode;
    private const int DeviceNotAvailable = (int)ExceptionVector.DeviceNotAvailable;

    /// <summary>They touch no SIMD state.</summary>
    private static readonly Mnemonic[] Always =
    [
        Mnemonic.Prefetchnta, Mnemonic.Prefetcht0, Mnemonic.Prefetcht1, Mnemonic.Prefetcht2,
        Mnemonic.Sfence, Mnemonic.Lfence, Mnemonic.Mfence, Mnemonic.Movnti, Mnemonic.Crc32,
    ];

    /// <summary>Whether they enter MMX mode with a source in memory is not architectural.</summary>
    private static readonly Mnemonic[] MmxConversions =
    [
        Mnemonic.Cvtpi2ps, Mnemonic.Cvtpi2pd, Mnemonic.Cvtps2pi, Mnemonic.Cvttps2pi, Mnemonic.Cvtpd2pi, Mnemonic.Cvttpd2pi,
    ];

    public static TheoryData<CpuidFeature> Features => SimdAlignmentTests.Features;

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_UnitOn_DoesNotFault(CpuidFeature feature) => ForEach(feature, _ => { }, _ => NoFault);

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_Emulation_IsInvalidOpcode(CpuidFeature feature) =>
        ForEach(feature, guest => guest.State.Cr0 |= Cr0.EM, e => IsAlways(e) ? NoFault : InvalidOpcode);

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_TaskSwitched_IsDeviceNotAvailable(CpuidFeature feature) =>
        ForEach(feature, guest => guest.State.Cr0 |= Cr0.TS, e => IsAlways(e) ? NoFault : DeviceNotAvailable);

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_EmulationAndTaskSwitched_IsInvalidOpcode(CpuidFeature feature) =>
        ForEach(feature, guest => guest.State.Cr0 |= Cr0.TS | Cr0.EM, e => IsAlways(e) ? NoFault : InvalidOpcode);

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_NoOsSupport_IsInvalidOpcodeExceptForMmx(CpuidFeature feature) => ForEach(
        feature,
        guest => guest.State.Cr4 &= ~Cr4.OSFXSR,
        e => e.UsesXmm || e.Instruction.Mnemonic.ToString().StartsWith("Cvt", StringComparison.Ordinal) ? InvalidOpcode : NoFault);

    [Theory]
    [MemberData(nameof(Features))]
    public void Execute_PendingX87Exception_IsReportedByMmxOnly(CpuidFeature feature) => ForEach(
        feature,
        guest =>
        {
            guest.State.Fcw = 0x37B;
            guest.State.Fsw = 0x8084;
        },
        e => e.UsesMmx ? (int)ExceptionVector.X87 : NoFault,
        e => !(e.HasMemory && MmxConversions.Contains(e.Instruction.Mnemonic)));

    [Theory]
    [InlineData(Cr0.EM, 0UL, InvalidOpcode)]
    [InlineData(Cr0.TS, 0UL, DeviceNotAvailable)]
    [InlineData(0UL, Cr4.OSFXSR, InvalidOpcode)]
    [InlineData(0UL, 0UL, NoFault)]
    public void LoadAndStoreMxcsr_ByControlBits_Fault(ulong cr0, ulong clearCr4, int fault)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Ldmxcsr_m32, Code.Stmxcsr_m32])
        {
            using GuestProcessor guest = new();
            Assert.True(SimdEncodings.TryEncode(code, form: 3, 0, 0, out SimdEncoding? encoding));
            guest.Place(GuestProcessor.Code, encoding.Bytes);
            guest.State.Cr0 |= cr0;
            guest.State.Cr4 &= ~clearCr4;

            guest.Run();

            Assert.Equal(fault, guest.Fault);
        }
    }

    [Theory]
    [InlineData(Cr0.EM, InvalidOpcode)]
    [InlineData(Cr0.TS, DeviceNotAvailable)]
    [InlineData(0UL, NoFault)]
    public void Emms_ByControlBits_FaultsOrEmptiesTheStack(ulong cr0, int fault)
    {
        using GuestProcessor guest = new();
        guest.Place(GuestProcessor.Code, [0x0F, 0x77]);
        guest.State.Ftw = 0;
        guest.State.Cr0 |= cr0;

        guest.Run();

        Assert.Equal(fault, guest.Fault);
        Assert.Equal(fault == NoFault ? 0xFFFF : 0, guest.State.Ftw);
    }

    private static bool IsAlways(SimdEncoding encoding) => Always.Contains(encoding.Instruction.Mnemonic);

    private static void ForEach(
        CpuidFeature feature, Action<GuestProcessor> arrange, Func<SimdEncoding, int> expected, Func<SimdEncoding, bool>? applies = null)
    {
        using GuestProcessor guest = new();
        List<string> failures = [];
        foreach (Code code in SimdEncodings.CodesOf(feature))
        {
            foreach (SimdEncoding encoding in SimdEncodings.FormsOf(code, new Random(1), 0).Where(e => applies?.Invoke(e) ?? true))
            {
                guest.State = GuestProcessor.LongMode();
                guest.State.Mxcsr = 0x1F80;
                guest.State.Gprs[Gpr.Rdi] = GuestProcessor.Data;
                arrange(guest);
                guest.Place(GuestProcessor.Code, encoding.Bytes);
                guest.Run();
                if (guest.Fault != expected(encoding))
                {
                    failures.Add($"{encoding.Instruction}: expected {expected(encoding)}, found {guest.Fault}");
                }
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }
}
