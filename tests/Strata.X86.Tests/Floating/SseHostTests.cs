using Iced.Intel;
using Strata.X86.Floating;
using Strata.X86.Tests.HostCpu;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Tests.Floating;

/// <summary>Software SSE arithmetic against the host's instructions: result bits and exception flags.</summary>
public sealed unsafe class SseHostTests
{
    private const int Rounds = 60_000;

    private delegate ulong Operation(ulong a, ulong b, ref FloatContext c);

    [HostFact] public void Add32_RandomOperands_MatchesAddss() =>
        Compare32(a => a.addss(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float32.Add((uint)x, (uint)y, ref c));

    [HostFact] public void Sub32_RandomOperands_MatchesSubss() =>
        Compare32(a => a.subss(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float32.Sub((uint)x, (uint)y, ref c));

    [HostFact] public void Mul32_RandomOperands_MatchesMulss() =>
        Compare32(a => a.mulss(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float32.Mul((uint)x, (uint)y, ref c));

    [HostFact] public void Div32_RandomOperands_MatchesDivss() =>
        Compare32(a => a.divss(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float32.Div((uint)x, (uint)y, ref c));

    [HostFact] public void Sqrt32_RandomOperands_MatchesSqrtss() =>
        Compare32(a => a.sqrtss(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float32.Sqrt((uint)y, ref c));

    [HostFact] public void Min32_RandomOperands_MatchesMinss() =>
        Compare32(a => a.minss(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float32.Min((uint)x, (uint)y, ref c));

    [HostFact] public void Max32_RandomOperands_MatchesMaxss() =>
        Compare32(a => a.maxss(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float32.Max((uint)x, (uint)y, ref c));

    [HostFact] public void Add64_RandomOperands_MatchesAddsd() => Compare64(a => a.addsd(xmm0, xmm1), Float64.Add);

    [HostFact] public void Sub64_RandomOperands_MatchesSubsd() => Compare64(a => a.subsd(xmm0, xmm1), Float64.Sub);

    [HostFact] public void Mul64_RandomOperands_MatchesMulsd() => Compare64(a => a.mulsd(xmm0, xmm1), Float64.Mul);

    [HostFact] public void Div64_RandomOperands_MatchesDivsd() => Compare64(a => a.divsd(xmm0, xmm1), Float64.Div);

    [HostFact] public void Sqrt64_RandomOperands_MatchesSqrtsd() =>
        Compare64(a => a.sqrtsd(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float64.Sqrt(y, ref c));

    [HostFact] public void Min64_RandomOperands_MatchesMinsd() => Compare64(a => a.minsd(xmm0, xmm1), Float64.Min);

    [HostFact] public void Max64_RandomOperands_MatchesMaxsd() => Compare64(a => a.maxsd(xmm0, xmm1), Float64.Max);

    [HostFact] public void ToFloat64_RandomOperands_MatchesCvtss2sd() =>
        Compare32(a => a.cvtss2sd(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => Float32.ToFloat64((uint)y, ref c), wide: true);

    [HostFact] public void ToFloat32_RandomOperands_MatchesCvtsd2ss() => Compare64(
        a => a.cvtsd2ss(xmm0, xmm1), (ulong x, ulong y, ref FloatContext c) => (x & 0xFFFFFFFF00000000) | Float64.ToFloat32(y, ref c));

    [HostFact] public void RoundToIntegral32_CurrentMode_MatchesRoundss() => Compare32(
        a => a.roundss(xmm0, xmm1, 4),
        (ulong x, ulong y, ref FloatContext c) => Float32.RoundToIntegral((uint)y, c.Rounding, false, ref c));

    [HostFact] public void RoundToIntegral64_CurrentMode_MatchesRoundsd() => Compare64(
        a => a.roundsd(xmm0, xmm1, 4), (ulong x, ulong y, ref FloatContext c) => Float64.RoundToIntegral(y, c.Rounding, false, ref c));

    [HostFact] public void RoundToIntegral64_UpAndSuppressed_MatchesRoundsd() => Compare64(
        a => a.roundsd(xmm0, xmm1, 10), (ulong x, ulong y, ref FloatContext c) => Float64.RoundToIntegral(y, RoundingMode.Up, true, ref c));

    [FmaFact] public void FusedMultiplyAdd32_RandomOperands_MatchesVfmadd213ss() =>
        CompareFused(a => a.vfmadd213ss(xmm0, xmm1, xmm2), false, [1, 0, 2]);

    [FmaFact] public void FusedMultiplyAdd64_RandomOperands_MatchesVfmadd213sd() =>
        CompareFused(a => a.vfmadd213sd(xmm0, xmm1, xmm2), true, [1, 0, 2]);

    [HostFact]
    public void ToInteger_RandomOperands_MatchesConversions()
    {
        CompareInteger(
            a => a.cvtss2si(eax, xmm1), false, (ulong v, ulong _, ref FloatContext c) => (uint)Float32.ToInt32((uint)v, c.Rounding, ref c));
        CompareInteger(
            a => a.cvtss2si(rax, xmm1), false,
            (ulong v, ulong _, ref FloatContext c) => (ulong)Float32.ToInt64((uint)v, c.Rounding, ref c));
        CompareInteger(
            a => a.cvttsd2si(eax, xmm1), true,
            (ulong v, ulong _, ref FloatContext c) => (uint)Float64.ToInt32(v, RoundingMode.TowardZero, ref c));
        CompareInteger(
            a => a.cvtsd2si(eax, xmm1), true, (ulong v, ulong _, ref FloatContext c) => (uint)Float64.ToInt32(v, c.Rounding, ref c));
        CompareInteger(
            a => a.cvtsd2si(rax, xmm1), true, (ulong v, ulong _, ref FloatContext c) => (ulong)Float64.ToInt64(v, c.Rounding, ref c));
    }

    [HostFact]
    public void FromInteger_RandomOperands_MatchesConversions()
    {
        Run(
            a => a.cvtsi2ss(xmm0, rax), 1, (host, o) => host.Gprs[0] = (ulong)o.NextInteger(),
            (HostInstruction h, ref FloatContext c) => Float32.FromInt64((long)h.Gprs[0], ref c));
        Run(
            a => a.cvtsi2ss(xmm0, eax), 2, (host, o) => host.Gprs[0] = (ulong)o.NextInteger(),
            (HostInstruction h, ref FloatContext c) => Float32.FromInt32((int)h.Gprs[0], ref c));
        Run(
            a => a.cvtsi2sd(xmm0, rax), 3, (host, o) => host.Gprs[0] = (ulong)o.NextInteger(),
            (HostInstruction h, ref FloatContext c) => Float64.FromInt64((long)h.Gprs[0], ref c));
    }

    [HostFact]
    public void Compare_RandomOperands_MatchesComisAndUcomis()
    {
        CompareOrder(a => a.comiss(xmm0, xmm1), false, true);
        CompareOrder(a => a.ucomiss(xmm0, xmm1), false, false);
        CompareOrder(a => a.comisd(xmm0, xmm1), true, true);
        CompareOrder(a => a.ucomisd(xmm0, xmm1), true, false);
    }

    private delegate ulong Model(HostInstruction host, ref FloatContext c);

    private static void Compare32(Action<Assembler> instruction, Operation operation, bool wide = false) => Run(
        instruction,
        32,
        (host, operands) =>
        {
            host.Xmm(0) = operands.Next32();
            host.Xmm(1) = operands.Near32((uint)host.Xmm(0));
        },
        (HostInstruction host, ref FloatContext c) => operation(host.Xmm(0), host.Xmm(1), ref c));

    private static void Compare64(Action<Assembler> instruction, Operation operation) => Run(
        instruction,
        64,
        (host, operands) =>
        {
            host.Xmm(0) = operands.Next64();
            host.Xmm(1) = operands.Near64(host.Xmm(0));
        },
        (HostInstruction host, ref FloatContext c) => operation(host.Xmm(0), host.Xmm(1), ref c));

    private static void CompareInteger(Action<Assembler> instruction, bool wide, Operation operation) => Run(
        instruction,
        65,
        (host, operands) =>
        {
            host.Gprs[0] = 0;
            host.Xmm(1) = wide ? operands.Next64() : operands.Next32();
        },
        (HostInstruction host, ref FloatContext c) => operation(host.Xmm(1), 0, ref c),
        host => host.Gprs[0]);

    private static void CompareOrder(Action<Assembler> instruction, bool wide, bool signaling) => Run(
        instruction,
        66,
        (host, operands) =>
        {
            host.Xmm(0) = wide ? operands.Next64() : operands.Next32();
            host.Xmm(1) = operands.Random.Next(4) == 0
                ? host.Xmm(0)
                : wide
                ? operands.Near64(host.Xmm(0))
                : operands.Near32((uint)host.Xmm(0));
        },
        (HostInstruction host, ref FloatContext c) =>
        {
            FloatRelation relation = wide
                ? Float64.Compare(host.Xmm(0), host.Xmm(1), signaling, ref c)
                : Float32.Compare((uint)host.Xmm(0), (uint)host.Xmm(1), signaling, ref c);
            return relation switch { FloatRelation.Unordered => 0x45, FloatRelation.Less => 1, FloatRelation.Equal => 0x40, _ => 0UL };
        },
        host => host.Rflags & 0x45);

    private static void CompareFused(Action<Assembler> instruction, bool wide, int[] order)
    {
        Run(
            instruction,
            67,
            (host, operands) =>
            {
                host.Xmm(0) = wide ? operands.Next64() : operands.Next32();
                host.Xmm(1) = wide ? operands.Near64(host.Xmm(0)) : operands.Near32((uint)host.Xmm(0));
                host.Xmm(2) = wide ? operands.Next64() : operands.Next32();
                if (operands.Random.Next(3) == 0)
                {
                    // An addend close to the product, for cancellation.
                    FloatContext exact = FloatContext.FromMxcsr(0x1F80);
                    host.Xmm(2) = wide
                        ? Float64.Mul(host.Xmm(0), host.Xmm(1), ref exact) ^ ((ulong)operands.Random.Next(2) << 63)
                        : Float32.Mul((uint)host.Xmm(0), (uint)host.Xmm(1), ref exact) ^ ((uint)operands.Random.Next(2) << 31);
                }
            },
            (HostInstruction h, ref FloatContext c) => wide
                ? Float64.FusedMultiplyAdd(h.Xmm(order[0]), h.Xmm(order[1]), h.Xmm(order[2]), ref c)
                : Float32.FusedMultiplyAdd((uint)h.Xmm(order[0]), (uint)h.Xmm(order[1]), (uint)h.Xmm(order[2]), ref c));
    }

    private static void Run(
        Action<Assembler> instruction, int seed, Action<HostInstruction, FloatOperands> arrange, Model model, Func<HostInstruction,
        ulong>? result = null)
    {
        using HostInstruction host = new(instruction);
        FloatOperands operands = new(seed);
        List<string> failures = [];
        for (int i = 0; i < Rounds && failures.Count < 10; i++)
        {
            arrange(host, operands);
            host.Mxcsr = operands.NextMxcsr();
            host.Rflags = 0x202;
            FloatContext context = FloatContext.FromMxcsr(host.Mxcsr);
            string inputs = $"{host.Xmm(0):X16} {host.Xmm(1):X16} {host.Xmm(2):X16} rax={host.Gprs[0]:X} mxcsr={host.Mxcsr:X4}";
            ulong expected = model(host, ref context);
            host.Run();
            ulong actual = result == null ? host.Xmm(0) : result(host);
            FloatExceptions flags = (FloatExceptions)(host.Mxcsr & 0x3F);
            if (actual != expected || flags != context.Raised)
            {
                failures.Add($"{inputs}: host {actual:X16} {flags}, ours {expected:X16} {context.Raised}");
            }
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }
}
