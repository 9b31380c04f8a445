using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Strata.X86.Comparison;
using Strata.X86.Registers;

namespace Strata.X86.Tests.Comparison;

public sealed class StateComparisonTests
{
    /// <summary>
    /// Private fields that only fill up: six bytes in each of eight segments, four in each of two tables, four at the end.
    /// </summary>
    private const int PaddingBytes = (8 * 6) + (2 * 4) + 4;

    [Fact]
    public void Compare_AnyByteChanged_NamesExactlyOneField()
    {
        X86CpuState before = X86CpuState.AtReset();
        int unnamed = 0;
        for (int i = 0; i < Unsafe.SizeOf<X86CpuState>(); i++)
        {
            X86CpuState after = before;
            MemoryMarshal.AsBytes(new Span<X86CpuState>(ref after))[i] ^= 0x80;

            int count = StateComparison.Compare(before, after, ignoredFlags: 0).Count;

            Assert.InRange(count, 0, 1);
            unnamed += 1 - count;
        }

        Assert.Equal(PaddingBytes, unnamed);
    }

    [Fact]
    public void Values_OfAState_HaveTheManualsNames()
    {
        X86CpuState state = X86CpuState.AtReset();
        state.Segment(SegmentIndex.Tr).Limit = 0x1234;

        Dictionary<string, ulong> values = StateComparison.Values(state).ToDictionary(field => field.Name, field => field.Value);

        Assert.Equal(0xFFFF0000UL, values["Cs.Base"]);
        Assert.Equal(0x1234UL, values["Tr.Limit"]);
        Assert.Equal(0x806EAUL, values["RDX"]);
        Assert.Equal(0xFFFF0FF0UL, values["Dr6"]);
        Assert.Equal(0x1F80UL, values["Mxcsr"]);
        Assert.Equal(["RAX", "RCX"], values.Keys.Take(2));
    }
}
