using Strata.Core.Execution;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>
/// Walks of the page tables in translated code: they serve what has its accessed and dirty bits already, and leave everything else
/// to the processor's model.
/// </summary>
public sealed unsafe class PageWalkTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong Writable = 0x02;
    private const ulong User = 0x04;
    private const ulong Accessed = 0x20;
    private const ulong Dirty = 0x40;
    private const ulong Large = 0x80;
    private const ulong Reserved = 1UL << 51;
    private const ulong Here = SystemMachine.Data;
    private const ulong Frame = 0xF_FFFF_FFFF_F000;

    private const ulong Directory = SystemMachine.Tables + 0x2000;

    /// <summary>A large page, and its entry.</summary>
    private const ulong LargePage = 0x40_0000;
    private const ulong LargeEntry = Directory + (LargePage >> 21 << 3);

    private readonly List<SystemMachine> _machines = [];

    public void Dispose() => _machines.ForEach(machine => machine.Dispose());

    [Fact]
    public void Load_PagesThatHaveBeenUsed_LeavesTranslatedCodeForNoneOfThem()
    {
        SystemMachine machine = Create();
        const int pages = 32;
        for (ulong i = 0; i < pages; i++)
        {
            machine.Quad(Here + (i * Page)) = i;
        }

        machine.Start(a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.mov(ecx, pages);
            a.xor(eax, eax);
            a.Label(ref loop);
            a.add(rax, __qword_ptr[rbx]);
            a.add(rbx, (int)Page);
            a.dec(ecx);
            a.jnz(loop);
        });

        Assert.Equal((ulong)(pages * (pages - 1) / 2), machine.State.Gprs[Gpr.Rax]);
        Assert.InRange(WalksOf(machine), pages - 1, pages);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Store_PageWithoutItsBits_SetsThem(bool accessed)
    {
        SystemMachine machine = Create();
        machine.ChangePte(Here, accessed ? Accessed : 0, accessed ? Dirty : Dirty | Accessed);

        machine.Start(a => a.mov(__qword_ptr[rbx], rax));

        Assert.Equal(Accessed | Dirty, machine.Quad(machine.PteAddress(Here)) & (Accessed | Dirty));
        Assert.True(machine.Memory.IsDirty(Here / Page));
    }

    [Fact]
    public void Store_PageThatIsDirtyInItsTable_IsDirtyForTheMonitor()
    {
        SystemMachine machine = Create();

        machine.Start(a => a.mov(__qword_ptr[rbx], rax));

        Assert.Equal(1, WalksOf(machine));
        Assert.True(machine.Memory.IsDirty(Here / Page));
        Assert.False(machine.Memory.IsDirty((Here / Page) + 1));
    }

    [Fact]
    public void Load_TableWithoutItsAccessedBit_SetsIt()
    {
        SystemMachine machine = Create();
        machine.Quad(SystemMachine.Tables + 0x1000) &= ~Accessed;

        machine.Start(a => a.mov(rax, __qword_ptr[rbx]));

        Assert.NotEqual(0UL, machine.Quad(SystemMachine.Tables + 0x1000) & Accessed);
    }

    [Theory]
    [InlineData(0, Writable, 0, true, 3)] // read-only
    [InlineData(3, User, 0, false, 5)] // a supervisor's page
    [InlineData(3, Writable, 0, true, 7)]
    [InlineData(0, 0, Reserved, false, 9)]
    [InlineData(0, 1, 0, false, 0)] // not present
    public void Access_WithoutTheRight_Faults(int cpl, ulong clear, ulong set, bool write, uint error)
    {
        SystemMachine machine = Create(cpl);
        ulong va = cpl == 3 ? SystemMachine.UserData : Here;
        machine.ChangePte(va, set, clear);

        machine.Start(a =>
        {
            if (write)
            {
                a.mov(__qword_ptr[rbx], rax);
            }
            else
            {
                a.mov(rax, __qword_ptr[rbx]);
            }
        });

        machine.AssertFault(ExceptionVector.PageFault, error);
        Assert.Equal(va, machine.State.Cr2);
    }

    [Theory]
    [InlineData(false, false, true)]
    [InlineData(true, false, false)]
    [InlineData(true, true, true)]
    public void Load_OfAUserPageByTheSupervisor_IsSmapsAffair(bool smap, bool ac, bool allowed)
    {
        SystemMachine machine = Create();
        machine.State.Cr4 |= smap ? Cr4.SMAP : 0;
        machine.State.Rflags |= ac ? RFlags.AC : 0;
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.UserData;

        machine.Start(a => a.mov(rax, __qword_ptr[rbx]));

        Assert.Equal(allowed ? -1 : (int)ExceptionVector.PageFault, machine.Vector);
        Assert.InRange(WalksOf(machine), allowed ? 1 : 0, allowed ? 1 : 0);
    }

    [Fact]
    public void Load_NonCanonicalAddress_IsAGeneralProtection()
    {
        SystemMachine machine = Create();
        machine.State.Gprs[Gpr.Rbx] = 0x1_0000_0000_0000 + Here;

        machine.Start(a => a.mov(rax, __qword_ptr[rbx]));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void Load_AcrossTwoPages_ReadsBoth()
    {
        SystemMachine machine = Create();
        machine.Quad(Here + Page - 8) = 0x1122_3344_0000_0000;
        machine.Quad(Here + Page) = 0x5566_7788;
        machine.State.Gprs[Gpr.Rbx] = Here + Page - 4;

        machine.Start(a => a.mov(rax, __qword_ptr[rbx]));

        Assert.Equal(0x5566_7788_1122_3344UL, machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void Load_OutsideOfRam_ReadsWhatABusWithoutDevicesGives()
    {
        SystemMachine machine = Create();
        machine.ChangePte(Here, set: 0xE000_0000, clear: Here);

        machine.Start(a => a.mov(rax, __qword_ptr[rbx]));

        Assert.Equal(ulong.MaxValue, machine.State.Gprs[Gpr.Rax]);
    }

    /// <summary>Two pages that share a TLB entry, used in turn: each is walked once, and then they change places.</summary>
    [Fact]
    public void Load_PageThatAWalkDisplaced_Returns()
    {
        const ulong span = (ulong)Tlb.Entries * Page;
        SystemMachine machine = Create();
        machine.Quad(Directory + (span >> 21 << 3)) = machine.Quad(Directory);
        machine.State.Gprs[Gpr.Rsi] = span + Here;
        machine.State.Gprs[Gpr.Rcx] = 100;

        machine.Start(a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.mov(rax, __qword_ptr[rbx]);
            a.mov(rdx, __qword_ptr[rsi + 8]);
            a.dec(ecx);
            a.jnz(loop);
        });

        Assert.Equal(2, WalksOf(machine));
        Assert.Equal(198, ((Translator)machine.Engine).Counters.VictimsReturned);
    }

    /// <summary>INVLPG of one address in a large page drops what was filled for all its others.</summary>
    [Fact]
    public void InvalidatePage_OfALargePage_DropsAllItsPages()
    {
        SystemMachine machine = Create();
        machine.Quad(LargeEntry) = 0x20_0000 | Large | Dirty | Accessed | Writable | 1;
        machine.Quad(0x20_3000) = 1;
        machine.Quad(0x60_3000) = 2;
        machine.State.Gprs[Gpr.Rsi] = LargePage;
        machine.State.Gprs[Gpr.Rdi] = LargeEntry;
        machine.State.Gprs[Gpr.Rbp] = 0x60_0000 | Large | Dirty | Accessed | Writable | 1;

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rsi + 0x3000]);
            a.mov(rcx, __qword_ptr[rsi + 0x5000]);
            a.mov(__qword_ptr[rdi], rbp);
            a.invlpg(__[rsi + 0x5000]);
            a.mov(rdx, __qword_ptr[rsi + 0x3000]);
        });

        Assert.Equal((1UL, 2UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rdx]));
        Assert.InRange(WalksOf(machine), 3, 4);
    }

    [Fact]
    public void Load_LargePageWithAReservedBit_Faults()
    {
        SystemMachine machine = Create();
        machine.Quad(LargeEntry) = 0x20_2000 | Large | Dirty | Accessed | Writable | 1;
        machine.State.Gprs[Gpr.Rbx] = LargePage;

        machine.Start(a => a.mov(rax, __qword_ptr[rbx]));

        machine.AssertFault(ExceptionVector.PageFault, 9);
    }

    [Fact]
    public void Load_GigabytePage_IsWalked()
    {
        SystemMachine machine = Create();
        machine.Quad(SystemMachine.Tables + 0x1000 + 8) = Large | Dirty | Accessed | Writable | 1;
        machine.Quad(0x30_5008) = 77;
        machine.State.Gprs[Gpr.Rbx] = 0x4030_5008;

        machine.Start(a => a.mov(rax, __qword_ptr[rbx]));

        Assert.Equal((77UL, 1L), (machine.State.Gprs[Gpr.Rax], WalksOf(machine)));
    }

    /// <summary>What a walk has filled is noted for the flush.</summary>
    [Fact]
    public void MoveToCr3_AfterAWalk_DropsWhatItFilled()
    {
        SystemMachine machine = Create();
        machine.Quad(Here) = 1;
        machine.Quad(Here + Page) = 2;
        machine.State.Gprs[Gpr.Rdi] = machine.PteAddress(Here);
        machine.State.Gprs[Gpr.Rbp] = (machine.Quad(machine.PteAddress(Here)) & ~Frame) | (Here + Page);

        machine.Start(a =>
        {
            a.mov(rax, __qword_ptr[rbx]);
            a.mov(__qword_ptr[rdi], rbp);
            a.mov(rcx, cr3);
            a.mov(cr3, rcx);
            a.mov(rdx, __qword_ptr[rbx]);
        });

        Assert.Equal((1UL, 2UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rdx]));
        Assert.InRange(WalksOf(machine), 2, 3);
    }

    /// <summary>
    /// A page loses its note as a writer's to another page with the same hash. When it becomes code, nobody looks for its writer any
    /// more: so that one must have lost its right with the note.
    /// </summary>
    [Fact]
    public void Store_PageWhoseNoteWasTakenBecomesCode_ChangesTheCode()
    {
        const ulong other = Here + Page;
        const ulong executed = Here + (2 * Page);
        SystemMachine machine = Create(memorySize: 256 << 20);
        (ulong first, ulong second) = FindPagesOfOneNote(machine);
        machine.ChangePte(Here, first, Frame);
        machine.ChangePte(other, second, Frame);
        machine.ChangePte(executed, first, Frame);
        machine.PlaceBytes(first, [0xB8, 1, 0, 0, 0, 0xC3]); // mov eax, imm32; ret
        machine.State.Gprs[Gpr.Rsi] = other;
        machine.State.Gprs[Gpr.Rdi] = executed;

        machine.Start(a =>
        {
            a.mov(__byte_ptr[rbx + 1], 5);
            a.mov(__byte_ptr[rsi + 1], 6); // takes the note
            a.call(rdi);
            a.mov(esi, eax);
            a.mov(__byte_ptr[rbx + 1], 7);
            a.call(rdi);
        });

        Assert.Equal((5UL, 7UL), (machine.State.Gprs[Gpr.Rsi], machine.State.Gprs[Gpr.Rax]));
    }

    /// <summary>Offsets of two pages beyond the first 2 MiB that <see cref="PageWriter"/> keeps in one place.</summary>
    private static (ulong First, ulong Second) FindPagesOfOneNote(SystemMachine machine)
    {
        Dictionary<int, ulong> seen = [];
        for (ulong offset = 2 << 20; offset < machine.Memory.Size; offset += Page)
        {
            if (!seen.TryAdd(PageWriter.IndexOf(machine.At(offset)), offset))
            {
                return (seen[PageWriter.IndexOf(machine.At(offset))], offset);
            }
        }

        throw new InvalidOperationException("No two pages of the memory have one note.");
    }

    private static long WalksOf(SystemMachine machine) => ((Translator)machine.Engine).Counters.Walks;

    /// <summary>All tables and pages have been used: their bits are set.</summary>
    private SystemMachine Create(int cpl = 0, ulong memorySize = 16 << 20)
    {
        SystemMachine machine = new(
            GuestMode.Long, cpl, createEngine: wiring => new Translator(wiring, new TranslatorOptions()), memorySize: memorySize);
        _machines.Add(machine);
        for (int level = 0; level < 3; level++)
        {
            machine.Quad(SystemMachine.Tables + ((ulong)level * Page)) |= Accessed;
        }

        for (ulong va = 0; va < 0x20_0000; va += Page)
        {
            machine.ChangePte(va, Accessed | Dirty, 0);
        }

        return machine;
    }
}
