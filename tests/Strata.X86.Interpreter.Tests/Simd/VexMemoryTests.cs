using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>Gathers against the host, and what masked accesses do at memory that is not there.</summary>
public sealed unsafe class VexMemoryTests
{
    private const int NoFault = -1;
    private const int PageFault = (int)ExceptionVector.PageFault;
    private const ulong Absent = 0x400000; // behind the mapped memory

    private static readonly Dictionary<string, Action<Assembler>> Forms = new()
    {
        ["dd128"] = a => a.vpgatherdd(xmm2, __[rbx + xmm5 * 4], xmm9),
        ["dd256"] = a => a.vpgatherdd(ymm2, __[rbx + ymm5 * 4], ymm9),
        ["dq128"] = a => a.vpgatherdq(xmm2, __[rbx + xmm5 * 1], xmm9),
        ["dq256"] = a => a.vpgatherdq(ymm2, __[rbx + xmm5 * 8], ymm9),
        ["qd128"] = a => a.vpgatherqd(xmm2, __[rbx + xmm5 * 4], xmm9),
        ["qd256"] = a => a.vpgatherqd(xmm2, __[rbx + ymm5 * 2], xmm9),
        ["qq128"] = a => a.vpgatherqq(xmm2, __[rbx + xmm5 * 8], xmm9),
        ["qq256"] = a => a.vpgatherqq(ymm2, __[rbx + ymm5 * 4], ymm9),
        ["dps256"] = a => a.vgatherdps(ymm2, __[rbx + ymm5 * 4], ymm9),
        ["qps256"] = a => a.vgatherqps(xmm2, __[rbx + ymm5 * 4], xmm9),
        ["dpd128"] = a => a.vgatherdpd(xmm2, __[rbx + xmm5 * 4], xmm9),
        ["qpd256"] = a => a.vgatherqpd(ymm2, __[rbx + ymm5 * 4], ymm9),
    };

    public static TheoryData<string> Gathers => [.. Forms.Keys];

    [HostFeatureTheory(CpuidFeature.AVX2)]
    [MemberData(nameof(Gathers))]
    public void Gather_RandomMasksAndIndices_MatchesHost(string form)
    {
        using SimdComparison comparison = new(form.Length * 7, memoryCompared: 512);

        comparison.Run(
            FxsaveTests.Encoding(Forms[form]),
            300,
            host =>
            {
                Random random = comparison.Random;
                bool wide = form[0] == 'q';
                for (int i = 0; i < 8; i++)
                {
                    int index = random.Next(-20, 40);
                    ref ulong word = ref i < 4 ? ref host.Xmm(5, (i / 2) & 1) : ref host.Upper(5, (i / 2) & 1);
                    word = wide ? (ulong)index : (i & 1) == 0 ? (uint)index : (uint)word | ((ulong)(uint)index << 32);
                }

                host.Gprs[Gpr.Rbx] = (ulong)host.Memory + 160;
            });

        comparison.AssertNoFailures();
    }

    [Fact]
    public void Gather_ElementNotPresent_KeepsWhatWasLoadedAndCanGoOn()
    {
        using GuestProcessor guest = Prepare(a => a.vpgatherdd(ymm1, __[rbx + ymm2 * 4], ymm3));
        for (int i = 0; i < 8; i++)
        {
            *(uint*)guest.At(GuestProcessor.Data + ((ulong)i * 4)) = 100u + (uint)i;
            SetDword(ref guest.State, 2, i, i == 5 ? (uint)((Absent - GuestProcessor.Data) / 4) : (uint)i);
            SetDword(ref guest.State, 1, i, 7);
            SetDword(ref guest.State, 3, i, 0x80000000);
        }

        guest.Run();

        Assert.Equal(PageFault, guest.Fault);
        Assert.Equal([100u, 101u, 102u, 103u, 104u, 7u, 7u, 7u], Dwords(guest.State, 1));
        Assert.Equal([0u, 0u, 0u, 0u, 0u, uint.MaxValue, uint.MaxValue, uint.MaxValue], Dwords(guest.State, 3));
    }

    [Theory]
    [InlineData(0x00000000u, NoFault)]
    [InlineData(0x80000000u, PageFault)]
    public void MaskedLoad_LastElementNotPresent_FaultsIfItIsChosen(uint lastMask, int fault)
    {
        using GuestProcessor guest = Prepare(a => a.vmaskmovps(ymm1, ymm3, __[rbx]));
        guest.State.Gprs[Gpr.Rbx] = Absent - 28;
        for (int i = 0; i < 8; i++)
        {
            SetDword(ref guest.State, 3, i, i == 7 ? lastMask : 0x80000000);
            SetDword(ref guest.State, 1, i, 7);
        }

        *(uint*)guest.At(Absent - 28) = 42;

        guest.Run();

        Assert.Equal(fault, guest.Fault);
        Assert.Equal(fault == NoFault ? 42u : 7u, Dwords(guest.State, 1)[0]);
        Assert.Equal(fault == NoFault ? 0u : 7u, Dwords(guest.State, 1)[7]);
    }

    [Theory]
    [InlineData(0x00000000u, NoFault)]
    [InlineData(0x80000000u, PageFault)]
    public void MaskedStore_LastElementNotPresent_WritesNothingIfItIsChosen(uint lastMask, int fault)
    {
        using GuestProcessor guest = Prepare(a => a.vpmaskmovd(__[rbx], ymm3, ymm1));
        guest.State.Gprs[Gpr.Rbx] = Absent - 28;
        for (int i = 0; i < 8; i++)
        {
            SetDword(ref guest.State, 3, i, i == 7 ? lastMask : i == 1 ? 0 : 0x80000000);
            SetDword(ref guest.State, 1, i, 7);
        }

        new Span<uint>(guest.At(Absent - 28), 7).Fill(1);

        guest.Run();

        Assert.Equal(fault, guest.Fault);
        Assert.Equal(fault == NoFault ? 7u : 1u, *(uint*)guest.At(Absent - 28));
        Assert.Equal(1u, *(uint*)guest.At(Absent - 24));
    }

    [Theory]
    [InlineData(0, NoFault)]
    [InlineData(16, (int)ExceptionVector.GeneralProtection)]
    public void AlignedMove_Of32Bytes_WantsAllOfThem(int offset, int fault)
    {
        using GuestProcessor guest = Prepare(a => a.vmovdqa(ymm1, __[rbx]));
        guest.State.Gprs[Gpr.Rbx] += (ulong)offset;

        guest.Run();

        Assert.Equal(fault, guest.Fault);
    }

    private static GuestProcessor Prepare(Action<Assembler> emit)
    {
        GuestProcessor guest = new();
        guest.Place(GuestProcessor.Code, HostCodePage.Assemble(emit, GuestProcessor.Code));
        guest.State.Cr4 |= Cr4.OSXSAVE;
        guest.State.Xcr0 = 7;
        return guest;
    }

    private static void SetDword(ref X86CpuState state, int register, int element, uint value)
    {
        ref ulong word = ref state.Vectors[(4 * register) + (element / 2)];
        int shift = 32 * (element & 1);
        word = (word & ~(0xFFFFFFFFUL << shift)) | ((ulong)value << shift);
    }

    private static uint[] Dwords(in X86CpuState state, int register)
    {
        uint[] dwords = new uint[8];
        for (int i = 0; i < dwords.Length; i++)
        {
            dwords[i] = (uint)(state.Vectors[(4 * register) + (i / 2)] >> (32 * (i & 1)));
        }

        return dwords;
    }
}
