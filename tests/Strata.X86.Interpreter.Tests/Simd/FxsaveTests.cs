using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>FXSAVE and FXRSTOR. Intel SDM Vol. 2A, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State".</summary>
public sealed unsafe class FxsaveTests
{
    private const int NoFault = -1;
    private const int DeviceNotAvailable = (int)ExceptionVector.DeviceNotAvailable;
    private const int GeneralProtection = (int)ExceptionVector.GeneralProtection;

    [Fact]
    public void Fxsave64_KnownState_HasTheManualsLayout()
    {
        using GuestProcessor guest = Prepare(a => a.fxsave64(__[rbx]));
        new Span<byte>(guest.At(GuestProcessor.Data), 512).Fill(0xEE);
        guest.State = Known(guest.State);

        guest.Run();

        byte* image = guest.At(GuestProcessor.Data);
        Assert.Equal(NoFault, guest.Fault);
        Assert.Equal(0x0F7F, *(ushort*)image);
        Assert.Equal(0x2C00, *(ushort*)(image + 2));
        Assert.Equal(0x81, image[4]);
        Assert.Equal(0, image[5]);
        Assert.Equal(0x5A5, *(ushort*)(image + 6));
        Assert.Equal(0x123456789ABCUL, *(ulong*)(image + 8));
        Assert.Equal(0xFEDCBA987654UL, *(ulong*)(image + 16));
        Assert.Equal(0x9FA5u, *(uint*)(image + 24));
        Assert.Equal(0xFFFFu, *(uint*)(image + 28));
        for (int i = 0; i < 8; i++)
        {
            int register = (5 + i) & 7;
            Assert.Equal(0x8000000000000000UL + (ulong)register, *(ulong*)(image + 32 + (16 * i)));
            Assert.Equal(0x4000 + register, *(ushort*)(image + 40 + (16 * i)));
        }

        for (int i = 0; i < 16; i++)
        {
            Assert.Equal(0x1111UL * (ulong)i, *(ulong*)(image + 160 + (16 * i)));
            Assert.Equal(~(ulong)i, *(ulong*)(image + 168 + (16 * i)));
        }

        Assert.All(new Span<byte>(image + 464, 48).ToArray(), b => Assert.Equal(0xEE, b));
    }

    [Fact]
    public void Fxsave_WithoutRexW_HasSelectorsAndShortPointers()
    {
        using GuestProcessor guest = Prepare(a => a.fxsave(__[rbx]));
        guest.State = Known(guest.State);

        guest.Run();

        byte* image = guest.At(GuestProcessor.Data);
        Assert.Equal(0x56789ABCu, *(uint*)(image + 8));
        Assert.Equal(0x23, *(ushort*)(image + 12));
        Assert.Equal(0xBA987654u, *(uint*)(image + 16));
        Assert.Equal(0x2B, *(ushort*)(image + 20));
    }

    [HostFact]
    public void Fxrstor64_RandomImages_MatchesHost()
    {
        using SimdComparison comparison = new(1, memoryCompared: 512);

        comparison.Run(Encoding(a => a.fxrstor64(__[rbx])), 300, host => FillImage(host.Memory, comparison.Random));

        comparison.AssertNoFailures();
    }

    [Fact]
    public void Fxrstor64_AfterFxsave64_RestoresEverything()
    {
        using GuestProcessor guest = Prepare(a =>
        {
            a.fxsave64(__[rbx]);
            a.fninit();
            a.xorps(xmm0, xmm0);
            a.xorps(xmm15, xmm15);
            a.ldmxcsr(__dword_ptr[rbx + 512]);
            a.fxrstor64(__[rbx]);
        });
        guest.State = Known(guest.State);
        X86CpuState before = guest.State;
        *(uint*)guest.At(GuestProcessor.Data + 512) = 0x1F80;

        guest.Run();

        Assert.Equal(NoFault, guest.Fault);
        X86CpuState after = guest.State;
        Assert.True(new Span<ulong>(before.Vectors, 64).SequenceEqual(new Span<ulong>(after.Vectors, 64)));
        Assert.True(new Span<ulong>(before.FpuRegisters, 16).SequenceEqual(new Span<ulong>(after.FpuRegisters, 16)));
        Assert.Equal(
            (before.Mxcsr, before.Fcw, before.Fsw, before.Ftw, before.Fop), (after.Mxcsr, after.Fcw, after.Fsw, after.Ftw, after.Fop));
        Assert.Equal((before.FpuIp, before.FpuDp), (after.FpuIp, after.FpuDp));
    }

    [Theory]
    [InlineData(Cr0.EM, 0, DeviceNotAvailable)]
    [InlineData(Cr0.TS, 0, DeviceNotAvailable)]
    [InlineData(0UL, 8, GeneralProtection)]
    [InlineData(0UL, 1, GeneralProtection)]
    [InlineData(0UL, 16, NoFault)]
    public void FxsaveAndFxrstor_ByControlBitsAndAlignment_Fault(ulong cr0, int offset, int fault)
    {
        foreach (Action<Assembler> emit in (
            ReadOnlySpan<Action<Assembler>>)[a => a.fxsave(__[rbx]), a => a.fxrstor(__[rbx]), a => a.fxsave64(__[rbx])])
        {
            using GuestProcessor guest = Prepare(emit);
            guest.State.Cr0 |= cr0;
            guest.State.Gprs[Gpr.Rbx] += (ulong)offset;

            guest.Run();

            Assert.Equal(fault, guest.Fault);
        }
    }

    [Fact]
    public void Fxrstor_ReservedMxcsrBit_IsGeneralProtectionWithoutEffect()
    {
        using GuestProcessor guest = Prepare(a => a.fxrstor64(__[rbx]));
        guest.State = Known(guest.State);
        *(uint*)guest.At(GuestProcessor.Data + 24) = 0x11F80;

        guest.Run();

        Assert.Equal(GeneralProtection, guest.Fault);
        Assert.Equal(0x0F7F, guest.State.Fcw);
        Assert.Equal(0x1111UL, guest.State.Vectors[4]);
    }

    /// <summary>An image as FXRSTOR takes it: everything random but for exceptions, which stay masked.</summary>
    internal static void FillImage(byte* image, Random random)
    {
        random.NextBytes(new Span<byte>(image, 512));
        *(ushort*)image = (ushort)(random.Next(0x10000) & 0xF00 | 0x7F);
        *(ushort*)(image + 2) = (ushort)(random.Next(0x10000) & 0x7F7F);
        *(uint*)(image + 24) = 0x1F80 | ((uint)random.Next(0x10000) & 0xE07F);
    }

    internal static SimdEncoding Encoding(Action<Assembler> emit)
    {
        Assembler assembler = new(64);
        emit(assembler);
        return new SimdEncoding(assembler.Instructions[0], HostCodePage.Assemble(emit, 0), 0);
    }

    internal static GuestProcessor Prepare(Action<Assembler> emit)
    {
        GuestProcessor guest = new();
        guest.Place(GuestProcessor.Code, HostCodePage.Assemble(emit, GuestProcessor.Code));
        guest.State.Mxcsr = 0x1F80;
        return guest;
    }

    /// <summary>TOP 5, R0 and R7 in use, and a different value everywhere.</summary>
    internal static X86CpuState Known(X86CpuState state)
    {
        state.Fcw = 0x0F7F;
        state.Fsw = 0x2C00;
        state.Ftw = 0x3FFC;
        state.Fop = 0x5A5;
        state.FpuIp = 0x123456789ABC;
        state.FpuDp = 0xFEDCBA987654;
        state.FpuCs = 0x23;
        state.FpuDs = 0x2B;
        state.Mxcsr = 0x9FA5;
        for (int i = 0; i < 8; i++)
        {
            state.FpuRegisters[2 * i] = 0x8000000000000000UL + (ulong)i;
            state.FpuRegisters[(2 * i) + 1] = 0x4000UL + (ulong)i;
        }

        for (int i = 0; i < 16; i++)
        {
            state.Vectors[4 * i] = 0x1111UL * (ulong)i;
            state.Vectors[(4 * i) + 1] = ~(ulong)i;
        }

        return state;
    }
}
