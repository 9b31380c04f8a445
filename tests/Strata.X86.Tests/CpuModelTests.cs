using Strata.X86.Cpuid;
using Strata.X86.Registers;

namespace Strata.X86.Tests;

public sealed class CpuModelTests
{
    [Theory]
    [InlineData("x86-64-v2", "x86-64-v2")]
    [InlineData("x86-64-v2+sha", "x86-64-v2+sha")]
    [InlineData("x86-64-v2+clwb+sha+clwb", "x86-64-v2+sha+clwb")]
    [InlineData("x86-64-v3", "x86-64-v3")]
    [InlineData("x86-64-v3+sha+vaes", "x86-64-v3+vaes+sha")]
    [InlineData("x86-64-v2+fma+f16c+avx2+avx", "x86-64-v3")]
    [InlineData("x86-64-v2+avx", "x86-64-v2+avx")]
    public void TryParse_KnownName_WritesItInOneForm(string text, string expected)
    {
        Assert.True(CpuModel.TryParse(text, out CpuModel? model));

        Assert.Equal(expected, model!.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("x86-64-v1")]
    [InlineData("x86-64-v2+")]
    [InlineData("x86-64-v2+3dnow")]
    [InlineData("x86-64-v2+fma")]
    public void TryParse_UnknownName_Fails(string text) => Assert.False(CpuModel.TryParse(text, out _));

    [Fact]
    public void Host_WrittenAndRead_OffersTheSame()
    {
        Assert.True(CpuModel.TryParse(CpuModel.Host.ToString(), out CpuModel? read));

        Assert.Equal(CpuModel.Host.Features, read!.Features);
    }

    [Theory]
    [InlineData("x86-64-v2", 0u, 3u, 576u, 576u)]
    [InlineData("x86-64-v3", 0u, 7u, 576u, 832u)]
    [InlineData("x86-64-v3", 1u, 3u, 576u, 0u)]
    [InlineData("x86-64-v3", 2u, 256u, 576u, 0u)]
    [InlineData("x86-64-v2", 2u, 0u, 0u, 0u)]
    [InlineData("x86-64-v3", 3u, 0u, 0u, 0u)]
    public void Query_ExtendedState_DescribesTheModelsComponents(string model, uint subleaf, uint eax, uint ebx, uint ecx)
    {
        Assert.True(CpuModel.TryParse(model, out CpuModel? parsed));
        CpuidPolicy policy = new() { Model = parsed! };

        Assert.Equal(new CpuidResult(eax, ebx, ecx, 0), policy.Query(13, subleaf, 0, X86CpuState.AtReset(), apicEnabled: true));
    }

    [Fact]
    public void Query_ExtendedStateWithAvxOn_SaysHowLargeTheAreaIsNow()
    {
        CpuidPolicy policy = new() { Model = CpuModel.V3 };
        X86CpuState state = X86CpuState.AtReset();
        state.Xcr0 = 7;

        Assert.Equal(832u, policy.Query(13, 0, 0, state, apicEnabled: true).Ebx);
    }

    [Fact]
    public void Query_ModelWithSha_OffersItUnlessTheEngineCannot()
    {
        const uint sha = 1u << 29;
        Assert.True(CpuModel.TryParse("x86-64-v2+sha", out CpuModel? model));
        CpuidPolicy policy = new() { Model = model! };
        CpuidPolicy narrowed = policy with { Allowed = CpuidFeatureSet.All with { Leaf7Ebx = ~sha } };

        Assert.NotEqual(0u, policy.Query(7, 0, 0, default, apicEnabled: true).Ebx & sha);
        Assert.Equal(0u, narrowed.Query(7, 0, 0, default, apicEnabled: true).Ebx & sha);
    }
}
