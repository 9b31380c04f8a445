using Iced.Intel;
using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>Targets of calls that meet in one place of the jump table are all found, and forgotten when they change.</summary>
public sealed unsafe class JumpTableTests : IDisposable
{
    /// <summary>Addresses that differ by these bits have one place in the first table.</summary>
    private const ulong SamePlace = 0x20080;

    private const ulong OtherSamePlace = 0x40100;
    private const ulong First = SystemMachine.Data + 0x20;
    private const ulong Second = First ^ SamePlace;
    private const ulong Third = First ^ OtherSamePlace;
    private const ulong Rounds = 10_000;

    private readonly Translator _engine;
    private readonly SystemMachine _machine;

    public JumpTableTests()
    {
        Translator? engine = null;
        _machine = new SystemMachine(
            GuestMode.Long, cpl: 0, createEngine: wiring => engine = new Translator(wiring, new TranslatorOptions()));
        _engine = engine!;
        PlaceRoutine(First, 1);
        PlaceRoutine(Second, 10);
        PlaceRoutine(Third, 100);
        _machine.State.Gprs[Gpr.Rax] = 0;
        _machine.State.Gprs[Gpr.Rbx] = First;
        _machine.State.Gprs[Gpr.Rsi] = Second;
        _machine.State.Gprs[Gpr.Rdi] = Third;
        _machine.State.Gprs[Gpr.Rcx] = Rounds;
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Calls_OfTargetsInOnePlace_StayInTranslatedCode()
    {
        _machine.Start(EmitRounds);

        Assert.Equal(111 * Rounds, _machine.State.Gprs[Gpr.Rax]);
        Assert.InRange(_engine.Counters.SecondFinds, (long)Rounds, long.MaxValue);
        Assert.InRange(_engine.Counters.Dispatches, 1, 100);
    }

    /// <summary>Each routine's immediate is written to: none of them may go on as it was.</summary>
    [Fact]
    public void Calls_TargetsInOnePlaceAreWrittenTo_ExecuteWhatIsThere()
    {
        _machine.State.Gprs[Gpr.Rcx] = 2;
        _machine.Start(a =>
        {
            EmitRounds(a);
            foreach (AssemblerRegister64 target in (AssemblerRegister64[])[rbx, rsi, rdi])
            {
                a.add(__byte_ptr[target + 2], 1); // add eax, imm8
                a.call(target);
            }
        });

        Assert.Equal((2 * 111UL) + 2 + 11 + 101, _machine.State.Gprs[Gpr.Rax]);
    }

    /// <summary>The page of a target in the second table is another one from then on.</summary>
    [Fact]
    public void Call_TargetInSecondTableIsMappedElsewhere_ExecutesWhatIsThere()
    {
        const ulong page = Second & ~0xFFFUL;
        const ulong other = page + 0x1000;
        PlaceRoutine(Second + 0x1000, 55);
        _machine.State.Gprs[Gpr.Rcx] = 3;
        _machine.Start(EmitRounds);
        _machine.ChangePte(page, set: other, clear: page);
        _machine.Cpu.Tlb.FlushPage(page);

        ref X86CpuState state = ref _machine.Cpu.Context->State;
        state.Gprs[Gpr.Rax] = 0;
        state.Gprs[Gpr.Rcx] = 3;
        state.Rip = _machine.Entry;
        state.Activity = ActivityState.Running;
        VcpuStop stop = _machine.Engine.Run(10_000);

        Assert.Equal(VcpuStop.Halted, stop);
        Assert.Equal(3 * (1 + 55 + 100UL), _machine.Cpu.Context->State.Gprs[Gpr.Rax]);
    }

    /// <summary>One translation serves all addresses but the first, with more entries than it knows of.</summary>
    [Fact]
    public void Calls_PageWithManyAddressesIsWrittenTo_ExecuteWhatIsThere()
    {
        const ulong page = SystemMachine.Data & ~0xFFFUL;
        const int addresses = 6;
        for (ulong i = 1; i < addresses; i++)
        {
            _machine.ChangePte(page + (i * 0x1000), set: page, clear: page + (i * 0x1000));
        }

        _machine.Start(a =>
        {
            CallAll(a);
            a.mov(__byte_ptr[rbx + 2], 7); // add eax, imm8
            CallAll(a);
        });

        Assert.Equal((ulong)addresses * (1 + 7), _machine.State.Gprs[Gpr.Rax]);

        static void CallAll(Assembler a)
        {
            for (ulong i = 0; i < addresses; i++)
            {
                a.mov(rdx, First + (i * 0x1000));
                a.call(rdx);
            }
        }
    }

    private static void EmitRounds(Assembler a)
    {
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        a.call(rbx);
        a.call(rsi);
        a.call(rdi);
        a.dec(rcx);
        a.jnz(loop);
    }

    private void PlaceRoutine(ulong at, byte amount) => _machine.PlaceBytes(at, [0x83, 0xC0, amount, 0xC3]); // add eax, imm8; ret
}
