using Iced.Intel;
using Strata.Core.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using Strata.X86.Translator.Tracing;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>Choices of the translator that results do not show, and states in which a translation must not be used any more.</summary>
public sealed unsafe class TranslationTests
{
    private const ulong Page = 0x1000;

    [Theory]
    [InlineData(3, true, false)]
    [InlineData(3, false, true)]
    [InlineData(0, true, true)]
    public void Lock_OnData_IsKeptUnlessOneProcessorRunsUserCode(int cpl, bool isOnlyProcessor, bool isKept)
    {
        using StringWriter trace = new();
        using SystemMachine machine = Create(
            cpl, new TranslatorOptions { IsOnlyProcessor = isOnlyProcessor, Trace = new TranslationTrace(trace) });
        ulong data = cpl == 0 ? SystemMachine.Data : SystemMachine.UserData;
        machine.Quad(data) = 41;
        machine.State.Gprs[Gpr.Rbx] = data;

        machine.Start(a => a.@lock.add(__qword_ptr[rbx], 1));

        Assert.Equal(42UL, machine.Quad(data));
        Assert.Equal(isKept, HostCode(trace).Contains("lock add", StringComparison.Ordinal));
    }

    /// <summary>The kernel runs the very code of a user program, at the same address.</summary>
    [Fact]
    public void Lock_UserCodeExecutedByTheKernel_IsKeptThere()
    {
        using StringWriter trace = new();
        using SystemMachine machine = Create(cpl: 3, new TranslatorOptions { IsOnlyProcessor = true, Trace = new TranslationTrace(trace) });
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.UserData;
        machine.Start(a => a.@lock.add(__qword_ptr[rbx], 1));
        string byUser = HostCode(trace);

        machine.Cpu.Context->State.Rip = machine.Entry; // still in the handler of HLT's fault, at CPL 0
        machine.Cpu.Context->State.Activity = ActivityState.Running;
        machine.Engine.Run(1000);

        Assert.DoesNotContain("lock add", byUser, StringComparison.Ordinal);
        Assert.Contains("lock add", HostCode(trace), StringComparison.Ordinal);
    }

    [Fact]
    public void Lock_OnTheStack_IsAFenceAndKept()
    {
        using StringWriter trace = new();
        using SystemMachine machine = Create(cpl: 3, new TranslatorOptions { IsOnlyProcessor = true, Trace = new TranslationTrace(trace) });

        machine.Start(a => a.@lock.or(__dword_ptr[rsp - 8], 0));

        Assert.Contains("lock or", HostCode(trace), StringComparison.Ordinal);
    }

    /// <summary>
    /// JMP rel32 with the upper half of its distance in the next page, which is replaced by another one; nothing else is executed
    /// in that page.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Instruction_CrossesIntoAPageThatIsMappedAnew_ExecutesTheNewBytes(bool linked)
    {
        using SystemMachine machine = Create(cpl: 0, new TranslatorOptions());
        const ulong crossing = SystemMachine.Code + Page - 3;
        const ulong back = crossing + 5 - 0x100;
        const ulong ahead = crossing + 5 + 0xFF00;
        const ulong other = SystemMachine.UserData;
        machine.PlaceBytes(crossing - 2, [0xEB, 0x00, 0xE9, 0x00, 0xFF, 0xFF, 0xFF]);
        machine.PlaceBytes(other, [0x00, 0x00]);
        machine.PlaceBytes(back, [0xF4]);
        machine.PlaceBytes(ahead, [0xF4]);
        ulong start = linked ? crossing - 2 : crossing; // a jump in front is linked to the block
        machine.Cpu.SetState(machine.State);
        ulong before = Run(machine, start);

        machine.ChangePte(SystemMachine.Code + Page, set: other, clear: SystemMachine.Code + Page);
        machine.Cpu.Tlb.FlushPage(SystemMachine.Code + Page);
        ulong after = Run(machine, start);

        Assert.Equal((back + 1, ahead + 1), (before, after));
    }

    /// <summary>As a library is by several processes.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(0x1F0)] // the instruction behind the call lies across the page's end
    public void Page_MappedAtSeveralAddresses_HasOneTranslationForAllButTheFirst(ulong offset)
    {
        using StringWriter trace = new();
        using SystemMachine machine = Create(cpl: 0, new TranslatorOptions { Trace = new TranslationTrace(trace) });
        ulong[] places = [
            SystemMachine.Code, SystemMachine.UserData, SystemMachine.UserData + (4 * Page), SystemMachine.UserData + (2 * Page)];
        ulong start = SystemMachine.Code + 0xE00 + offset;
        machine.Place(start, a =>
        {
            Label next = a.CreateLabel();
            a.lea(rsi, __[next]);
            a.call(next);
            a.Label(ref next);
            a.pop(rdi);
            a.mov(rax, __qword_ptr[next]);
            a.jmp(start + 0x200);
        });
        machine.Place(start + 0x200, a => a.hlt());
        foreach (ulong place in places[1..])
        {
            MapTwo(machine, place, SystemMachine.Code);
        }

        machine.Cpu.SetState(machine.State);
        List<(ulong Rip, ulong Next, ulong Returned, ulong Loaded, int Blocks)> seen = [];
        foreach (ulong place in places)
        {
            ulong slide = place - SystemMachine.Code;
            ulong rip = Run(machine, start + slide);
            ReadOnlySpan<ulong> gprs = new(machine.Cpu.Context->State.Gprs, Gpr.None);
            seen.Add((rip - slide, gprs[Gpr.Rsi] - slide, gprs[Gpr.Rdi] - slide, gprs[Gpr.Rax], Blocks(trace)));
        }

        Assert.All(
            seen,
            one => Assert.Equal((seen[0].Rip, seen[0].Next, seen[0].Next, seen[0].Loaded), (one.Rip, one.Next, one.Returned, one.Loaded)));
        Assert.Equal(start + 0x201, seen[0].Rip);
        Assert.Equal([2 * seen[0].Blocks, 2 * seen[0].Blocks, 2 * seen[0].Blocks], seen[1..].Select(one => one.Blocks));
    }

    private static int Blocks(StringWriter trace) =>
        trace.ToString().Split('\n').Count(line => line.StartsWith("block ", StringComparison.Ordinal));

    /// <summary>Maps two pages that lie at another place here too.</summary>
    private static void MapTwo(SystemMachine machine, ulong va, ulong place)
    {
        machine.ChangePte(va, set: place, clear: va);
        machine.ChangePte(va + Page, set: place + Page, clear: va + Page);
        machine.Cpu.Tlb.FlushPage(va);
        machine.Cpu.Tlb.FlushPage(va + Page);
    }

    /// <returns>RIP behind the HLT.</returns>
    private static ulong Run(SystemMachine machine, ulong start)
    {
        // Not by SetState, which would forget all translations.
        machine.Cpu.Context->State.Rip = start;
        machine.Cpu.Context->State.Activity = ActivityState.Running;
        VcpuStop stop = machine.Engine.Run(1000);
        Assert.Equal(VcpuStop.Halted, stop);
        return machine.Cpu.State.Rip;
    }

    private static string HostCode(StringWriter trace) =>
        string.Join('\n', trace.ToString().Split('\n').Where(line => line.StartsWith("  host", StringComparison.Ordinal)));

    private static SystemMachine Create(int cpl, TranslatorOptions options) =>
        new(GuestMode.Long, cpl, createEngine: wiring => new Translator(wiring, options));
}
