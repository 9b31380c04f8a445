using Iced.Intel;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Tests.Floating;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.Simd;

/// <summary>
/// RCPPS, RCPSS, RSQRTPS and RSQRTSS. Intel SDM Vol. 2B, "RCPPS": relative error of at most 1.5 * 2^-12, denormals are zeros,
/// neither rounding mode nor exceptions count.
/// </summary>
public sealed unsafe class ReciprocalTests
{
    private const double Bound = 1.5 / 4096;
    private const int Rounds = 4000;

    [Fact]
    public void Rcpps_RandomOperands_IsWithinTheBound() => CheckBound(a => a.rcpps(xmm0, xmm1), 4, x => 1 / x, allowNegative: true);

    [Fact]
    public void Rcpss_RandomOperands_IsWithinTheBound() => CheckBound(a => a.rcpss(xmm0, xmm1), 1, x => 1 / x, allowNegative: true);

    [Fact]
    public void Rsqrtps_RandomOperands_IsWithinTheBound() =>
        CheckBound(a => a.rsqrtps(xmm0, xmm1), 4, x => 1 / Math.Sqrt(x), allowNegative: false);

    [Fact]
    public void Rsqrtss_RandomOperands_IsWithinTheBound() =>
        CheckBound(a => a.rsqrtss(xmm0, xmm1), 1, x => 1 / Math.Sqrt(x), allowNegative: false);

    [HostTheory]
    [InlineData(0x00000000u)]
    [InlineData(0x80000000u)]
    [InlineData(0x00000001u)]
    [InlineData(0x807FFFFFu)]
    [InlineData(0x7F800000u)]
    [InlineData(0xFF800000u)]
    [InlineData(0x7FC00001u)]
    [InlineData(0x7F800001u)]
    [InlineData(0xFFBFFFFFu)]
    public void RcppsAndRsqrtps_SpecialOperands_MatchHost(uint operand)
    {
        foreach (Action<Assembler> emit in (ReadOnlySpan<Action<Assembler>>)[a => a.rcpps(
            xmm0, xmm1), a => a.rsqrtps(xmm0, xmm1), a => a.rcpss(xmm0, xmm1), a => a.rsqrtss(xmm0, xmm1)])
        {
            using HostInstruction host = new(emit);
            using GuestProcessor guest = FxsaveTests.Prepare(emit);
            host.Xmm(0) = guest.State.Vectors[0] = 0x1234567890ABCDEF;
            host.Xmm(1) = guest.State.Vectors[4] = operand * 0x100000001UL;
            host.Xmm(1, 1) = guest.State.Vectors[5] = operand * 0x100000001UL;
            host.Mxcsr = guest.State.Mxcsr = 0x1F80;

            host.Run();
            guest.Run();

            Assert.Equal((host.Xmm(0), host.Xmm(0, 1)), (guest.State.Vectors[0], guest.State.Vectors[1]));
            Assert.Equal(host.Mxcsr, guest.State.Mxcsr);
        }
    }

    [Theory]
    [InlineData(0x3F800000u, 0xFFC00000u)]
    [InlineData(0x00800000u, 0xFFC00000u)]
    [InlineData(0x7F800000u, 0xFFC00000u)]
    public void Rsqrtss_NegativeOperand_IsDefaultNaNWithoutFlag(uint magnitude, uint expected)
    {
        using GuestProcessor guest = FxsaveTests.Prepare(a => a.rsqrtss(xmm0, xmm1));
        guest.State.Vectors[4] = magnitude | 0x80000000;

        guest.Run();

        Assert.Equal(expected, (uint)guest.State.Vectors[0]);
        Assert.Equal(0x1F80u, guest.State.Mxcsr);
    }

    /// <summary>Every normal operand whose result is normal as well, under any MXCSR; elements above the last are kept.</summary>
    private static void CheckBound(Action<Assembler> emit, int lanes, Func<double, double> exact, bool allowNegative)
    {
        using GuestProcessor guest = FxsaveTests.Prepare(emit);
        FloatOperands operands = new(lanes);
        ulong code = guest.State.Rip;
        uint* source = stackalloc uint[4];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < 4; i++)
            {
                uint magnitude = (uint)operands.Random.Next(0x00800000, 0x7E800000);
                source[i] = magnitude | (allowNegative ? (uint)operands.Random.Next(2) << 31 : 0);
            }

            guest.State = GuestProcessor.LongMode();
            guest.State.Rip = code;
            uint mxcsr = guest.State.Mxcsr = (uint)operands.Random.Next(0x10000);
            guest.State.Vectors[4] = ((ulong*)source)[0];
            guest.State.Vectors[5] = ((ulong*)source)[1];
            guest.State.Vectors[0] = guest.State.Vectors[1] = 0xAAAAAAAAAAAAAAAA;
            guest.Run();
            Assert.Equal(-1, guest.Fault);
            Assert.Equal(mxcsr, guest.State.Mxcsr);
            for (int i = 0; i < 4; i++)
            {
                uint actual = (uint)(guest.State.Vectors[i / 2] >> (32 * (i % 2)));
                if (i >= lanes)
                {
                    Assert.Equal(0xAAAAAAAAu, actual);
                    continue;
                }

                double expected = exact(BitConverter.UInt32BitsToSingle(source[i]));
                double error = Math.Abs((BitConverter.UInt32BitsToSingle(actual) / expected) - 1);
                Assert.True(error <= Bound, $"of {source[i]:X8}: {actual:X8}, relative error {error}");
            }
        }
    }
}
