using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>XSAVE, XSAVEC and XRSTOR of x87 and SSE state. Intel SDM Vol. 1, "Managing State Using the XSAVE Feature Set".</summary>
public sealed unsafe class XsaveTests
{
    private const int NoFault = -1;
    private const int GeneralProtection = (int)ExceptionVector.GeneralProtection;
    private const int Header = 512;
    private const ulong Compact = 1UL << 63;

    /// <summary>XRSTOR of 400 random images with any of the components, a mask from the lowest bit on, beside the host's.</summary>
    internal static void CompareXrstor(SimdComparison comparison, int components, bool compact)
    {
        comparison.Run(
            FxsaveTests.Encoding(a => a.xrstor64(__[rbx])),
            400,
            host =>
            {
                Random random = comparison.Random;
                FxsaveTests.FillImage(host.Memory, random);
                new Span<byte>(host.Memory + Header, 64).Clear();
                ulong format = compact ? (ulong)random.Next(components + 1) : (ulong)components;
                *(ulong*)(host.Memory + Header) = (ulong)random.Next(components + 1) & format;
                *(ulong*)(host.Memory + Header + 8) = compact ? Compact | format : 0;
                host.Gprs[Gpr.Rax] = (ulong)random.Next(components + 1);
                host.Gprs[Gpr.Rdx] = 0;
            });

        comparison.AssertNoFailures();
    }

    [HostTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Xrstor64_RandomImages_MatchesHost(bool compact)
    {
        using SimdComparison comparison = new(2, memoryCompared: 576) { Adjust = EnableXsave };

        CompareXrstor(comparison, components: 3, compact);
    }

    [Theory]
    [InlineData(3, 0x9FA5u, true, true)]
    [InlineData(2, 0x9FA5u, false, true)]
    [InlineData(1, 0xEEEEEEEEu, true, false)]
    [InlineData(0, 0xEEEEEEEEu, false, false)]
    public void Xsave64_ByMask_WritesOnlyWhatIsAskedFor(int mask, uint mxcsr, bool x87, bool vectors)
    {
        using GuestProcessor guest = Prepare(a => a.xsave64(__[rbx]), mask);
        guest.State = FxsaveTests.Known(guest.State);
        byte* image = guest.At(GuestProcessor.Data);
        new Span<byte>(image, 576).Fill(0xEE);
        *(ulong*)(image + Header) = 3;

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(mxcsr, *(uint*)(image + 24));
        Assert.Equal(x87 ? 0x0F7F : 0xEEEE, *(ushort*)image);
        Assert.Equal(vectors ? 0x1111UL : 0xEEEEEEEEEEEEEEEE, *(ulong*)(image + 176));
        Assert.Equal(3UL, *(ulong*)(image + Header));
        Assert.All(new Span<byte>(image + Header + 8, 56).ToArray(), b => Assert.Equal(0xEE, b));
    }

    [Fact]
    public void Xsave64_ComponentNotAskedFor_KeepsItsHeaderBit()
    {
        using GuestProcessor guest = Prepare(a => a.xsave64(__[rbx]), mask: 1);
        guest.State = FxsaveTests.Known(guest.State);
        byte* image = guest.At(GuestProcessor.Data);
        *(ulong*)(image + Header) = 0xFFFFFFFF00000002;

        guest.Run();

        Assert.Equal(0xFFFFFFFF00000003, *(ulong*)(image + Header));
    }

    [Fact]
    public void Xsavec64_KnownState_WritesBothHeaderWords()
    {
        using GuestProcessor guest = Prepare(a => a.xsavec64(__[rbx]), mask: 7);
        guest.State = FxsaveTests.Known(guest.State);
        byte* image = guest.At(GuestProcessor.Data);
        new Span<byte>(image, 576).Fill(0xEE);

        guest.Run();

        Assert.Equal(3UL, *(ulong*)(image + Header));
        Assert.Equal(Compact | 3, *(ulong*)(image + Header + 8));
        Assert.Equal(0x9FA5u, *(uint*)(image + 24));
    }

    [Fact]
    public void Xsavec64_X87InInitialState_LeavesItOut()
    {
        using GuestProcessor guest = Prepare(a => a.xsavec64(__[rbx]), mask: 3);
        guest.State.Fcw = 0x37F;
        guest.State.Fsw = 0;
        guest.State.Ftw = 0xFFFF;
        for (int i = 0; i < 16; i++)
        {
            guest.State.FpuRegisters[i] = 0;
        }

        byte* image = guest.At(GuestProcessor.Data);
        new Span<byte>(image, 576).Fill(0xEE);

        guest.Run();

        Assert.Equal(2UL, *(ulong*)(image + Header));
        Assert.Equal(Compact | 3, *(ulong*)(image + Header + 8));
        Assert.Equal(0xEEEE, *(ushort*)image);
    }

    [Theory]
    [InlineData(4UL, 0UL, 0UL, 0UL)]
    [InlineData(0UL, 1UL, 0UL, 0UL)]
    [InlineData(0UL, 0UL, 1UL, 0UL)]
    [InlineData(0UL, Compact | 4, 0UL, 0UL)]
    [InlineData(2UL, Compact | 1, 0UL, 0UL)]
    [InlineData(0UL, Compact | 3, 1UL, 0UL)]
    [InlineData(0UL, Compact | 3, 0UL, 1UL)]
    public void Xrstor_BadHeader_IsGeneralProtection(ulong stateBv, ulong compactBv, ulong third, ulong last)
    {
        using GuestProcessor guest = Prepare(a => a.xrstor64(__[rbx]), mask: 3);
        guest.State = FxsaveTests.Known(guest.State);
        ulong* header = (ulong*)guest.At(GuestProcessor.Data + Header);
        (header[0], header[1], header[2], header[7]) = (stateBv, compactBv, third, last);

        guest.Run();

        Assert.Equal(GeneralProtection, guest.Fault);
        Assert.Equal(0x1111UL, guest.State.Vectors[4]);
        Assert.Equal(0x9FA5u, guest.State.Mxcsr);
    }

    /// <summary>The standard form looks at bytes 8 to 23 of the header only.</summary>
    [Fact]
    public void Xrstor_StandardFormWithDataBehindHeaderStart_DoesNotFault()
    {
        using GuestProcessor guest = Prepare(a => a.xrstor64(__[rbx]), mask: 3);
        *(ulong*)guest.At(GuestProcessor.Data + Header + 56) = 1;
        *(uint*)guest.At(GuestProcessor.Data + 24) = 0x1F80;

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
    }

    [Theory]
    [InlineData(3, 0UL, 0UL, GeneralProtection)]
    [InlineData(1, 3UL, 0UL, NoFault)]
    [InlineData(3, 2UL, Compact | 3, GeneralProtection)]
    [InlineData(3, 1UL, Compact | 3, NoFault)]
    public void Xrstor_ReservedMxcsrBit_FaultsWhereMxcsrIsLoaded(int mask, ulong stateBv, ulong compactBv, int fault)
    {
        using GuestProcessor guest = Prepare(a => a.xrstor64(__[rbx]), mask);
        *(uint*)guest.At(GuestProcessor.Data + 24) = 0x10000;
        *(ulong*)guest.At(GuestProcessor.Data + Header) = stateBv;
        *(ulong*)guest.At(GuestProcessor.Data + Header + 8) = compactBv;

        guest.Run();

        Assert.Equal(fault, guest.Fault);
    }

    [Theory]
    [InlineData(0UL, Cr4.OSXSAVE, 0, (int)ExceptionVector.InvalidOpcode)]
    [InlineData(Cr0.TS, 0UL, 0, (int)ExceptionVector.DeviceNotAvailable)]
    [InlineData(Cr0.EM, 0UL, 0, NoFault)]
    [InlineData(0UL, 0UL, 16, GeneralProtection)]
    [InlineData(0UL, 0UL, 64, NoFault)]
    public void XsaveAndXrstor_ByControlBitsAndAlignment_Fault(ulong cr0, ulong clearCr4, int offset, int fault)
    {
        foreach (Action<Assembler> emit in (ReadOnlySpan<Action<Assembler>>)[
            a => a.xsave(__[rbx]), a => a.xsavec(__[rbx]), a => a.xsaveopt(__[rbx]), a => a.xrstor(__[rbx])])
        {
            using GuestProcessor guest = Prepare(emit, mask: 3);
            guest.State.Cr0 |= cr0;
            guest.State.Cr4 &= ~clearCr4;
            guest.State.Gprs[Gpr.Rbx] += (ulong)offset;

            guest.Run();

            Assert.Equal(fault, guest.Fault);
        }
    }

    private static GuestProcessor Prepare(Action<Assembler> emit, int mask)
    {
        GuestProcessor guest = FxsaveTests.Prepare(emit);
        EnableXsave(guest);
        guest.State.Gprs[Gpr.Rax] = (ulong)mask;
        guest.State.Gprs[Gpr.Rdx] = 0;
        return guest;
    }

    private static void EnableXsave(GuestProcessor guest)
    {
        guest.State.Cr4 |= Cr4.OSXSAVE;
        guest.State.Xcr0 = 3;
    }
}
