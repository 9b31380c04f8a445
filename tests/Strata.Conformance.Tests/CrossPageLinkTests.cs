using Iced.Intel;
using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>Direct branches that lead to another page are linked, and go where the page is now.</summary>
public sealed unsafe class CrossPageLinkTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong Target = SystemMachine.Data + 0x20;
    private const ulong Rounds = 1000;

    private readonly Translator _engine;
    private readonly SystemMachine _machine;

    public CrossPageLinkTests()
    {
        Translator? engine = null;
        _machine = new SystemMachine(
            GuestMode.Long, cpl: 0, createEngine: wiring => engine = new Translator(wiring, new TranslatorOptions()));
        _engine = engine!;
        PlaceRoutine(Target, 1);
        PlaceRoutine(Target + Page, 100);
        _machine.State.Gprs[Gpr.Rax] = 0;
        _machine.State.Gprs[Gpr.Rbx] = Target;
        _machine.State.Gprs[Gpr.Rcx] = Rounds;
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Calls_OfAnotherPage_StayInTranslatedCode()
    {
        _machine.Start(EmitCalls);

        Assert.Equal(Rounds, _machine.State.Gprs[Gpr.Rax]);
        Assert.InRange(_engine.Counters.Dispatches, 0, 20);
        Assert.InRange(_engine.Counters.CrossLinks, 1, 20);
    }

    [Fact]
    public void Calls_TargetIsWrittenTo_ExecuteWhatIsThere()
    {
        _machine.Start(a =>
        {
            EmitCalls(a);
            a.mov(__byte_ptr[rbx + 2], 7); // add eax, imm8
            a.mov(rcx, Rounds);
            EmitCalls(a);
        });

        Assert.Equal(Rounds * (1 + 7), _machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void Calls_TargetIsMappedElsewhereAndBack_ExecuteWhatIsThere()
    {
        const ulong page = Target & ~(Page - 1);
        _machine.Start(EmitCalls);

        ulong first = RunAgain();
        _machine.ChangePte(page, set: page + Page, clear: page);
        _machine.Cpu.Tlb.FlushPage(page);
        ulong elsewhere = RunAgain();
        _machine.ChangePte(page, set: page, clear: page + Page);
        _machine.Cpu.Tlb.FlushPage(page);
        ulong back = RunAgain();

        Assert.Equal((Rounds, 100 * Rounds, Rounds), (first, elsewhere, back));
    }

    /// <summary>As a kernel flushes it after a large munmap: links and jumps stay, unless code is elsewhere by then.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void UserCode_AddressSpaceIsFlushed_IsLookedForAgainOnlyIfItIsElsewhere(bool isElsewhere)
    {
        const ulong routine = SystemMachine.UserData + 0x20;
        const ulong page = routine & ~(Page - 1);
        using SystemMachine machine = new(
            GuestMode.Long, cpl: 3, createEngine: wiring => new Translator(wiring, new TranslatorOptions { CountInstructions = true }));
        machine.PlaceBytes(routine, [0x83, 0xC0, 1, 0xC3]); // add eax, 1; ret
        machine.PlaceBytes(routine + Page, [0x83, 0xC0, 100, 0xC3]);
        machine.Place(machine.Entry, a =>
        {
            Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.call(routine);
            a.jmp(loop);
        });
        machine.Cpu.SetState(machine.State);
        machine.Cpu.Context->State.Rip = machine.Entry;
        machine.Engine.Run(4 * (long)Rounds);
        ulong epoch = machine.Cpu.Tlb.UserCodeEpoch;

        if (isElsewhere)
        {
            machine.ChangePte(page, set: page + Page, clear: page);
        }

        machine.Cpu.Tlb.SwitchTo(0, flush: true);
        machine.Cpu.Context->State.Gprs[Gpr.Rax] = 0;
        machine.Engine.Run(4 * (long)Rounds);

        Assert.Equal(isElsewhere ? 100 * Rounds : Rounds, machine.Cpu.Context->State.Gprs[Gpr.Rax]);
        Assert.Equal(!isElsewhere, epoch == machine.Cpu.Tlb.UserCodeEpoch);
    }

    /// <summary>What needs a closer look is no answer: not present, the kernel's, no code, not yet accessed.</summary>
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 4)]
    [InlineData(1UL << 63, 0)]
    [InlineData(0, 0x20)]
    public void StillLead_EntryWithoutRights_IsFalse(ulong set, ulong clear)
    {
        const ulong page = SystemMachine.UserData;
        using SystemMachine machine = new(
            GuestMode.Long, cpl: 3, createEngine: wiring => new Translator(wiring, new TranslatorOptions()));
        machine.Start(a => a.mov(rax, __qword_ptr[page])); // which is accessed by that
        nint host = (nint)machine.Memory.Base + (nint)page;
        KeyValuePair<ulong, nint>[] pages = [new(page, host)];
        KeyValuePair<ulong, nint>[] others = [new(page, host + (nint)Page)];

        bool before = Lead(machine, pages);
        bool elsewhere = Lead(machine, others);
        machine.ChangePte(page, set, clear);

        Assert.Equal((true, false, false), (before, elsewhere, Lead(machine, pages)));
    }

    private static bool Lead(SystemMachine machine, KeyValuePair<ulong, nint>[] pages) =>
        PageWalker.StillLead(in machine.Cpu.Context->State, machine.Cpu.Memory, pages);

    private ulong RunAgain()
    {
        ref X86CpuState state = ref _machine.Cpu.Context->State;
        state.Gprs[Gpr.Rax] = 0;
        state.Gprs[Gpr.Rcx] = Rounds;
        state.Rip = _machine.Entry;
        state.Activity = ActivityState.Running;
        Assert.Equal(VcpuStop.Halted, _machine.Engine.Run(1_000_000));
        return _machine.Cpu.Context->State.Gprs[Gpr.Rax];
    }

    private static void EmitCalls(Assembler a)
    {
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        a.call(Target);
        a.dec(rcx);
        a.jnz(loop);
    }

    private void PlaceRoutine(ulong at, byte amount) => _machine.PlaceBytes(at, [0x83, 0xC0, amount, 0xC3]); // add eax, imm8; ret
}
