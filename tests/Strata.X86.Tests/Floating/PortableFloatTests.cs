using Strata.X86.Floating;

namespace Strata.X86.Tests.Floating;

/// <summary>
/// What can be tested on any host: .NET's own arithmetic is IEEE 754 with rounding to nearest; further cases are worked out by hand.
/// </summary>
public sealed class PortableFloatTests
{
    private const int Rounds = 20_000;

    private delegate ulong Operation(ulong a, ulong b, ref FloatContext c);

    [Fact] public void Add64_NearestEven_IsTheSumOfDoubles() => Check(Float64.Add, (a, b) => a + b);

    [Fact] public void Sub64_NearestEven_IsTheDifferenceOfDoubles() => Check(Float64.Sub, (a, b) => a - b);

    [Fact] public void Mul64_NearestEven_IsTheProductOfDoubles() => Check(Float64.Mul, (a, b) => a * b);

    [Fact] public void Div64_NearestEven_IsTheQuotientOfDoubles() => Check(Float64.Div, (a, b) => a / b);

    [Fact] public void Sqrt64_NearestEven_IsTheRootOfDoubles() =>
        Check((ulong a, ulong b, ref FloatContext c) => Float64.Sqrt(a, ref c), (a, b) => Math.Sqrt(a));

    [Fact] public void FusedMultiplyAdd64_NearestEven_IsTheFusedProductOfDoubles() =>
        Check((ulong a, ulong b, ref FloatContext c) => Float64.FusedMultiplyAdd(a, b, a, ref c), (a, b) => Math.FusedMultiplyAdd(a, b, a));

    [Fact] public void ToFloat32_NearestEven_IsTheCastOfDoubles() =>
        Check((ulong a, ulong b, ref FloatContext c) => Float32.ToFloat64(Float64.ToFloat32(a, ref c), ref c), (a, b) => (float)a);

    /// <summary>In extended precision with 53 bits, every result that is not tiny or huge rounds like a double.</summary>
    [Fact]
    public void Add80_PrecisionOfDouble_RoundsLikeDouble()
    {
        FloatOperands operands = new(3);
        for (int i = 0; i < Rounds; i++)
        {
            double a = operands.Random.NextDouble() - 0.5;
            double b = (operands.Random.NextDouble() - 0.5) * 1e-3;
            FloatContext c = FloatContext.FromX87(0x27F);

            Float80 sum = Float80Math.Add(Wide(a), Wide(b), ref c);

            Assert.Equal(Wide(a + b), sum);
        }
    }

    [Theory]
    [InlineData(RoundingMode.NearestEven, 0x3FF0000000000000UL)]
    [InlineData(RoundingMode.Down, 0x3FF0000000000000UL)]
    [InlineData(RoundingMode.Up, 0x3FF0000000000001UL)]
    [InlineData(RoundingMode.TowardZero, 0x3FF0000000000000UL)]
    public void Add64_HalfAnUlp_RoundsByMode(RoundingMode mode, ulong expected)
    {
        FloatContext c = FloatContext.FromMxcsr(0x1F80 | ((uint)mode << 13));

        ulong sum = Float64.Add(0x3FF0000000000000, 0x3CA0000000000000, ref c);

        Assert.Equal(expected, sum);
        Assert.Equal(FloatExceptions.Precision, c.Raised);
    }

    /// <summary>Tininess is seen after rounding: just below the smallest normal number, rounded up to it, is no underflow.</summary>
    [Fact]
    public void Mul64_RoundsUpToSmallestNormal_RaisesNoUnderflow()
    {
        FloatContext c = FloatContext.FromMxcsr(0x1F80);

        ulong product = Float64.Mul(0x3FEFFFFFFFFFFFFF, 0x0010000000000001, ref c);

        Assert.Equal(0x0010000000000000UL, product);
        Assert.Equal(FloatExceptions.Precision, c.Raised);
    }

    [Fact]
    public void Mul64_ExactDenormal_RaisesUnderflowOnlyIfUnmasked()
    {
        FloatContext masked = FloatContext.FromMxcsr(0x1F80);
        FloatContext unmasked = FloatContext.FromMxcsr(0x1780);

        Float64.Mul(0x0010000000000000, 0x3FE0000000000000, ref masked);
        Float64.Mul(0x0010000000000000, 0x3FE0000000000000, ref unmasked);

        Assert.Equal(FloatExceptions.None, masked.Raised);
        Assert.Equal(FloatExceptions.Underflow, unmasked.Raised);
    }

    [Fact]
    public void Add_TwoNaNs_SseTakesTheFirstAndX87TheLarger()
    {
        FloatContext c = FloatContext.FromX87(0x37F);

        Assert.Equal(0x7FF8000000000001UL, Float64.Add(0x7FF8000000000001, 0xFFF8000000000002, ref c));
        Assert.Equal(Wide(0xFFF8000000000002), Float80Math.Add(Wide(0x7FF8000000000001), Wide(0xFFF8000000000002), ref c));
        Assert.Equal(FloatExceptions.None, c.Raised);
    }

    /// <summary>The distance of the 64-bit π from the 66-bit π of the range reduction is exactly 2^−64.</summary>
    [Fact]
    public void Sin_OfPi_ShowsThe66BitReduction()
    {
        FloatContext c = FloatContext.FromX87(0x37F);

        Float80 sine = Float80Math.Sin(new Float80(0xC90FDAA22168C235, 0x4000), out bool outOfRange, ref c);

        Assert.False(outOfRange);
        Assert.Equal(new Float80(1UL << 63, 0x8000 | (16383 - 64)), sine);
    }

    /// <summary>Exact values to 64 bits, computed with 300 bits.</summary>
    [Fact]
    public void Transcendentals_KnownArguments_AreCorrectlyRounded()
    {
        FloatContext c = FloatContext.FromX87(0x37F);
        Float80 one = Float80.One;
        Float80 three = Float80Math.FromInt32(3);

        Assert.Equal(new Float80(0xD76AA47848677021, 0x3FFE), Float80Math.Sin(one, out _, ref c));
        Assert.Equal(new Float80(0x8A51407DA8345C92, 0x3FFE), Float80Math.Cos(one, out _, ref c));
        Assert.Equal(new Float80(0xC90FDAA22168C235, 0x3FFE), Float80Math.Atan2(one, one, ref c));
        Assert.Equal(new Float80(0xCAE00D1CFDEB43D0, 0x3FFF), Float80Math.Fyl2x(one, three, ref c));
        Assert.Equal(new Float80(0xD413CCCFE7799211, 0x3FFD), Float80Math.F2xm1(new Float80(1UL << 63, 16382), ref c));
    }

    private static Float80 Wide(double value) => Float80Math.WidenFloat64(BitConverter.DoubleToUInt64Bits(value), out _);

    private static Float80 Wide(ulong bits) => Float80Math.WidenFloat64(bits, out _);

    private static void Check(Operation operation, Func<double, double, double> reference)
    {
        FloatOperands operands = new(64);
        for (int i = 0; i < Rounds; i++)
        {
            ulong a = operands.Next64();
            ulong b = operands.Near64(a);
            FloatContext c = FloatContext.FromMxcsr(0x1F80);

            ulong actual = operation(a, b, ref c);

            // Which NaN comes out is the host's choice.
            double expected = reference(BitConverter.UInt64BitsToDouble(a), BitConverter.UInt64BitsToDouble(b));
            bool equal = double.IsNaN(expected) ? Float64.IsNaN(actual) : actual == BitConverter.DoubleToUInt64Bits(expected);
            Assert.True(equal, $"{a:X16} {b:X16}: {actual:X16}");
        }
    }
}
