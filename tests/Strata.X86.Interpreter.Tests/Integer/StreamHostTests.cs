using Strata.X86.Tests.HostCpu;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>
/// Random sequences of instructions against the host: flags that one instruction leaves for another, partial registers,
/// fused comparisons and branches.
/// </summary>
public sealed unsafe class StreamHostTests
{
    private const int Streams = 100;
    private const int Rounds = 8;
    private const int Instructions = 20;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 20)];

    [HostTheory]
    [MemberData(nameof(Seeds))]
    public void Stream_RandomInstructions_MatchesHost(int seed)
    {
        using HostDifference difference = new(seed);
        for (int i = 0; i < Streams; i++)
        {
            InstructionStream stream = new(Instructions, difference.Operands.Random);
            using ProcessorPair pair = difference.Pair(stream.Code);
            for (int round = 0; round < Rounds; round++)
            {
                RunOne(difference, stream, pair);
            }
        }

        difference.AssertNone();
    }

    private static void RunOne(HostDifference difference, InstructionStream stream, ProcessorPair pair)
    {
        for (int i = 0; i < 16; i++)
        {
            pair.Gprs[i] = difference.Operands.Next();
        }

        pair.Rflags = difference.Operands.NextFlags();
        string result = pair.Run(stream.Undefined);
        if (result.Length != 0)
        {
            difference.Report($"{stream} | {pair.DescribeInputs(null)}", result);
        }
    }
}
