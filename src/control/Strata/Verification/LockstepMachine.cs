using System.Text;
using Strata.Core.Execution;
using Strata.Devices.Serial;
using Strata.Machines.Boards;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.Verification;

/// <summary>
/// A complete machine whose processors run an exact number of instructions at a time and whose time stands still meanwhile.
/// One thread.
/// </summary>
internal sealed class LockstepMachine : ISerialBackend, IDisposable
{
    private static readonly DateTime StartTime = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly DeterministicOptions _deterministic;
    private readonly StringBuilder _line = new();
    private readonly Action<ReadOnlyMemory<byte>>? _output;

    /// <summary>The byte that began a control sequence, or its introducer; 0 outside of one.</summary>
    private byte _sequence;

    public LockstepMachine(
        VerificationSpec spec, GuestFiles files, Func<X86CpuWiring, IX86Engine> createEngine, Action<ReadOnlyMemory<byte>>? output)
    {
        _output = output;
        _deterministic = new DeterministicOptions(spec.Seed) { CreateEngine = createEngine };
        Board = new PcBoard(new PcBoardOptions
        {
            MemorySize = spec.Memory,
            Processors = spec.Processors,
            CpuModel = CpuModel.Host,
            Deterministic = _deterministic,
            Serial = this,
            StartTime = StartTime,
            EndsOnReset = _ => true,
            Kernel = files.Kernel,
            KernelName = spec.Kernel,
            Initrd = files.Initrd,
            InitrdName = spec.Initrd ?? "initrd",
            Modules = files.Modules,
            CommandLine = spec.CommandLine,
        });
        Engines = Board.Engines;
    }

    public PcBoard Board { get; }

    public IReadOnlyList<IX86Engine> Engines { get; }

    /// <summary>Nanoseconds of the machine's time.</summary>
    public long Now => _deterministic.Clock.Now;

    /// <summary>When the next timer is due, or null.</summary>
    public long? NextDeadline => _deterministic.Clock.NextDeadline;

    /// <summary>Bytes printed so far, and a hash of them all.</summary>
    public long Printed { get; private set; }

    public ulong PrintedHash { get; private set; } = 0xCBF2_9CE4_8422_2325;

    /// <summary>How the machine ended, or null.</summary>
    public MachineExit? Exit => Board.Exit.IsCompleted ? MachineExit.Of(Board.Exit.GetAwaiter().GetResult()) : null;

    /// <summary>Runs a processor for exactly so many instructions, unless it halts or the machine ends.</summary>
    /// <returns>Instructions executed.</returns>
    public long Run(int processor, long instructions, out VcpuStop stop)
    {
        IX86Engine engine = Engines[processor];
        long start = engine.InstructionsExecuted;
        do
        {
            stop = engine.Run(instructions - (engine.InstructionsExecuted - start));
        }
        while (stop == VcpuStop.Kicked && engine.InstructionsExecuted - start < instructions && !Board.Exit.IsCompleted);

        return engine.InstructionsExecuted - start;
    }

    public void GetState(int processor, out X86CpuState state) => Engines[processor].Cpu.GetState(out state);

    /// <summary>Lets time pass; what becomes due acts now.</summary>
    public void Advance(long nanoseconds) => _deterministic.Clock.Advance(nanoseconds);

    /// <summary>Types at the serial port.</summary>
    /// <returns>Bytes taken.</returns>
    public int Type(ReadOnlySpan<byte> bytes) => Board.WriteSerial(bytes);

    /// <summary>Whether the last line printed ends with a text; forgets the line if so.</summary>
    public bool TakePrompt(string prompt)
    {
        bool found = _line.Length >= prompt.Length && _line.ToString().EndsWith(prompt, StringComparison.Ordinal);
        if (found)
        {
            _line.Clear();
        }

        return found;
    }

    public void Dispose() => Board.Dispose();

    void ISerialBackend.Write(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            PrintedHash = (PrintedHash ^ b) * 0x100_0000_01B3;
            if (b == '\n')
            {
                _line.Clear();
            }
            else if (!IsControl(b) && _line.Length < 4096)
            {
                _line.Append((char)b);
            }
        }

        Printed += bytes.Length;
        _output?.Invoke(bytes.ToArray());
    }

    /// <summary>Whether a byte belongs to a control sequence for the terminal (ECMA-48), such as a shell sends behind its prompt.</summary>
    private bool IsControl(byte b)
    {
        const byte escape = 0x1B;
        bool belongs = b == escape || _sequence != 0;
        _sequence = b == escape ? b : _sequence == escape && b == '[' ? b : b is >= 0x20 and < 0x40 ? _sequence : (byte)0;
        return belongs;
    }
}
