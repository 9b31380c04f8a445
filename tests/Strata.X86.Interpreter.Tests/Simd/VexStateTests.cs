using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>
/// When VEX instructions exist, and component 2 of XSAVE. Intel SDM Vol. 1, "Detection of Intel AVX Instructions" and "XSAVE-Managed
/// State".
/// </summary>
public sealed unsafe class VexStateTests
{
    private const int NoFault = -1;
    private const int InvalidOpcode = (int)ExceptionVector.InvalidOpcode;
    private const int Header = 512;
    private const int Uppers = 576;
    private const ulong Compact = 1UL << 63;

    [Theory]
    [InlineData(0UL, 0UL, 7UL, NoFault)]
    [InlineData(0UL, Cr4.OSXSAVE, 7UL, InvalidOpcode)]
    [InlineData(0UL, 0UL, 3UL, InvalidOpcode)]
    [InlineData(0UL, 0UL, 1UL, InvalidOpcode)]
    [InlineData(Cr0.TS, 0UL, 7UL, (int)ExceptionVector.DeviceNotAvailable)]
    [InlineData(Cr0.TS, 0UL, 3UL, InvalidOpcode)]
    [InlineData(Cr0.EM, 0UL, 7UL, NoFault)]
    [InlineData(0UL, Cr4.OSFXSR, 7UL, NoFault)]
    public void Execute_ByControlBits_Faults(ulong cr0, ulong clearCr4, ulong xcr0, int fault)
    {
        foreach (Action<Assembler> emit in (ReadOnlySpan<Action<Assembler>>)[
            a => a.vpaddd(ymm1, ymm2, ymm3), a => a.vzeroupper(), a => a.vstmxcsr(__[rbx]), a => a.vmaskmovps(xmm1, xmm2, __[rbx]),
            a => a.vpcmpistri(xmm1, xmm2, 0), a => a.vmovd(xmm1, eax), a => a.vfmadd132ps(xmm1, xmm2, xmm3)])
        {
            using GuestProcessor guest = Prepare(emit);
            guest.State.Cr0 |= cr0;
            guest.State.Cr4 &= ~clearCr4;
            guest.State.Xcr0 = xcr0;

            guest.Run();

            Assert.Equal(fault, guest.Fault);
        }
    }

    [Fact]
    public void LegacySse_WithUppersInUse_KeepsThem()
    {
        using GuestProcessor guest = Prepare(a => a.paddd(xmm1, xmm2));

        guest.Run();

        Assert.Equal(UpperOf(1, 0), guest.State.Vectors[6]);
        Assert.Equal(UpperOf(1, 1), guest.State.Vectors[7]);
    }

    [Fact]
    public void Vex128_WithUppersInUse_ClearsThoseOfItsDestination()
    {
        using GuestProcessor guest = Prepare(a => a.vpaddd(xmm1, xmm2, xmm3));

        guest.Run();

        Assert.Equal(0UL, guest.State.Vectors[6] | guest.State.Vectors[7]);
        Assert.Equal(UpperOf(2, 0), guest.State.Vectors[10]);
    }

    [Fact]
    public void Xsave_UppersInUse_StoresThemBehindTheHeader()
    {
        using GuestProcessor guest = Prepare(a => a.xsave64(__[rbx]));
        SetMask(guest, 4);

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(4UL, *(ulong*)guest.At(GuestProcessor.Data + Header));
        Assert.Equal(UpperOf(15, 1), *(ulong*)guest.At(GuestProcessor.Data + Uppers + 248));
    }

    [Fact]
    public void Xsavec_UppersInInitialState_LeavesThemOut()
    {
        using GuestProcessor guest = Prepare(a => a.xsavec64(__[rbx]));
        SetMask(guest, 6);
        ClearUppers(ref guest.State);
        *(ulong*)guest.At(GuestProcessor.Data + Uppers) = 77;

        guest.Run();

        Assert.Equal(2UL, *(ulong*)guest.At(GuestProcessor.Data + Header));
        Assert.Equal(Compact | 6, *(ulong*)guest.At(GuestProcessor.Data + Header + 8));
        Assert.Equal(77UL, *(ulong*)guest.At(GuestProcessor.Data + Uppers));
    }

    [Theory]
    [InlineData(0UL, 0UL)]
    [InlineData(4UL, 0x55UL)]
    public void Xrstor_Avx_LoadsOrClearsUppersAlone(ulong present, ulong expected)
    {
        using GuestProcessor guest = Prepare(a => a.xrstor64(__[rbx]));
        SetMask(guest, 4);
        *(uint*)guest.At(GuestProcessor.Data + 24) = 0x1F80;
        *(ulong*)guest.At(GuestProcessor.Data + Header) = present;
        *(ulong*)guest.At(GuestProcessor.Data + Uppers) = 0x55;

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(expected, guest.State.Vectors[2]);
        Assert.Equal(LowerOf(0), guest.State.Vectors[0]);
    }

    [HostFeatureTheory(CpuidFeature.AVX)]
    [InlineData(false)]
    [InlineData(true)]
    public void Xrstor64_RandomImagesWithAvx_MatchesHost(bool compact)
    {
        using SimdComparison comparison = new(3, memoryCompared: 832);

        XsaveTests.CompareXrstor(comparison, components: 7, compact);
    }

    [Theory]
    [InlineData("x86-64-v2", 7u, (int)ExceptionVector.GeneralProtection)]
    [InlineData("x86-64-v2", 3u, NoFault)]
    [InlineData("x86-64-v3", 7u, NoFault)]
    [InlineData("x86-64-v3", 5u, (int)ExceptionVector.GeneralProtection)]
    public void Xsetbv_ByModel_FaultsWhereAvxIsNotOffered(string model, uint value, int fault)
    {
        using GuestProcessor guest = new(cpu: model);
        guest.Place(GuestProcessor.Code, HostCodePage.Assemble(a => a.xsetbv(), GuestProcessor.Code));
        guest.State.Cr4 |= Cr4.OSXSAVE;
        guest.State.Gprs[Gpr.Rcx] = 0;
        guest.State.Gprs[Gpr.Rax] = value;
        guest.State.Gprs[Gpr.Rdx] = 0;

        guest.Run();

        Assert.Equal(fault, guest.Fault);
    }

    private static void SetMask(GuestProcessor guest, ulong mask)
    {
        guest.State.Gprs[Gpr.Rax] = mask;
        guest.State.Gprs[Gpr.Rdx] = 0;
    }

    private static void ClearUppers(ref X86CpuState state)
    {
        for (int i = 0; i < 16; i++)
        {
            state.Vectors[(4 * i) + 2] = state.Vectors[(4 * i) + 3] = 0;
        }
    }

    private static ulong LowerOf(int register) => 0x1000UL + (ulong)register;

    private static ulong UpperOf(int register, int half) => 0x2000UL + (2UL * (ulong)register) + (ulong)half;

    private static GuestProcessor Prepare(Action<Assembler> emit)
    {
        GuestProcessor guest = new();
        guest.Place(GuestProcessor.Code, HostCodePage.Assemble(emit, GuestProcessor.Code));
        guest.State.Cr4 |= Cr4.OSXSAVE;
        guest.State.Xcr0 = 7;
        for (int i = 0; i < 16; i++)
        {
            guest.State.Vectors[4 * i] = LowerOf(i);
            guest.State.Vectors[(4 * i) + 2] = UpperOf(i, 0);
            guest.State.Vectors[(4 * i) + 3] = UpperOf(i, 1);
        }

        return guest;
    }
}
