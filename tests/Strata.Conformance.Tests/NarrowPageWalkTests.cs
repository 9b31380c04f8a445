using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>
/// Walks in translated code of other tables than long mode's with NX: two levels, PAE, and four levels without NX. Intel SDM Vol. 3A,
/// "32-Bit Paging", "PAE Paging".
/// </summary>
public sealed unsafe class NarrowPageWalkTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong Writable = 0x02;
    private const ulong User = 0x04;
    private const ulong Accessed = 0x20;
    private const ulong Dirty = 0x40;
    private const ulong Large = 0x80;
    private const ulong NoExecute = 1UL << 63;
    private const ulong Here = SystemMachine.Data;
    private const uint LargePage = 0x40_0000;

    private readonly List<SystemMachine> _machines = [];

    public static TheoryData<GuestMode, GuestPaging> Forms => new()
    {
        { GuestMode.Protected32, GuestPaging.ThirtyTwoBit },
        { GuestMode.Protected32, GuestPaging.Pae },
        { GuestMode.Compatibility, GuestPaging.FourLevel },
        { GuestMode.Long, GuestPaging.FourLevel },
    };

    public void Dispose() => _machines.ForEach(machine => machine.Dispose());

    [Theory]
    [MemberData(nameof(Forms))]
    public void Load_PagesThatHaveBeenUsed_LeavesTranslatedCodeForNoneOfThem(GuestMode mode, GuestPaging paging)
    {
        const int pages = 32;
        SystemMachine machine = Create(mode, paging);
        for (ulong i = 0; i < pages; i++)
        {
            machine.Dword(Here + (i * Page)) = (uint)i;
        }

        machine.Start(a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.mov(ecx, pages);
            a.xor(eax, eax);
            a.Label(ref loop);
            a.add(eax, __dword_ptr[ebx]);
            a.add(ebx, (int)Page);
            a.dec(ecx);
            a.jnz(loop);
        });

        Assert.Equal((ulong)(pages * (pages - 1) / 2), machine.State.Gprs[Gpr.Rax]);
        Assert.InRange(WalksOf(machine), pages - 1, pages);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Store_PageThatIsDirtyInItsTable_IsWalkedAndDirtyForTheMonitor(GuestMode mode, GuestPaging paging)
    {
        SystemMachine machine = Create(mode, paging);

        machine.Start(a => a.mov(__dword_ptr[ebx], 0x1234_5678));

        Assert.Equal((0x1234_5678u, 1L), (machine.Dword(Here), WalksOf(machine)));
        Assert.True(machine.Memory.IsDirty(Here / Page));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Store_PageWithoutItsBits_SetsThem(GuestMode mode, GuestPaging paging)
    {
        SystemMachine machine = Create(mode, paging);
        machine.ChangePte(Here, 0, Dirty | Accessed);

        machine.Start(a => a.mov(__dword_ptr[ebx], eax));

        Assert.Equal(Accessed | Dirty, machine.Dword(machine.PteAddress(Here)) & (Accessed | Dirty));
        Assert.Equal(0, WalksOf(machine));
    }

    [Theory]
    [InlineData(GuestPaging.ThirtyTwoBit)]
    [InlineData(GuestPaging.Pae)]
    public void Load_TableWithoutItsAccessedBit_SetsIt(GuestPaging paging)
    {
        SystemMachine machine = Create(GuestMode.Protected32, paging);
        ulong directory = paging == GuestPaging.Pae ? SystemMachine.Tables + 0x1000 : SystemMachine.Tables;
        machine.Dword(directory) &= ~(uint)Accessed;

        machine.Start(a => a.mov(eax, __dword_ptr[ebx]));

        Assert.NotEqual(0UL, machine.Dword(directory) & Accessed);
    }

    [Theory]
    [InlineData(GuestPaging.ThirtyTwoBit, 0, Writable, true, 3)]
    [InlineData(GuestPaging.ThirtyTwoBit, 3, User, false, 5)]
    [InlineData(GuestPaging.ThirtyTwoBit, 3, Writable, true, 7)]
    [InlineData(GuestPaging.ThirtyTwoBit, 0, 1UL, false, 0)]
    [InlineData(GuestPaging.Pae, 0, Writable, true, 3)]
    [InlineData(GuestPaging.Pae, 3, User, false, 5)]
    [InlineData(GuestPaging.Pae, 3, Writable, true, 7)]
    [InlineData(GuestPaging.Pae, 0, 1UL, false, 0)]
    public void Access_WithoutTheRight_Faults(GuestPaging paging, int cpl, ulong clear, bool write, uint error)
    {
        SystemMachine machine = Create(GuestMode.Protected32, paging, cpl);
        ulong va = cpl == 3 ? SystemMachine.UserData : Here;
        machine.State.Gprs[Gpr.Rbx] = va;
        machine.State.Cr0 |= Cr0.WP;
        machine.ChangePte(va, 0, clear);

        machine.Start(a =>
        {
            if (write)
            {
                a.mov(__dword_ptr[ebx], eax);
            }
            else
            {
                a.mov(eax, __dword_ptr[ebx]);
            }
        });

        machine.AssertFault(ExceptionVector.PageFault, error);
        Assert.Equal(va, machine.State.Cr2);
    }

    [Theory]
    [InlineData(false, 0, 1)] // four MiB: one directory entry
    [InlineData(false, 0x2000, 0)] // address bits above 4 GiB: for the model
    [InlineData(true, 0, 1)] // two MiB
    public void Load_LargePage_IsWalked(bool pae, uint high, int walks)
    {
        SystemMachine machine = Create(GuestMode.Protected32, pae ? GuestPaging.Pae : GuestPaging.ThirtyTwoBit);
        machine.State.Cr4 |= Cr4.PSE;
        uint entry = (uint)(LargePage | Large | Dirty | Accessed | Writable | 1);
        machine.Dword(pae ? SystemMachine.Tables + 0x1000 + (2 * 8) : SystemMachine.Tables + 4) = entry | high;
        machine.Dword(LargePage + 0x5008) = 77;
        machine.State.Gprs[Gpr.Rbx] = LargePage + 0x5008;

        machine.Start(a => a.mov(eax, __dword_ptr[ebx]));

        Assert.Equal(high == 0 ? 77UL : uint.MaxValue, machine.State.Gprs[Gpr.Rax]); // nothing is at 4 GiB
        Assert.Equal(walks, WalksOf(machine));
    }

    /// <summary>Without CR4.PSE, bit 7 of a directory's entry means nothing: it leads to a table.</summary>
    [Fact]
    public void Load_DirectoryEntryWithBit7ButNoLargePages_LeadsToItsTable()
    {
        SystemMachine machine = Create(GuestMode.Protected32, GuestPaging.ThirtyTwoBit);
        machine.Dword(SystemMachine.Tables) |= (uint)Large;
        machine.Dword(Here) = 5;

        machine.Start(a => a.mov(eax, __dword_ptr[ebx]));

        Assert.Equal((5UL, 0L), (machine.State.Gprs[Gpr.Rax], WalksOf(machine)));
    }

    [Theory]
    [InlineData(GuestMode.Long)]
    [InlineData(GuestMode.Compatibility)]
    public void Load_Bit63WithoutNoExecute_Faults(GuestMode mode)
    {
        SystemMachine machine = Create(mode, GuestPaging.FourLevel);
        machine.ChangePte(Here, NoExecute, 0);

        machine.Start(a => a.mov(eax, __dword_ptr[ebx]));

        machine.AssertFault(ExceptionVector.PageFault, 9); // a reserved bit
    }

    [Theory]
    [InlineData(51)]
    [InlineData(52)]
    [InlineData(62)]
    public void Load_ReservedBitOfAPaeEntry_Faults(int bit)
    {
        SystemMachine machine = Create(GuestMode.Protected32, GuestPaging.Pae);
        machine.ChangePte(Here, 1UL << bit, 0);

        machine.Start(a => a.mov(eax, __dword_ptr[ebx]));

        machine.AssertFault(ExceptionVector.PageFault, 9);
    }

    /// <summary>INVLPG of one address in a page of 4 MiB drops what was filled for all its others.</summary>
    [Fact]
    public void InvalidatePage_OfALargePage_DropsAllItsPages()
    {
        SystemMachine machine = Create(GuestMode.Protected32, GuestPaging.ThirtyTwoBit);
        machine.State.Cr4 |= Cr4.PSE;
        machine.Dword(SystemMachine.Tables + 4) = (uint)(LargePage | Large | Dirty | Accessed | Writable | 1);
        machine.Dword(LargePage + 0x3000) = 1;
        machine.Dword((2 * LargePage) + 0x3000) = 2;
        machine.State.Gprs[Gpr.Rsi] = LargePage;
        machine.State.Gprs[Gpr.Rdi] = SystemMachine.Tables + 4;
        machine.State.Gprs[Gpr.Rbp] = (2 * LargePage) | Large | Dirty | Accessed | Writable | 1;

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[esi + 0x3000]);
            a.mov(ecx, __dword_ptr[esi + 0x5000]);
            a.mov(__dword_ptr[edi], ebp);
            a.invlpg(__[esi + 0x20_5000]);
            a.mov(edx, __dword_ptr[esi + 0x3000]);
        });

        Assert.Equal((1UL, 2UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rdx]));
    }

    private static long WalksOf(SystemMachine machine) => ((Translator)machine.Engine).Counters.Walks;

    /// <summary>All tables and pages have been used: their bits are set. No form has NX but PAE, where the harness turns it on.</summary>
    private SystemMachine Create(GuestMode mode, GuestPaging paging, int cpl = 0)
    {
        SystemMachine machine = new(mode, cpl, paging, wiring => new Translator(wiring, new TranslatorOptions()));
        _machines.Add(machine);
        machine.State.EferMsr &= ~Efer.NXE;
        machine.State.Gprs[Gpr.Rbx] = Here;
        for (int level = paging == GuestPaging.Pae ? 1 : 0; level < (
            paging == GuestPaging.ThirtyTwoBit ? 1 : paging == GuestPaging.Pae ? 2 : 3); level++)
        {
            machine.Dword(SystemMachine.Tables + ((ulong)level * Page)) |= (uint)Accessed;
        }

        for (ulong va = 0; va < 0x20_0000; va += Page)
        {
            machine.ChangePte(va, Accessed | Dirty, 0);
        }

        return machine;
    }
}
