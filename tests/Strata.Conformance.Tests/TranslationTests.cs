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
        using SystemMachine machine = Create(cpl, new TranslatorOptions { IsOnlyProcessor = isOnlyProcessor, Trace = new TranslationTrace(trace) });
        ulong data = cpl == 0 ? SystemMachine.Data : SystemMachine.UserData;
        machine.Quad(data) = 41;
        machine.State.Gprs[Gpr.Rbx] = data;

        machine.Start(a => a.@lock.add(__qword_ptr[rbx], 1));

        Assert.Equal(42UL, machine.Quad(data));
        Assert.Equal(isKept, HostCode(trace).Contains("lock add", StringComparison.Ordinal));
    }

    [Fact]
    public void Lock_OnTheStack_IsAFenceAndKept()
    {
        using StringWriter trace = new();
        using SystemMachine machine = Create(cpl: 3, new TranslatorOptions { IsOnlyProcessor = true, Trace = new TranslationTrace(trace) });

        machine.Start(a => a.@lock.or(__dword_ptr[rsp - 8], 0));

        Assert.Contains("lock or", HostCode(trace), StringComparison.Ordinal);
    }

    /// <summary>MOV EAX, imm32 with two bytes of the number in the next page, which is replaced by another one.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Instruction_CrossesIntoAPageThatIsMappedAnew_ExecutesTheNewBytes(bool linked)
    {
        using SystemMachine machine = Create(cpl: 0, new TranslatorOptions());
        const ulong crossing = SystemMachine.Code + Page - 3;
        const ulong other = SystemMachine.Data + Page;
        ulong start = linked ? crossing - 2 : crossing; // a jump in front is linked to the block
        machine.PlaceBytes(crossing - 2, [0xEB, 0x00, 0xB8, 0x11, 0x22, 0x33, 0x44, 0xF4]);
        machine.PlaceBytes(other, [0x55, 0x66, 0xF4]);
        uint before = Run(machine, start);

        machine.ChangePte(SystemMachine.Code + Page, set: other, clear: SystemMachine.Code + Page);
        machine.Cpu.Tlb.FlushPage(SystemMachine.Code + Page);
        uint after = Run(machine, start);

        Assert.Equal((0x4433_2211U, 0x6655_2211U), (before, after));
    }

    private static uint Run(SystemMachine machine, ulong start)
    {
        machine.State.Rip = start;
        machine.State.Activity = ActivityState.Running;
        machine.Cpu.SetState(machine.State);
        VcpuStop stop = machine.Engine.Run(1000);
        Assert.Equal(VcpuStop.Halted, stop);
        return (uint)machine.Cpu.State.Gprs[Gpr.Rax];
    }

    private static string HostCode(StringWriter trace) =>
        string.Join('\n', trace.ToString().Split('\n').Where(line => line.StartsWith("  host", StringComparison.Ordinal)));

    private static SystemMachine Create(int cpl, TranslatorOptions options) =>
        new(GuestMode.Long, cpl, createEngine: wiring => new Translator(wiring, options));
}
