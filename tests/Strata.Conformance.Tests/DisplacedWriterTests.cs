using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>
/// A page is marked as code by another thread while a block that may write to it is under way. The block writes, and loses its right before
/// anybody asks for it: whoever has decoded the page has to hear of the write.
/// </summary>
public sealed unsafe class DisplacedWriterTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong MemorySize = 256UL << 20;

    /// <summary>Distance of pages that share a TLB entry, and a victim; bytes.</summary>
    private const ulong Span = (ulong)Tlb.Entries << 12;

    private readonly HookedClock _clock = new();
    private readonly SystemMachine _machine;
    private ulong _written = SystemMachine.Data;

    public DisplacedWriterTests() => _machine = new(
        GuestMode.Long, createEngine: wiring => new Translator(WithClock(wiring), new TranslatorOptions()), memorySize: MemorySize);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Write_RightDisplacedTwice_IsReported()
    {
        const ulong directory = SystemMachine.Tables + 0x2000;
        _machine.Quad(directory + (Span >> 21 << 3)) = _machine.Quad(directory); // the first 2 MiB where the TLB begins anew, twice
        _machine.Quad(directory + (Span >> 20 << 3)) = _machine.Quad(directory);
        _machine.State.Gprs[Gpr.Rsi] = _written + Span;
        _machine.State.Gprs[Gpr.Rdi] = _written + (2 * Span);

        Run(displacesByReading: true);

        Assert.False(_machine.Memory.HoldsCode(_written / Page));
    }

    /// <summary>Rights are noted in a hash table, in which another page takes the place.</summary>
    [Fact]
    public void Write_NoteTakenByAnotherPage_IsReported()
    {
        const ulong here = SystemMachine.Data + (32 * Page);
        ulong other = FindPageWithTheSameNote();
        _machine.ChangePte(here, other | 0x60, here); // accessed and dirty: translated code may fill the TLB itself
        _machine.State.Gprs[Gpr.Rsi] = here;

        Run(displacesByReading: false);

        Assert.False(_machine.Memory.HoldsCode(_written / Page));
    }

    [Fact]
    public void Write_BeforeThePageIsMarked_LeavesTheMark()
    {
        _machine.State.Gprs[Gpr.Rbx] = _written + Page;
        _clock.Hook = MarkElsewhere;

        _machine.Start(a =>
        {
            a.mov(__byte_ptr[rbx], 1);
            a.rdtsc();
            a.mov(__byte_ptr[rbx], 2);
        });

        Assert.True(_machine.Memory.HoldsCode(_written / Page));
    }

    private void Run(bool displacesByReading)
    {
        _machine.State.Gprs[Gpr.Rbx] = _written;
        _clock.Hook = MarkElsewhere;
        _machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rsi]);
            a.mov(__byte_ptr[rbx], 1);
            a.rdtsc();
            a.mov(__byte_ptr[rbx], 2);
            if (displacesByReading)
            {
                a.mov(rax, __qword_ptr[rsi]);
                a.mov(rax, __qword_ptr[rdi]);
            }
            else
            {
                a.mov(__byte_ptr[rsi], 3);
            }
        });
    }

    private X86CpuWiring WithClock(X86CpuWiring wiring) => new()
    {
        Index = wiring.Index,
        Memory = wiring.Memory,
        Ports = wiring.Ports,
        Clock = _clock,
        LocalApic = wiring.LocalApic,
        Random = wiring.Random,
    };

    /// <summary>What another processor does that is about to decode the page.</summary>
    private void MarkElsewhere()
    {
        Thread other = new(() => _machine.Memory.MarkCode(_written / Page));
        other.Start();
        other.Join();
    }

    /// <summary>Chooses the page that is written, too: where memory lies in the host decides which pages meet.</summary>
    private ulong FindPageWithTheSameNote()
    {
        for (; _written < SystemMachine.Data + (16 * Page); _written += Page)
        {
            int note = PageWriter.IndexOf(_machine.At(_written));
            for (ulong other = 16UL << 20; other < MemorySize; other += Page)
            {
                if (PageWriter.IndexOf(_machine.At(other)) == note)
                {
                    return other;
                }
            }
        }

        throw new InvalidOperationException("No two pages of the guest share a note: give it more memory.");
    }

    /// <summary>Time that stands still, and somebody who acts when it is looked at for the first time.</summary>
    private sealed class HookedClock : IVirtualClock
    {
        private readonly ManualClock _clock = new();

        public Action? Hook { get; set; }

        public long Now
        {
            get
            {
                Action? hook = Hook;
                Hook = null;
                hook?.Invoke();
                return _clock.Now;
            }
        }

        public IVirtualTimer CreateTimer(Action callback) => _clock.CreateTimer(callback);
    }
}
