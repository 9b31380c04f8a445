using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Interpreter.Tests.Harness;
using Code = Iced.Intel.Code;

namespace Strata.X86.Interpreter.Tests.Integer;

/// <summary>Adjusts registers or memory before one execution.</summary>
/// <returns>The exception vector to expect, <see cref="HostDifference.NoFault"/> or <see cref="HostDifference.Skip"/>.</returns>
internal delegate int Arrangement(Trial trial);

/// <summary>Runs instructions with random operands on host and interpreter and collects the differences.</summary>
internal sealed class HostDifference : IDisposable
{
    public const int NoFault = -1;

    /// <summary>Returned by an <see cref="Arrangement"/> whose instruction has no defined outcome.</summary>
    public const int Skip = -2;

    private const int MaximumFailures = 6;
    private const ulong CodeBytes = 0x10000;
    private readonly GuestProcessor _guest = new();
    private readonly List<string> _failures = [];
    private ulong _at = GuestProcessor.Code;

    public HostDifference(int seed) => Operands = new IntegerOperands(seed);

    public IntegerOperands Operands { get; }

    /// <summary>Runs <paramref name="instances"/> encodings of a form, each <paramref name="rounds"/> times.</summary>
    public static void AssertNone(Code code, OperandForm form, int instances = 8, int rounds = 32, Arrangement? arrange = null)
    {
        using HostDifference difference = new((int)code);
        for (int i = 0; i < instances; i++)
        {
            difference.Run(InstructionForms.Build(code, form, difference.Operands.Random), rounds, arrange);
        }

        difference.AssertNone();
    }

    public void Run(in Instruction instruction, int rounds, Arrangement? arrange = null)
    {
        using ProcessorPair pair = Pair(InstructionForms.Encode(instruction));
        Operands.Random.NextBytes(pair.MemoryBytes);
        for (int i = 0; i < rounds && _failures.Count < MaximumFailures; i++)
        {
            Trial trial = new(instruction, pair, Operands);
            int vector = arrange?.Invoke(trial) ?? NoFault;
            if (vector == Skip)
            {
                continue;
            }

            string difference = vector == NoFault ? pair.Run(UndefinedFlags.After(instruction, trial.Cl)) : pair.RunFault(vector);
            if (difference.Length != 0)
            {
                Report(trial.Describe(), difference);
            }
        }
    }

    /// <summary>Code for both, at a fresh guest address.</summary>
    public ProcessorPair Pair(ReadOnlySpan<byte> code)
    {
        _at = _at + 1024 < GuestProcessor.Code + CodeBytes ? _at + (ulong)((code.Length + 32) & ~15) : GuestProcessor.Code;
        return new ProcessorPair(_guest, code, _at);
    }

    public void Report(string inputs, string difference)
    {
        if (_failures.Count < MaximumFailures)
        {
            _failures.Add($"{inputs}\n    {difference}");
        }
    }

    public void AssertNone() => Assert.True(_failures.Count == 0, string.Join('\n', _failures));

    public void Dispose() => _guest.Dispose();
}
