using Iced.Intel;
using Strata.X86.Floating;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Tests.Floating;

/// <summary>
/// Software x87 arithmetic against the host's instructions: result bits, exception flags and condition codes, masked and unmasked.
/// </summary>
public sealed unsafe class X87HostTests
{
    private const int Rounds = 60_000;
    private const FloatExceptions Suppressing = FloatExceptions.Invalid | FloatExceptions.Denormal | FloatExceptions.DivideByZero;

    private delegate Float80 Operation(Float80 a, Float80 b, ref FloatContext c);

    private delegate string Model(HostInstruction host, Float80 a, Float80 b, ref FloatContext c);

    [HostFact] public void Add_RandomOperands_MatchesFadd() => CompareStack(a => a.fadd(st0, st1), Float80Math.Add);

    [HostFact] public void Sub_RandomOperands_MatchesFsub() => CompareStack(a => a.fsub(st0, st1), Float80Math.Sub);

    [HostFact] public void Mul_RandomOperands_MatchesFmul() => CompareStack(a => a.fmul(st0, st1), Float80Math.Mul);

    [HostFact] public void Div_RandomOperands_MatchesFdiv() => CompareStack(a => a.fdiv(st0, st1), Float80Math.Div);

    [HostFact] public void Sqrt_RandomOperands_MatchesFsqrt() =>
        CompareStack(a => a.fsqrt(), (Float80 a, Float80 b, ref FloatContext c) => Float80Math.Sqrt(a, ref c));

    [HostFact] public void RoundToIntegral_RandomOperands_MatchesFrndint() => CompareStack(
        a => a.frndint(), (Float80 a, Float80 b, ref FloatContext c) => Float80Math.RoundToIntegral(a, c.Rounding, false, ref c));

    [HostFact] public void Scale_RandomOperands_MatchesFscale() => CompareStack(a => a.fscale(), Float80Math.Scale, mayKeepFirst: true);

    [HostFact] public void PartialRemainder_RandomOperands_MatchesFprem() => CompareRemainder(a => a.fprem(), false);

    [HostFact] public void PartialRemainderIeee_RandomOperands_MatchesFprem1() => CompareRemainder(a => a.fprem1(), true);

    [HostFact]
    public void ToFloat_RandomOperands_MatchesFst()
    {
        CompareStore(a => a.fst(__dword_ptr[rbx]), 4, (Float80 a, ref FloatContext c) => Float80Math.ToFloat32(a, ref c));
        CompareStore(a => a.fst(__qword_ptr[rbx]), 8, (Float80 a, ref FloatContext c) => Float80Math.ToFloat64(a, ref c));
    }

    [HostFact]
    public void ToInteger_RandomOperands_MatchesFistAndFisttp()
    {
        CompareStore(a => a.fist(__word_ptr[rbx]), 2, (Float80 a, ref FloatContext c) => (ushort)Float80Math.ToInt16(a, c.Rounding, ref c));
        CompareStore(a => a.fist(__dword_ptr[rbx]), 4, (Float80 a, ref FloatContext c) => (uint)Float80Math.ToInt32(a, c.Rounding, ref c));
        CompareStore(
            a => a.fistp(__qword_ptr[rbx]), 8, (Float80 a, ref FloatContext c) => (ulong)Float80Math.ToInt64(a, c.Rounding, ref c));
        CompareStore(
            a => a.fisttp(__qword_ptr[rbx]), 8,
            (Float80 a, ref FloatContext c) => (ulong)Float80Math.ToInt64(a, RoundingMode.TowardZero, ref c));
    }

    [HostFact]
    public void ToBcd_RandomOperands_MatchesFbstp() =>
        Run(a => a.fbstp(__tword_ptr[rbx]), MemoryBefore, (HostInstruction host, Float80 a, Float80 b, ref FloatContext c) =>
    {
        Float80Math.ToBcd(a, out ulong low, out ushort high, ref c);
        return (c.Unmasked & ~FloatExceptions.Precision) != 0 ? "untouched" : $"{high:X4}{low:X16}";
    }, host => *(ulong*)host.Memory == Untouched ? "untouched" : $"{*(ushort*)(host.Memory + 8):X4}{*(ulong*)host.Memory:X16}");

    [HostFact]
    public void FromBcd_RandomDigits_MatchesFbld() => Run(a => a.fbld(__tword_ptr[rbx]), (host, o) =>
    {
        for (int i = 0; i < 10; i++)
        {
            host.Memory[i] = (byte)((o.Random.Next(10) << 4) | o.Random.Next(10));
        }

        if (o.Random.Next(4) == 0)
        {
            *(ulong*)host.Memory = 0;
            host.Memory[8] = 0;
        }

        host.Memory[9] = (byte)(o.Random.Next(2) << 7);
        SetStack(host, default, default, 0);
    }, (HostInstruction host, Float80 a, Float80 b, ref FloatContext c) =>
        Show(Float80Math.FromBcd(*(ulong*)host.Memory, *(ushort*)(host.Memory + 8)), 0),
        host => Show(St(host, 0), 0));

    [HostFact]
    public void FromFloat_RandomOperands_MatchesFld()
    {
        CompareLoad(
            a => a.fld(__dword_ptr[rbx]), (h, o) => *(uint*)h.Memory = o.Next32(),
            (HostInstruction h, Float80 _, Float80 _, ref FloatContext c) => Loaded(Float32.ToFloat80(*(uint*)h.Memory, ref c), c));
        CompareLoad(
            a => a.fld(__qword_ptr[rbx]), (h, o) => *(ulong*)h.Memory = o.Next64(),
            (HostInstruction h, Float80 _, Float80 _, ref FloatContext c) => Loaded(Float64.ToFloat80(*(ulong*)h.Memory, ref c), c));
        CompareLoad(
            a => a.fild(__qword_ptr[rbx]), (h, o) => *(long*)h.Memory = o.NextInteger(),
            (HostInstruction h, Float80 _, Float80 _, ref FloatContext c) => Loaded(Float80Math.FromInt64(*(long*)h.Memory), c));
        CompareLoad(
            a => a.fild(__word_ptr[rbx]), (h, o) => *(long*)h.Memory = o.NextInteger(),
            (HostInstruction h, Float80 _, Float80 _, ref FloatContext c) => Loaded(Float80Math.FromInt16(*(short*)h.Memory), c));
    }

    [HostFact]
    public void Extract_RandomOperands_MatchesFxtract() => Run(
        a => a.fxtract(), (host, o) => SetStack(host, o.Next80(), default, 1),
        (HostInstruction h, Float80 a, Float80 b, ref FloatContext c) =>
    {
        Float80 significand = Float80Math.Extract(a, out Float80 exponent, ref c);
        return (c.Unmasked & Suppressing) != 0 ? "kept" : Show(significand, 0) + Show(exponent, 0);
    }, host => ((host.Fsw >> 11) & 7) == 0 ? "kept" : Show(St(host, 0), 0) + Show(St(host, 1), 0));

    [HostFact]
    public void Compare_RandomOperands_MatchesFcomAndFucom()
    {
        CompareOrder(a => a.fcom(st0, st1), true);
        CompareOrder(a => a.fucom(st0, st1), false);
    }

    private const ulong Untouched = 0xA5A5_5A5A_A55A_1234;

    private static void CompareStack(Action<Assembler> instruction, Operation operation, bool mayKeepFirst = false) =>
        Run(instruction, TwoOperands, (HostInstruction host, Float80 a, Float80 b, ref FloatContext c) =>
    {
        Float80 result = operation(a, b, ref c);
        return Show((c.Unmasked & Suppressing) != 0 ? a : result, c.RoundedUp ? 0x200 : 0);
    }, host => Show(St(host, 0), host.Fsw & 0x200), mayKeepFirst);

    private static void CompareRemainder(Action<Assembler> instruction, bool nearest) =>
        Run(instruction, TwoOperands, (HostInstruction host, Float80 a, Float80 b, ref FloatContext c) =>
    {
        Float80 result = nearest
            ? Float80Math.PartialRemainderIeee(a, b, out int quotient, out bool incomplete, ref c)
            : Float80Math.PartialRemainder(a, b, out quotient, out incomplete, ref c);
        int codes = incomplete ? 0x400 : ((quotient & 4) << 6) | ((quotient & 2) << 13) | ((quotient & 1) << 9);
        return (c.Unmasked & Suppressing) != 0 ? Show(a, 0) : Show(result, codes);
    }, host => Show(St(host, 0), (host.Fsw & (~host.Fcw & 7)) != 0 ? 0 : host.Fsw & 0x4700), mayKeepFirst: true);

    private delegate ulong Storing(Float80 a, ref FloatContext c);

    private static void CompareStore(Action<Assembler> instruction, int size, Storing store) =>
        Run(instruction, MemoryBefore, (HostInstruction host, Float80 a, Float80 b, ref FloatContext c) =>
    {
        ulong mask = ulong.MaxValue >> (64 - (8 * size));
        ulong stored = store(a, ref c);
        bool abandoned = (c.Unmasked & ~FloatExceptions.Precision) != 0;
        return $"{(abandoned ? Untouched & mask : stored):X16} {(c.RoundedUp && !abandoned ? 0x200 : 0):X}";
    },
    host => $"{*(ulong*)host.Memory & (ulong.MaxValue >> (64 - (8 * size))):X16} " +
        $"{((host.Fsw & ~host.Fcw & 0x1F) != 0 ? 0 : host.Fsw & 0x200):X}");

    private static void CompareLoad(Action<Assembler> instruction, Action<HostInstruction, FloatOperands> fill, Model model) =>
        Run(instruction, (host, o) =>
    {
        fill(host, o);
        SetStack(host, default, default, 0);
    }, model, host => ((host.Fsw >> 11) & 7) == 0 ? "empty" : Show(St(host, 0), 0));

    private static string Loaded(Float80 value, FloatContext c) => (c.Unmasked & FloatExceptions.Invalid) != 0 ? "empty" : Show(value, 0);

    private static void CompareOrder(Action<Assembler> instruction, bool signaling) =>
        Run(instruction, TwoOperands, (HostInstruction host, Float80 a, Float80 b, ref FloatContext c) =>
    {
        FloatRelation relation = Float80Math.Compare(a, b, signaling, ref c);
        int codes = relation switch
        {
            FloatRelation.Unordered => 0x4500,
            FloatRelation.Less => 0x100,
            FloatRelation.Equal => 0x4000,
            _ => 0,
        };
        return (c.Unmasked & Suppressing) != 0 ? "?" : $"{codes:X}";
    }, host => (host.Fsw & ~host.Fcw & 3) != 0 ? "?" : $"{host.Fsw & 0x4500:X}");

    private static void TwoOperands(HostInstruction host, FloatOperands o)
    {
        Float80 a = o.Next80();
        Float80 b = o.Near80(a);
        if (o.Random.Next(8) == 0)
        {
            a = Float80Math.FromInt64(o.NextInteger());
            b = o.Random.Next(2) == 0 ? Float80Math.FromInt64(o.NextInteger()) : a;
        }

        SetStack(host, a, b, 2);
    }

    private static void MemoryBefore(HostInstruction host, FloatOperands o)
    {
        TwoOperands(host, o);
        *(ulong*)host.Memory = Untouched;
    }

    private static void SetStack(HostInstruction host, Float80 a, Float80 b, int used)
    {
        host.StSignificand(0) = a.Significand;
        host.StExponent(0) = a.SignExponent;
        host.StSignificand(1) = b.Significand;
        host.StExponent(1) = b.SignExponent;
        host.Ftw = (byte)((1 << used) - 1);
    }

    private static Float80 St(HostInstruction host, int i) => new(host.StSignificand(i), host.StExponent(i));

    private static string Show(Float80 a, int codes) => $"{a.SignExponent:X4}:{a.Significand:X16}/{codes:X}";

    /// <summary>
    /// FSCALE by zero and remainders of an infinite divisor leave a tiny operand as it is. Whether that is an underflow, where one is not
    /// masked, differs: an AMD EPYC says so, an Intel Xeon of the fourth generation does not.
    /// </summary>
    private static bool IsKeptTiny(HostInstruction host, Float80 a, Float80 b)
    {
        bool isTiny = (a.SignExponent & 0x7FFF) == 0 && a.Significand != 0;
        bool isZero = (b.SignExponent & 0x7FFF) == 0 && b.Significand == 0;
        bool isInfinite = (b.SignExponent & 0x7FFF) == 0x7FFF && b.Significand == 1UL << 63;
        return (host.Fcw & 0x10) == 0 && isTiny && (isZero || isInfinite);
    }

    private static void Run(
        Action<Assembler> instruction, Action<HostInstruction, FloatOperands> arrange, Model model, Func<HostInstruction, string> result,
        bool mayKeepFirst = false)
    {
        using HostInstruction host = new(instruction);
        FloatOperands operands = new(87);
        List<string> failures = [];
        for (int i = 0; i < Rounds && failures.Count < 10; i++)
        {
            arrange(host, operands);
            int masks = operands.Random.Next(3) == 0 ? operands.Random.Next(64) : 63;
            int precision = operands.Random.Next(3) switch { 0 => 0, 1 => 2, _ => 3 };
            host.Fcw = (ushort)(masks | 0x40 | (precision << 8) | (operands.Random.Next(4) << 10));
            host.Fsw = 0;
            FloatContext context = FloatContext.FromX87(host.Fcw);
            Float80 a = St(host, 0);
            Float80 b = St(host, 1);
            string expected = model(host, a, b, ref context);
            if (mayKeepFirst && IsKeptTiny(host, a, b))
            {
                continue;
            }

            host.Run();
            string actual = result(host);
            FloatExceptions flags = (FloatExceptions)(host.Fsw & 0x3F);
            if (actual != expected || flags != context.Raised)
            {
                failures.Add($"{Show(a, 0)} {Show(b, 0)} fcw={host.Fcw:X4}: host {actual} [{flags}], ours {expected} [{context.Raised}]");
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }
}
