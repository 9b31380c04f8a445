using Iced.Intel;
using Strata.X86.Floating;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Tests.Floating;

/// <summary>
/// x87 transcendental functions against the host's: both promise one unit in the last place, so that they may be one apart.
/// Special values and exceptions must agree.
/// </summary>
public sealed unsafe class TranscendentalHostTests
{
    private const int Rounds = 20_000;

    private delegate Float80 Function(Float80 a, Float80 b, out bool outOfRange, ref FloatContext c);

    [HostFact] public void Sin_AnyAngle_WithinOneUlp() =>
        Compare(a => a.fsin(), Angles, (Float80 a, Float80 b, out bool far, ref FloatContext c) => Float80Math.Sin(a, out far, ref c));

    [HostFact] public void Cos_AnyAngle_WithinOneUlp() =>
        Compare(a => a.fcos(), Angles, (Float80 a, Float80 b, out bool far, ref FloatContext c) => Float80Math.Cos(a, out far, ref c));

    [HostFact] public void Tan_AnyAngle_WithinOneUlp() => Compare(
        a => a.fptan(), Angles, (Float80 a, Float80 b, out bool far, ref FloatContext c) => Float80Math.Tan(a, out far, ref c),
        pushes: true);

    [HostFact] public void Atan2_AnyPoint_WithinOneUlp() => Compare(
        a => a.fpatan(), Pairs, (Float80 a, Float80 b, out bool far, ref FloatContext c) => Plain(Float80Math.Atan2(b, a, ref c), out far));

    [HostFact] public void F2xm1_Range_WithinOneUlp() => Compare(
        a => a.f2xm1(), o => (Bounded(o, 16383), default),
        (Float80 a, Float80 b, out bool far, ref FloatContext c) => Plain(Float80Math.F2xm1(a, ref c), out far));

    [HostFact] public void Fyl2x_AnyOperands_WithinOneUlp() => Compare(
        a => a.fyl2x(), Logarithms,
        (Float80 a, Float80 b, out bool far, ref FloatContext c) => Plain(Float80Math.Fyl2x(b, a, ref c), out far));

    [HostFact] public void Fyl2xp1_Range_WithinOneUlp() => Compare(
        a => a.fyl2xp1(), o => (Bounded(o, 16381), o.Next80()),
        (Float80 a, Float80 b, out bool far, ref FloatContext c) => Plain(Float80Math.Fyl2xp1(b, a, ref c), out far));

    private static Float80 Plain(Float80 value, out bool far)
    {
        far = false;
        return value;
    }

    private static (Float80 A, Float80 B) Angles(FloatOperands o) => o.Random.Next(3) switch
    {
        0 => (o.Next80(), default),
        1 => (
            new Float80(o.Fraction(64) | Float80.IntegerBit, (ushort)((o.Random.Next(2) << 15) | o.Random.Next(16383 - 40, 16383 + 64))),
            default),
        _ => (Float80Math.WidenFloat64(BitConverter.DoubleToUInt64Bits(o.Random.Next(-50, 50) * Math.PI / 4), out _), default),
    };

    private static (Float80 A, Float80 B) Pairs(FloatOperands o)
    {
        Float80 a = o.Next80();
        return (a, o.Near80(a));
    }

    private static (Float80 A, Float80 B) Logarithms(FloatOperands o) => o.Random.Next(3) switch
    {
        0 => (new Float80(o.Fraction(64) | Float80.IntegerBit, (ushort)(16382 + o.Random.Next(2))), o.Next80()),
        _ => (o.Next80() is { IsNegative: true } n && o.Random.Next(4) != 0 ? n.Negate() : o.Next80(), o.Next80()),
    };

    private static Float80 Bounded(FloatOperands o, int limit)
    {
        Float80 a = o.Next80();
        return a.Exponent < limit || a.Exponent == 0x7FFF
            ? a
            : new Float80(a.Significand | Float80.IntegerBit, (ushort)(a.Sign | (limit - 1 - o.Random.Next(70))));
    }

    private static void Compare(
        Action<Assembler> instruction, Func<FloatOperands, (Float80 A, Float80 B)> arrange, Function function, bool pushes = false)
    {
        using HostInstruction host = new(instruction);
        FloatOperands operands = new(99);
        List<string> failures = [];
        int exact = 0;
        for (int i = 0; i < Rounds && failures.Count < 10; i++)
        {
            (Float80 a, Float80 b) = arrange(operands);
            host.StSignificand(0) = a.Significand;
            host.StExponent(0) = a.SignExponent;
            host.StSignificand(1) = b.Significand;
            host.StExponent(1) = b.SignExponent;
            host.Ftw = 3;
            host.Fsw = 0;
            host.Fcw = 0x37F;
            FloatContext context = FloatContext.FromX87(host.Fcw);
            Float80 expected = function(a, b, out bool outOfRange, ref context);
            host.Run();
            int top = pushes && ((host.Fsw >> 11) & 7) == 7 ? 1 : 0;
            Float80 actual = new(host.StSignificand(top), host.StExponent(top));
            FloatExceptions flags = (FloatExceptions)(host.Fsw & 0x3F);
            exact += actual == expected ? 1 : 0;
            if (Distance(actual, expected) > 1 || flags != context.Raised || outOfRange != ((host.Fsw & 0x400) != 0))
            {
                failures.Add($"{Show(a)} {Show(b)}: host {Show(actual)} [{flags}], ours {Show(expected)} [{context.Raised}] {outOfRange}");
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
        Assert.True(exact > Rounds * 8 / 10, $"only {exact} of {Rounds} results are equal");
    }

    private static ulong Distance(Float80 a, Float80 b)
    {
        if (a.SignExponent != b.SignExponent)
        {
            return a.Sign == b.Sign && Math.Abs(a.Exponent - b.Exponent) == 1 && (a.Significand ^ b.Significand) == ulong.MaxValue >> 1
                ? 1UL
                : ulong.MaxValue;
        }

        return a.Significand > b.Significand ? a.Significand - b.Significand : b.Significand - a.Significand;
    }

    private static string Show(Float80 a) => $"{a.SignExponent:X4}:{a.Significand:X16}";
}
