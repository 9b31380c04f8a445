using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>Unmasked floating-point exceptions: #XM, what MXCSR says and what is left unwritten.</summary>
public sealed unsafe class SimdExceptionTests
{
    private const int NoFault = -1;
    private const int Xm = (int)ExceptionVector.Simd;
    private const uint Masked = 0x1F80;
    private const uint Invalid = 1;
    private const uint Denormal = 2;
    private const uint DivideByZero = 4;
    private const uint Overflow = 8;
    private const uint Underflow = 16;
    private const uint Inexact = 32;
    private const uint One = 0x3F800000;
    private const uint Three = 0x40400000;
    private const uint MaxFinite = 0x7F7FFFFF;
    private const uint MinNormal = 0x00800000;
    private const uint Half = 0x3F000000;
    private const uint SignalingNaN = 0x7F800001;

    /// <summary>Their sums follow their products, so exceptions come in more than two steps.</summary>
    private static readonly Mnemonic[] Staged = [Mnemonic.Dpps, Mnemonic.Dppd, Mnemonic.Vdpps, Mnemonic.Vdppd];

    [HostTheory]
    [InlineData(CpuidFeature.SSE)]
    [InlineData(CpuidFeature.SSE2)]
    [InlineData(CpuidFeature.SSE3)]
    [InlineData(CpuidFeature.SSE4_1)]
    public void Execute_RandomMasks_RaisesWhatTheHostReports(CpuidFeature feature)
    {
        using SimdComparison comparison = new(200 + (int)feature);

        foreach (Code code in SimdEncodings.CodesOf(feature).Where(IsFloat))
        {
            foreach (SimdEncoding encoding in SimdEncodings.FormsOf(code, comparison.Random, displacement: 32))
            {
                comparison.RunUnmasked(encoding, 60);
            }
        }

        comparison.AssertNoFailures();
    }

    [Theory]
    [InlineData(MaxFinite, MaxFinite, Overflow, Overflow | Inexact)]
    [InlineData(MinNormal, Half, Underflow, Underflow)]
    [InlineData(1u, One, Denormal, Denormal)]
    [InlineData(SignalingNaN, One, Invalid, Invalid)]
    [InlineData(0x3F800001u, 0x3F800001u, Inexact, Inexact)]
    [InlineData(MinNormal, 0x3F000001u, Inexact, Underflow | Inexact)]
    public void MultiplySingle_Unmasked_ReportsAndLeavesDestination(uint a, uint b, uint unmasked, uint flags)
    {
        using GuestProcessor guest = Prepare(c => c.mulss(xmm0, xmm1), a, b, Masked & ~(unmasked << 7));

        guest.Run();

        Assert.Equal(Xm, guest.Fault);
        Assert.Equal(flags, guest.State.Mxcsr & 0x3F);
        Assert.Equal(a, guest.State.Vectors[0]);
    }

    [Fact]
    public void MultiplySingle_ExactTinyResultMasked_ReportsNothing()
    {
        using GuestProcessor guest = Prepare(c => c.mulss(xmm0, xmm1), MinNormal, Half, Masked);

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(Masked, guest.State.Mxcsr);
        Assert.Equal(0x00400000u, guest.State.Vectors[0]);
    }

    [Fact]
    public void DivideSingle_FlushToZeroWithUnderflowUnmasked_FlushesNothingAndFaults()
    {
        using GuestProcessor guest = Prepare(c => c.divss(xmm0, xmm1), MinNormal, Three, 0x8000 | (Masked & ~(Underflow << 7)));

        guest.Run();

        Assert.Equal(Xm, guest.Fault);
        Assert.Equal(MinNormal, guest.State.Vectors[0]);
        Assert.Equal(Underflow | Inexact, guest.State.Mxcsr & 0x3F);
    }

    [Fact]
    public void DividePacked_OperandExceptionInOneElement_HidesResultsOfOthers()
    {
        using GuestProcessor guest = Prepare(c => c.divps(xmm0, xmm1), One, Three, Masked & ~(DivideByZero << 7));
        guest.State.Vectors[0] |= (ulong)One << 32;

        guest.Run();

        Assert.Equal(Xm, guest.Fault);
        Assert.Equal(DivideByZero | Invalid, guest.State.Mxcsr & 0x3F);
    }

    [Fact]
    public void AddSingle_FlagAlreadySetAndUnmasked_DoesNotFault()
    {
        using GuestProcessor guest = Prepare(c => c.addss(xmm0, xmm1), One, One, 0x3F);

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(0x40000000u, guest.State.Vectors[0]);
    }

    [Fact]
    public void DivideSingle_NoOsSupportForSimdExceptions_IsInvalidOpcode()
    {
        using GuestProcessor guest = Prepare(c => c.divss(xmm0, xmm1), One, 0, Masked & ~(DivideByZero << 7));
        guest.State.Cr4 &= ~Cr4.OSXMMEXCPT;

        guest.Run();

        Assert.Equal((int)ExceptionVector.InvalidOpcode, guest.Fault);
        Assert.Equal(DivideByZero, guest.State.Mxcsr & 0x3F);
    }

    [Fact]
    public void DotProduct_InvalidInMaskedOutElement_DoesNotFault()
    {
        using GuestProcessor guest = Prepare(c => c.dpps(xmm0, xmm1, 0xE1), SignalingNaN, One, 0);

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(0u, guest.State.Mxcsr);
    }

    [Theory]
    [InlineData(0x10000u)]
    [InlineData(0x80000000u)]
    [InlineData(0x20000u)]
    public void LoadMxcsr_ReservedBits_IsGeneralProtection(uint reserved)
    {
        using GuestProcessor guest = Prepare(c => c.ldmxcsr(__dword_ptr[rbx]), 0, 0, Masked);
        *(uint*)guest.At(GuestProcessor.Data) = Masked | reserved;

        guest.Run();

        Assert.Equal((int)ExceptionVector.GeneralProtection, guest.Fault);
        Assert.Equal(Masked, guest.State.Mxcsr);
    }

    [Fact]
    public void LoadMxcsr_AllDefinedBits_AreKeptAndDoNotFault()
    {
        using GuestProcessor guest = Prepare(
            c =>
            {
                c.ldmxcsr(__dword_ptr[rbx]);
                c.stmxcsr(__dword_ptr[rbx + 5]);
            },
            0,
            0,
            Masked);
        *(uint*)guest.At(GuestProcessor.Data) = 0xFFFF;

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(0xFFFFu, *(uint*)guest.At(GuestProcessor.Data + 5));
    }

    internal static bool IsFloat(Code code)
    {
        string name = code.Mnemonic().ToString();
        return !Staged.Contains(code.Mnemonic())
            && (name.EndsWith("ss", StringComparison.Ordinal) || name.EndsWith("sd", StringComparison.Ordinal)
            || name.EndsWith("ps", StringComparison.Ordinal) || name.EndsWith("pd", StringComparison.Ordinal)
            || name.StartsWith("Cvt", StringComparison.Ordinal) || name.StartsWith("Vcvt", StringComparison.Ordinal));
    }

    /// <summary>XMM0 and XMM1 hold a number in their lowest element.</summary>
    private static GuestProcessor Prepare(Action<Assembler> emit, uint a, uint b, uint mxcsr)
    {
        GuestProcessor guest = new();
        guest.Place(GuestProcessor.Code, HostCodePage.Assemble(emit, GuestProcessor.Code));
        guest.State.Vectors[0] = a;
        guest.State.Vectors[4] = b;
        guest.State.Mxcsr = mxcsr;
        return guest;
    }
}
