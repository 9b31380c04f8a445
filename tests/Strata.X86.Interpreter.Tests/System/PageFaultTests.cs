using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Error codes of #PF, access rights, accessed and dirty bits. Intel SDM Vol. 3A, "Paging".</summary>
public sealed unsafe class PageFaultTests
{
    private const ulong P = 1;
    private const ulong W = 2;
    private const ulong U = 4;
    private const ulong A = 0x20;
    private const ulong D = 0x40;
    private const ulong NX = 1UL << 63;

    /// <summary>Error-code bits.</summary>
    private const uint EP = 1;
    private const uint EW = 2;
    private const uint EU = 4;
    private const uint ER = 8;
    private const uint EI = 16;

    private const int None = -1;

    public static TheoryData<GuestMode, GuestPaging> Pagings => new()
    {
        { GuestMode.Protected32, GuestPaging.ThirtyTwoBit },
        { GuestMode.Protected32, GuestPaging.Pae },
        { GuestMode.Compatibility, GuestPaging.FourLevel },
        { GuestMode.Long, GuestPaging.FourLevel },
    };

    public static TheoryData<GuestMode, GuestPaging, int, bool, ulong, int> Rights()
    {
        TheoryData<GuestMode, GuestPaging, int, bool, ulong, int> data = [];
        foreach ((GuestMode mode, GuestPaging paging) in new[]
        {
            (GuestMode.Protected32, GuestPaging.ThirtyTwoBit), (GuestMode.Protected32, GuestPaging.Pae),
            (GuestMode.Long, GuestPaging.FourLevel),
        })
        {
            // CPL, write, entry rights: error code (CR0.WP is set).
            data.Add(mode, paging, 0, false, 0, 0);
            data.Add(mode, paging, 0, true, 0, (int)EW);
            data.Add(mode, paging, 3, false, 0, (int)EU);
            data.Add(mode, paging, 3, true, 0, (int)(EU | EW));
            data.Add(mode, paging, 0, false, P, None);
            data.Add(mode, paging, 0, true, P, (int)(EP | EW));
            data.Add(mode, paging, 0, true, P | U, (int)(EP | EW));
            data.Add(mode, paging, 0, true, P | W | U, None);
            data.Add(mode, paging, 3, false, P, (int)(EP | EU));
            data.Add(mode, paging, 3, false, P | W, (int)(EP | EU));
            data.Add(mode, paging, 3, true, P | W, (int)(EP | EU | EW));
            data.Add(mode, paging, 3, false, P | U, None);
            data.Add(mode, paging, 3, true, P | U, (int)(EP | EU | EW));
            data.Add(mode, paging, 3, true, P | U | W, None);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Rights))]
    public void Access_EntryRights_GiveErrorCode(GuestMode mode, GuestPaging paging, int cpl, bool write, ulong rights, int error)
    {
        using SystemMachine machine = Prepare(mode, paging, cpl);
        machine.ChangePte(SystemMachine.UserData, rights, P | W | U);
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.UserData + 0x123;

        Access(machine, write);

        Check(machine, error, SystemMachine.UserData + 0x123);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, GuestPaging.ThirtyTwoBit, U, EP | EU)]
    [InlineData(GuestMode.Protected32, GuestPaging.ThirtyTwoBit, W, EP | EU | EW)]
    [InlineData(GuestMode.Protected32, GuestPaging.ThirtyTwoBit, P, EU)]
    [InlineData(GuestMode.Long, GuestPaging.FourLevel, U, EP | EU)]
    [InlineData(GuestMode.Long, GuestPaging.FourLevel, W, EP | EU | EW)]
    [InlineData(GuestMode.Long, GuestPaging.FourLevel, P, EU)]
    public void Access_RightMissingInUpperLevel_FaultsAsInLeaf(GuestMode mode, GuestPaging paging, ulong missing, uint error)
    {
        using SystemMachine machine = Prepare(mode, paging, 3);
        const ulong away = 0x400000; // its own page directory entry and table
        Span<ulong> tables = paging == GuestPaging.ThirtyTwoBit ? [SystemMachine.Tables + 4] : [SystemMachine.Tables + 0x2010];
        ulong pointer = (SystemMachine.Tables + 0x5000) | ((P | W | U) & ~missing);
        if (paging == GuestPaging.ThirtyTwoBit)
        {
            machine.Dword(tables[0]) = (uint)pointer;
            machine.Dword(SystemMachine.Tables + 0x5000) = (uint)(SystemMachine.UserData | P | W | U);
        }
        else
        {
            machine.Quad(tables[0]) = pointer;
            machine.Quad(SystemMachine.Tables + 0x5000) = SystemMachine.UserData | P | W | U;
        }

        machine.State.Gprs[Gpr.Rbx] = away;
        Access(machine, (error & EW) != 0);

        Check(machine, (int)error, away);
    }

    [Theory]
    [InlineData(GuestPaging.ThirtyTwoBit, 0UL, 0, None)]
    [InlineData(GuestPaging.ThirtyTwoBit, 0UL, 3, (int)(EP | EU | EW))]
    [InlineData(GuestPaging.Pae, 0UL, 0, None)]
    [InlineData(GuestPaging.FourLevel, 0UL, 0, None)]
    [InlineData(GuestPaging.FourLevel, Cr0.WP, 0, (int)(EP | EW))]
    public void Write_ReadOnlyPage_ObeysWriteProtectOnlyForSupervisor(GuestPaging paging, ulong wp, int cpl, int error)
    {
        using SystemMachine machine = Prepare(paging == GuestPaging.FourLevel ? GuestMode.Long : GuestMode.Protected32, paging, cpl);
        machine.State.Cr0 = (machine.State.Cr0 & ~Cr0.WP) | wp;
        machine.ChangePte(SystemMachine.UserData, 0, W);
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.UserData;

        Access(machine, write: true);

        Check(machine, error, SystemMachine.UserData);
    }

    [Theory]
    [InlineData(GuestPaging.FourLevel, 1UL << 46)]
    [InlineData(GuestPaging.FourLevel, 1UL << 51)]
    [InlineData(GuestPaging.Pae, 1UL << 46)]
    [InlineData(GuestPaging.Pae, 1UL << 52)]
    [InlineData(GuestPaging.Pae, 1UL << 62)]
    public void Access_ReservedBitInLeaf_IsReservedFault(GuestPaging paging, ulong bit)
    {
        using SystemMachine machine = Prepare(paging == GuestPaging.FourLevel ? GuestMode.Long : GuestMode.Protected32, paging, 3);
        machine.ChangePte(SystemMachine.UserData, bit, 0);

        Access(machine, write: true);

        Check(machine, (int)(EP | EW | EU | ER), SystemMachine.UserData);
    }

    [Theory]
    [InlineData(1UL << 52)]
    [InlineData(1UL << 58)]
    [InlineData(0x80UL)] // PAT
    [InlineData(0xE00UL)]
    public void Access_IgnoredBitInLeaf_Succeeds(ulong bit)
    {
        using SystemMachine machine = Prepare(GuestMode.Long, GuestPaging.FourLevel, 3);
        machine.ChangePte(SystemMachine.UserData, bit, 0);

        Access(machine, write: true);

        Check(machine, None, 0);
    }

    [Theory]
    [InlineData(0x0000UL, 0x80UL)] // PS in a PML4 entry
    [InlineData(0x1000UL, 1UL << 47)]
    [InlineData(0x2000UL, 1UL << 46)]
    public void Access_ReservedBitInUpperLevel_IsReservedFault(ulong table, ulong bit)
    {
        using SystemMachine machine = Prepare(GuestMode.Long, GuestPaging.FourLevel, 0);
        const ulong away = 0x0000_0080_4020_1000; // index 1 on every level
        ulong next = SystemMachine.Tables + 0x8000;
        machine.Quad(SystemMachine.Tables + 8) = next | P | W | U;
        machine.Quad(next + 8) = (next + 0x1000) | P | W | U;
        machine.Quad(next + 0x1008) = (next + 0x2000) | P | W | U;
        machine.Quad(next + 0x2008) = SystemMachine.UserData | P | W | U;
        machine.Quad(table == 0 ? SystemMachine.Tables + 8 : next + table - 0x1000 + 8) |= bit;
        machine.State.Gprs[Gpr.Rbx] = away;

        Access(machine, write: false);

        Check(machine, (int)(EP | ER), away);
    }

    [Theory]
    [InlineData(GuestPaging.FourLevel, true, 3, (int)(EP | EU | EI))]
    [InlineData(GuestPaging.FourLevel, true, 0, (int)(EP | EI))]
    [InlineData(GuestPaging.FourLevel, false, 3, (int)(EP | EU | ER))]
    [InlineData(GuestPaging.Pae, true, 3, (int)(EP | EU | EI))]
    [InlineData(GuestPaging.Pae, false, 3, (int)(EP | EU | ER))]
    public void Fetch_NoExecutePage_FaultsWithFetchOrReservedBit(GuestPaging paging, bool enabled, int cpl, int error)
    {
        using SystemMachine machine = Prepare(paging == GuestPaging.FourLevel ? GuestMode.Long : GuestMode.Protected32, paging, cpl);
        machine.State.EferMsr = enabled ? machine.State.EferMsr : machine.State.EferMsr & ~Efer.NXE;
        ulong target = cpl == 3 ? SystemMachine.UserCode + 0x3000 : 0x9000;
        machine.ChangePte(target, NX, 0);
        machine.State.Gprs[Gpr.Rbx] = target;

        machine.Start(a =>
        {
            if (paging == GuestPaging.FourLevel)
            {
                a.jmp(rbx);
            }
            else
            {
                a.jmp(ebx);
            }
        });

        machine.AssertEvent(ExceptionVector.PageFault, (uint)error, target);
        Assert.Equal(target, machine.State.Cr2);
    }

    [Theory]
    [InlineData(GuestPaging.ThirtyTwoBit, false, false, EU)]
    [InlineData(GuestPaging.ThirtyTwoBit, false, true, EU | EI)]
    [InlineData(GuestPaging.Pae, false, false, EU)]
    [InlineData(GuestPaging.Pae, true, false, EU | EI)]
    [InlineData(GuestPaging.Pae, false, true, EU | EI)]
    [InlineData(GuestPaging.FourLevel, false, false, EU)]
    [InlineData(GuestPaging.FourLevel, true, false, EU | EI)]
    public void Fetch_NotPresent_SetsFetchBitOnlyWithNxOrSmep(GuestPaging paging, bool nx, bool smep, uint error)
    {
        using SystemMachine machine = Prepare(paging == GuestPaging.FourLevel ? GuestMode.Long : GuestMode.Protected32, paging, 3);
        machine.State.EferMsr = nx ? machine.State.EferMsr | Efer.NXE : machine.State.EferMsr & ~Efer.NXE;
        machine.State.Cr4 |= smep ? Cr4.SMEP : 0;
        machine.ChangePte(SystemMachine.UserCode + 0x3000, 0, P);
        machine.PlaceBytes(SystemMachine.UserCode + 0x2FFF, [0x66]); // the instruction goes on in the absent page
        machine.State.Rip = SystemMachine.UserCode + 0x2FFF;

        machine.Run();

        machine.AssertEvent(ExceptionVector.PageFault, error, SystemMachine.UserCode + 0x2FFF);
        Assert.Equal(SystemMachine.UserCode + 0x3000, machine.State.Cr2);
    }

    [Theory]
    [InlineData(GuestPaging.ThirtyTwoBit, true)]
    [InlineData(GuestPaging.Pae, true)]
    [InlineData(GuestPaging.FourLevel, true)]
    [InlineData(GuestPaging.FourLevel, false)]
    public void Fetch_UserPageAtSupervisor_FaultsOnlyWithSmep(GuestPaging paging, bool smep)
    {
        using SystemMachine machine = Prepare(paging == GuestPaging.FourLevel ? GuestMode.Long : GuestMode.Protected32, paging, 0);
        machine.State.Cr4 |= smep ? Cr4.SMEP : 0;
        machine.PlaceBytes(SystemMachine.UserCode, [0x90]);
        machine.State.Rip = SystemMachine.UserCode;

        machine.Run();

        Check(machine, smep ? (int)(EP | EI) : None, SystemMachine.UserCode);
    }

    [Theory]
    [InlineData(GuestPaging.ThirtyTwoBit, false, false, (int)EP)]
    [InlineData(GuestPaging.Pae, false, true, (int)(EP | EW))]
    [InlineData(GuestPaging.FourLevel, false, false, (int)EP)]
    [InlineData(GuestPaging.FourLevel, false, true, (int)(EP | EW))]
    [InlineData(GuestPaging.FourLevel, true, false, None)]
    [InlineData(GuestPaging.FourLevel, true, true, None)]
    public void Access_UserPageAtSupervisor_FaultsWithSmapUnlessAcIsSet(GuestPaging paging, bool ac, bool write, int error)
    {
        using SystemMachine machine = Prepare(paging == GuestPaging.FourLevel ? GuestMode.Long : GuestMode.Protected32, paging, 0);
        machine.State.Cr4 |= Cr4.SMAP;
        machine.State.Rflags |= ac ? RFlags.AC : 0;
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.UserData;

        Access(machine, write);

        Check(machine, error, SystemMachine.UserData);
    }

    [Fact]
    public void StacAndClac_WithSmap_OpenAndCloseUserPages()
    {
        using SystemMachine machine = Prepare(GuestMode.Long, GuestPaging.FourLevel, 0);
        machine.State.Cr4 |= Cr4.SMAP;
        machine.State.Gprs[Gpr.Rbx] = SystemMachine.UserData;

        machine.Start(a =>
        {
            a.stac();
            a.mov(__byte_ptr[rbx], 1);
            a.mov(al, __byte_ptr[rbx]);
            a.clac();
            a.mov(cl, __byte_ptr[rbx]);
        });

        machine.AssertEvent(ExceptionVector.PageFault, EP, SystemMachine.Code + 11);
        Assert.Equal(1UL, machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void DescriptorRead_UserPageWithSmap_FaultsEvenWithAc()
    {
        using SystemMachine machine = Prepare(GuestMode.Long, GuestPaging.FourLevel, 3);
        machine.State.Cr4 |= Cr4.SMAP;
        machine.State.Rflags |= RFlags.AC;
        machine.State.Ldtr = new SegmentState { Base = SystemMachine.UserData, Limit = 0xFF, Attributes = 0x82 };
        machine.State.Gprs[Gpr.Rax] = 0x0F;

        machine.Start(a => a.mov(es, ax));

        machine.AssertEvent(ExceptionVector.PageFault, EP, SystemMachine.UserCode);
        Assert.Equal(SystemMachine.UserData + 8, machine.State.Cr2);
    }

    [Fact]
    public void DescriptorRead_SupervisorPageFromUser_Succeeds()
    {
        using SystemMachine machine = Prepare(GuestMode.Long, GuestPaging.FourLevel, 3);
        machine.State.Gprs[Gpr.Rax] = Selector.UserData;

        machine.Start(a =>
        {
            a.mov(es, ax);
            a.ud2();
        });

        machine.AssertEvent(ExceptionVector.InvalidOpcode, null, SystemMachine.UserCode + 3);
    }

    [Theory]
    [MemberData(nameof(Pagings))]
    public void Access_ReadThenWrite_SetsAccessedThenDirty(GuestMode mode, GuestPaging paging)
    {
        using SystemMachine machine = Prepare(mode, paging, 0);
        ulong pte = machine.PteAddress(SystemMachine.Data);
        ulong other = machine.PteAddress(SystemMachine.Data + 0x1000);

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[ebx]);
            a.mov(ecx, __dword_ptr[(uint)pte]);
            a.mov(__dword_ptr[ebx], eax);
            a.mov(edx, __dword_ptr[(uint)pte]);
        });

        machine.AssertNoEvent();
        Assert.Equal(A, machine.State.Gprs[Gpr.Rcx] & (A | D));
        Assert.Equal(A | D, machine.State.Gprs[Gpr.Rdx] & (A | D));
        Assert.Equal(0u, machine.Dword(other) & (uint)(A | D));
        Assert.Equal((uint)A, machine.Dword(machine.PteAddress(SystemMachine.Code)) & (uint)(A | D));
    }

    [Theory]
    [MemberData(nameof(Pagings))]
    public void Write_Refused_LeavesDirtyClear(GuestMode mode, GuestPaging paging)
    {
        using SystemMachine machine = Prepare(mode, paging, 0);
        machine.ChangePte(SystemMachine.Data, 0, W);

        Access(machine, write: true);

        Check(machine, (int)(EP | EW), SystemMachine.Data);
        Assert.Equal(0u, machine.Dword(machine.PteAddress(SystemMachine.Data)) & (uint)D);
    }

    private static SystemMachine Prepare(GuestMode mode, GuestPaging paging, int cpl)
    {
        SystemMachine machine = new(mode, cpl, paging);
        machine.SetGate(0x80, SystemMachine.Handlers + 0x800, mode == GuestMode.Protected32 ? Selector.Code32 : Selector.Code64, dpl: 3);
        return machine;
    }

    private static void Access(SystemMachine machine, bool write) => machine.Start(a =>
    {
        if (write)
        {
            a.db(0x88, 0x03); // MOV [rBX], AL
        }
        else
        {
            a.db(0x8A, 0x03); // MOV AL, [rBX]
        }

        a.@int(0x80);
    });

    private static void Check(SystemMachine machine, int error, ulong cr2)
    {
        Assert.Equal(
            error == None ? (-1, null) : ((int)ExceptionVector.PageFault, (uint?)error),
            (machine.Vector is 0x80 ? -1 : machine.Vector, machine.Frame.ErrorCode));
        Assert.Equal(error == None ? 0 : cr2, machine.State.Cr2);
    }
}
