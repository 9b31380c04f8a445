using Strata.X86.Cpuid;

namespace Strata.X86.Tests;

public sealed class CpuModelTests
{
    [Theory]
    [InlineData("x86-64-v2", "x86-64-v2")]
    [InlineData("x86-64-v2+sha", "x86-64-v2+sha")]
    [InlineData("x86-64-v2+sha+clwb+sha", "x86-64-v2+clwb+sha")]
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
    public void TryParse_UnknownName_Fails(string text) => Assert.False(CpuModel.TryParse(text, out _));

    [Fact]
    public void Host_WrittenAndRead_OffersTheSame()
    {
        Assert.True(CpuModel.TryParse(CpuModel.Host.ToString(), out CpuModel? read));

        Assert.Equal(CpuModel.Host.Features, read!.Features);
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
