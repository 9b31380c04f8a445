using System.Runtime.Intrinsics.X86;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Translator;

namespace Strata.X86.Direct;

/// <summary>
/// Executes kernel code by translation and user code on the CPU itself, in processes without privilege: see docs/direct.md. Threads: as
/// <see cref="IVcpu"/>.
/// </summary>
public sealed class DirectEngine : IX86Engine, ICodeKeeper
{
    private readonly Translator.Translator _translator;
    private readonly DirectUserCode? _userCode;

    /// <param name="cpu">The processor as another engine left it; not disposed with the engine.</param>
    /// <param name="machine">What the machine's processors have in common; not disposed with the engine.</param>
    /// <exception cref="PlatformNotSupportedException">The host cannot translate.</exception>
    public DirectEngine(X86Cpu cpu, DirectMachine machine)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        ArgumentNullException.ThrowIfNull(machine);
        _translator = new Translator.Translator(cpu, machine.Translation);
        if (machine.Host is not { } host)
        {
            Counters = new DirectCounters
            {
                Obstacle = "The machine was restored or cloned: its memory is private, and no other process can map it.",
            };
            return;
        }

        if (X86Base.IsSupported)
        {
            // Images that programs have saved directly name what the host has; they stay valid on every engine.
            (int low, _, _, int high) = X86Base.CpuId(0xD, 0);
            cpu.ForeignComponents |= (uint)low | ((ulong)(uint)high << 32);
        }

        _userCode = new DirectUserCode(_translator, machine.Ram, host, machine.Choice);
        Counters = _userCode.Counters;
        _translator.GiveUserCodeTo(_userCode);
        cpu.Tlb.FlushAll(); // what user code was translated through is met again
        cpu.Tlb.Follower = _userCode;
    }

    public int Index => _translator.Index;

    public X86Cpu Cpu => _translator.Cpu;

    public long InstructionsExecuted => _translator.InstructionsExecuted;

    /// <summary>What has been executed directly.</summary>
    public DirectCounters Counters { get; }

    public ReadOnlyMemory<byte> CodeIdentity => _translator.CodeIdentity;

    public ICodeCapture CaptureCode(GuestMemory memory) => _translator.CaptureCode(memory);

    public string DescribeCounters() => $"{Counters.Describe()}\n{_translator.DescribeCounters()}";

    public VcpuStop Run(long instructionBudget) => _translator.Run(instructionBudget);

    public void Kick() => _translator.Kick();

    public void Dispose()
    {
        if (_userCode is not null)
        {
            Cpu.Tlb.Follower = null;
            _translator.GiveUserCodeTo(null);
            _userCode.Dispose();
        }

        _translator.Dispose();
    }
}
