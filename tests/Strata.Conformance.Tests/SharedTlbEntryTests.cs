using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>
/// Two pages that share a TLB entry and are used in turn: they change places in translated code, and stay true to the tables.
/// </summary>
public sealed unsafe class SharedTlbEntryTests : IDisposable
{
    /// <summary>Distance of pages that share an entry; bytes.</summary>
    private const ulong Span = (ulong)Tlb.Entries << 12;

    private const ulong Page = 0x1000;
    private const ulong Here = SystemMachine.Data;

    private readonly SystemMachine _machine = new(
        GuestMode.Long, cpl: 0, createEngine: wiring => new Translator(wiring, new TranslatorOptions()));

    public SharedTlbEntryTests()
    {
        // The first 2 MiB once more where the TLB begins anew.
        const ulong directory = SystemMachine.Tables + 0x2000;
        _machine.Quad(directory + (Span >> 21 << 3)) = _machine.Quad(directory);
        _machine.State.Gprs[Gpr.Rbx] = Here;
        _machine.State.Gprs[Gpr.Rsi] = Span + Here;
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Loads_OfBothPagesInTurn_SeldomLeaveTranslatedCode()
    {
        _machine.Quad(Here) = 3;
        _machine.Quad(Here + 8) = 4;
        _machine.State.Gprs[Gpr.Rcx] = 100_000;
        _machine.State.Gprs[Gpr.Rax] = 0;

        _machine.Start(a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.add(rax, __qword_ptr[rbx]);
            a.add(rax, __qword_ptr[rsi + 8]);
            a.dec(rcx);
            a.jnz(loop);
        });

        Assert.Equal(700_000UL, _machine.State.Gprs[Gpr.Rax]);
        Assert.InRange(_machine.Cpu.Tlb.Fills, 1, 1000);
    }

    [Fact]
    public void Push_OfAnOperandThatSharesTheStacksEntry_Executes()
    {
        _machine.Quad(Here) = 0x1234;
        _machine.State.Gprs[Gpr.Rsp] = Here + 0x800;

        _machine.Start(a => a.push(__qword_ptr[rsi]));

        Assert.Equal(0x1234UL, _machine.Quad(Here + 0x7F8));
    }

    [Fact]
    public void Load_VictimWasMappedAnewAndFlushed_SeesTheNewPage()
    {
        _machine.Quad(Here) = 1;
        _machine.Quad(Here + Page) = 2;
        _machine.Place(_machine.Entry, a =>
        {
            a.mov(rax, __qword_ptr[rbx]);
            a.mov(rdx, __qword_ptr[rsi]); // displaces the other page
            a.hlt();
        });
        _machine.Cpu.SetState(_machine.State);
        Run();

        _machine.ChangePte(Here, set: Here + Page, clear: Here);
        _machine.Cpu.Tlb.FlushPage(Here);
        _machine.Cpu.Tlb.FlushPage(Span + Here);
        Run();

        Assert.Equal(2UL, _machine.Cpu.Context->State.Gprs[Gpr.Rax]);
        Assert.Equal(2UL, _machine.Cpu.Context->State.Gprs[Gpr.Rdx]);
    }

    /// <summary>The victim may write to a page; the page becomes code; the victim returns and writes to it.</summary>
    [Fact]
    public void Store_VictimLeadsToAPageThatBecameCode_ChangesTheCode()
    {
        const ulong routine = Here + 0x100;
        _machine.PlaceBytes(routine, [0xB8, 1, 0, 0, 0, 0xC3]); // mov eax, imm32; ret
        _machine.State.Gprs[Gpr.Rbp] = Here + (2 * Page); // the code page's other address, at which it is executed
        _machine.ChangePte(Here + (2 * Page), set: Here, clear: Here + (2 * Page));
        _machine.Place(_machine.Entry, a =>
        {
            a.mov(__byte_ptr[rbx + 0x101], 5); // may write from now on
            a.mov(rdx, __qword_ptr[rsi]);      // displaced
            a.lea(rdi, __qword_ptr[rbp + 0x100]);
            a.call(rdi);
            a.mov(esi, eax);
            a.mov(__byte_ptr[rbx + 0x101], 7); // returns
            a.call(rdi);
            a.hlt();
        });
        _machine.Cpu.SetState(_machine.State);

        Run();

        ref X86CpuState state = ref _machine.Cpu.Context->State;
        Assert.Equal((5UL, 7UL), (state.Gprs[Gpr.Rsi], state.Gprs[Gpr.Rax]));
    }

    /// <summary>Not by SetState, which would forget what the TLB holds.</summary>
    private void Run()
    {
        _machine.Cpu.Context->State.Rip = _machine.Entry;
        _machine.Cpu.Context->State.Activity = ActivityState.Running;
        Assert.Equal(VcpuStop.Halted, _machine.Engine.Run(10_000));
    }
}
