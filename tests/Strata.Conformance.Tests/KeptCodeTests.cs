using Iced.Intel;
using Strata.Conformance.Tests.Programs;
using Strata.Conformance.Tests.Running;
using Strata.Core.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using Xunit.Abstractions;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>A translator that takes over what another one has translated does what it would do by itself.</summary>
public sealed class KeptCodeTests(ITestOutputHelper output) : IDisposable
{
    private const int Programs = 80;
    private readonly MemoryKeptCode _kept = new();
    private readonly List<SystemMachine> _machines = [];

    public static TheoryData<GuestMode, int, GuestPaging, bool> Settings => new()
    {
        { GuestMode.Long, 0, GuestPaging.FourLevel, false },
        { GuestMode.Long, 3, GuestPaging.FourLevel, false },
        { GuestMode.Long, 3, GuestPaging.FourLevel, true },
        { GuestMode.Compatibility, 3, GuestPaging.FourLevel, false },
        { GuestMode.Protected32, 0, GuestPaging.Off, false },
        { GuestMode.Protected32, 3, GuestPaging.Pae, true },
    };

    public void Dispose() => _machines.ForEach(machine => machine.Dispose());

    [Theory]
    [MemberData(nameof(Settings))]
    public void Translator_WithKeptCodeOfARandomProgram_AgreesWithInterpreter(GuestMode mode, int cpl, GuestPaging paging, bool relative)
    {
        GuestSetting setting = new(mode, cpl, paging);
        TranslatorOptions options = new()
        {
            ExactFlags = true,
            CountInstructions = true,
            IsOnlyProcessor = true,
            AlwaysRelative = relative,
        };
        Translator? subject = null;
        using ConformanceMachine recorder = new(setting, wiring => new Translator(wiring, options));
        using EnginePair pair = new(setting, wiring => subject = _kept.Create(wiring, options));
        List<string> reports = [];
        byte[] image = new byte[setting.ImageSize];
        for (int i = 0; i < Programs; i++)
        {
            GuestProgram program = new(setting, ((int)mode * 1_000_000) + 500_000 + i);
            recorder.Built.CopyTo(image);
            GuestImage surroundings = new(program);
            surroundings.Fill(image, recorder.Machine);
            recorder.Start(image, surroundings.Randomize(recorder.Initial));
            recorder.Run(program, ReferenceRun.LongestRun);
            _kept.Fill((Translator)recorder.Engine, recorder.Machine.Memory);
            if (pair.Run(program) is { } difference)
            {
                reports.Add($"seed {program.Seed}: {difference}");
            }
        }

        output.WriteLine($"{subject!.Counters.BlocksTakenOver} blocks taken over, {subject.Counters.Blocks} translated");
        Assert.True(reports.Count == 0, string.Join('\n', reports));
        Assert.True(subject.Counters.BlocksTakenOver > Programs, $"only {subject.Counters.BlocksTakenOver} blocks were taken over");
    }

    [Fact]
    public void Translator_WithKeptCode_TranslatesNothingOfIt()
    {
        SystemMachine first = Run(sum: 3);
        Keep(first);

        SystemMachine second = Run(sum: 3);

        TranslatorCounters counters = ((Translator)second.Engine).Counters;
        Assert.Equal((Rax(first), 0L), (Rax(second), counters.Links));
        Assert.Equal(((Translator)first.Engine).Counters.Blocks, counters.BlocksTakenOver);
        Assert.Equal(0, counters.Blocks);
    }

    [Fact]
    public void Translator_WithKeptCodeOfOtherBytes_ExecutesWhatIsThere()
    {
        SystemMachine first = Run(sum: 3);
        Keep(first);

        SystemMachine second = Run(sum: 5);

        Assert.Equal((30UL, 50UL, 0L), (Rax(first), Rax(second), ((Translator)second.Engine).Counters.BlocksTakenOver));
    }

    [Fact]
    public void Page_WrittenAfterItWasTakenOver_ExecutesTheNewBytes()
    {
        SystemMachine first = Run(sum: 3);
        Keep(first);
        SystemMachine second = Run(sum: 3);

        second.Place(second.Entry, a => Emit(a, sum: 7));
        second.State.Rip = second.Entry;
        second.Run();

        Assert.Equal(70UL, Rax(second));
    }

    /// <summary>Another translator's number of a site, or place of a stub, would lead elsewhere.</summary>
    [Fact]
    public void Translator_ThatHasTranslatedBefore_TakesOverBehindThat()
    {
        SystemMachine first = Run(sum: 3);
        Keep(first);
        SystemMachine second = Create();
        second.Place(SystemMachine.Code + 0x1000, a => a.mov(rcx, 1));
        second.State.Rip = SystemMachine.Code + 0x1000;
        second.Run();
        long before = ((Translator)second.Engine).Counters.Blocks;

        second.Place(second.Entry, a => Emit(a, sum: 3));
        second.State.Rip = second.Entry;
        second.Run();

        Assert.Equal((30UL, before), (Rax(second), ((Translator)second.Engine).Counters.Blocks));
    }

    [Fact]
    public void Record_CutOffAnywhere_IsRefusedOrWhole()
    {
        SystemMachine first = Run(sum: 3);
        Keep(first);
        int length = 0;
        _kept.Change = record =>
        {
            length = record.Length;
            return record;
        };
        Run(sum: 3);
        for (int cut = 0; cut < length; cut++)
        {
            _kept.Change = record => record[..cut];

            SystemMachine machine = Run(sum: 3);

            Assert.Equal(30UL, Rax(machine));
            machine.Dispose();
            _machines.Remove(machine);
        }
    }

    [Fact]
    public void CodeIdentity_OfOtherOptions_Differs()
    {
        TranslatorOptions options = new();

        Assert.Equal(Translator.IdentityOf(options).ToArray(), Translator.IdentityOf(new TranslatorOptions()).ToArray());
        Assert.NotEqual(Translator.IdentityOf(options).ToArray(), Translator.IdentityOf(options with { IsOnlyProcessor = true }).ToArray());
        Assert.NotEqual(
            Translator.IdentityOf(options).ToArray(), Translator.IdentityOf(options with { CountInstructions = true }).ToArray());
    }

    /// <summary>The page is not read while it is captured, and what the engine has dropped since is missing.</summary>
    [Fact]
    public void CaptureCode_PageIsWrittenBehindIt_LeavesItOut()
    {
        SystemMachine machine = Run(sum: 3);
        ICodeCapture capture = ((Translator)machine.Engine).CaptureCode(machine.Memory);
        int pages = capture.Pages.Count;

        machine.Place(machine.Entry, a => Emit(a, sum: 4));
        machine.State.Rip = machine.Entry;
        machine.Run();
        using MemoryStream stream = new();
        int written = Enumerable.Range(0, pages).Count(i => capture.Pages[i].Page == machine.Entry >> 12 && capture.TryWrite(i, stream));

        Assert.NotEqual(0, pages);
        Assert.Equal(0, written);
    }

    private static unsafe ulong Rax(SystemMachine machine) => machine.State.Gprs[Gpr.Rax];

    private void Keep(SystemMachine machine)
    {
        _kept.Fill((Translator)machine.Engine, machine.Memory);
        Assert.NotEqual(0, _kept.Pages);
    }

    private SystemMachine Create()
    {
        SystemMachine machine = new(GuestMode.Long, createEngine: wiring => _kept.Create(wiring, new TranslatorOptions()));
        _machines.Add(machine);
        return machine;
    }

    private SystemMachine Run(int sum)
    {
        SystemMachine machine = Create();
        machine.Start(a => Emit(a, sum));
        return machine;
    }

    /// <summary>Ten times the number: with calls, accesses that miss the TLB, a backward branch, and vectors.</summary>
    private static void Emit(Assembler a, int sum)
    {
        Label loop = a.CreateLabel();
        Label add = a.CreateLabel();
        a.xor(eax, eax);
        a.mov(ecx, 10);
        a.mov(rbx, SystemMachine.Data);
        a.mov(__qword_ptr[rbx], rax);
        a.Label(ref loop);
        a.call(add);
        a.dec(ecx);
        a.jnz(loop);
        a.movq(xmm1, rax);
        a.movq(rdx, xmm1);
        a.hlt();
        a.Label(ref add);
        a.add(__qword_ptr[rbx], sum);
        a.mov(rax, __qword_ptr[rbx]);
        a.ret();
    }
}
