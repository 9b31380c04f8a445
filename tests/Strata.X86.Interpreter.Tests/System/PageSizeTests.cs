using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>
/// Large pages, and invalidation of cached translations. Intel SDM Vol. 3A, "Paging" and "Caching Translation Information".
/// </summary>
public sealed unsafe class PageSizeTests
{
    private const ulong Pwu = 7;
    private const ulong Large = 0x80;
    private const ulong Global = 0x100;
    private const ulong A = 0x20;
    private const ulong D = 0x40;
    private const uint Marker = 0x5AFE_C0DE;

    /// <summary>Two physical pages that a virtual one moves between.</summary>
    private const ulong First = 0x600000;
    private const ulong Second = 0x601000;
    private const ulong Moving = 0x1F0000;

    [Theory]
    [InlineData(GuestPaging.ThirtyTwoBit, 0x0004UL, 0x400000UL, 0x800000UL)]
    [InlineData(GuestPaging.Pae, 0x1010UL, 0x400000UL, 0x600000UL)]
    [InlineData(GuestPaging.FourLevel, 0x2010UL, 0x400000UL, 0x600000UL)]
    [InlineData(GuestPaging.FourLevel, 0x1008UL, 0x4000_0000UL, 0UL)]
    public void LargePage_Write_TranslatesAndSetsAccessedAndDirty(GuestPaging paging, ulong entry, ulong va, ulong gpa)
    {
        using SystemMachine machine = Create(paging);
        machine.State.Cr4 |= Cr4.PSE;
        SetEntry(machine, paging, SystemMachine.Tables + entry, gpa | Large | Pwu);
        ulong offset = 0x1F_5678;
        machine.State.Gprs[Gpr.Rbx] = va + offset;
        machine.State.Gprs[Gpr.Rax] = Marker;

        machine.Start(a => a.db(0x89, 0x03)); // MOV [rBX], EAX

        machine.AssertNoEvent();
        Assert.Equal(Marker, machine.Dword(gpa + offset));
        Assert.Equal(gpa | Large | Pwu | A | D, (ulong)machine.Dword(SystemMachine.Tables + entry));
    }

    [Theory]
    [InlineData(GuestPaging.ThirtyTwoBit, 0x0004UL, 0x400000UL, 1UL << 21)]
    [InlineData(GuestPaging.Pae, 0x1010UL, 0x400000UL, 1UL << 13)]
    [InlineData(GuestPaging.FourLevel, 0x2010UL, 0x400000UL, 1UL << 20)]
    [InlineData(GuestPaging.FourLevel, 0x1008UL, 0x4000_0000UL, 1UL << 13)]
    [InlineData(GuestPaging.FourLevel, 0x1008UL, 0x4000_0000UL, 1UL << 29)]
    public void LargePage_ReservedAddressBit_IsReservedFault(GuestPaging paging, ulong entry, ulong va, ulong bit)
    {
        using SystemMachine machine = Create(paging);
        machine.State.Cr4 |= Cr4.PSE;
        SetEntry(machine, paging, SystemMachine.Tables + entry, Large | Pwu | bit);
        machine.State.Gprs[Gpr.Rbx] = va;

        machine.Start(a => a.db(0x8B, 0x03));

        machine.AssertFault(ExceptionVector.PageFault, 9);
        Assert.Equal(va, machine.State.Cr2);
    }

    [Fact]
    public void LargePage_PatBit_IsNotReserved()
    {
        using SystemMachine machine = Create(GuestPaging.FourLevel);
        SetEntry(machine, GuestPaging.FourLevel, SystemMachine.Tables + 0x2010, 0x600000 | Large | Pwu | 0x1000);
        machine.State.Gprs[Gpr.Rbx] = 0x400000;

        machine.Start(a => a.db(0x8B, 0x03));

        machine.AssertNoEvent();
    }

    [Fact]
    public void LargePage_WithoutPageSizeExtensions_IsATable()
    {
        using SystemMachine machine = Create(GuestPaging.ThirtyTwoBit);
        ulong table = SystemMachine.Tables + 0x6000;
        machine.Dword(SystemMachine.Tables + 4) = (uint)(table | Large | Pwu);
        machine.Dword(table) = (uint)(First | Pwu);
        machine.Dword(First + 0x10) = Marker;
        machine.State.Gprs[Gpr.Rbx] = 0x400010;

        machine.Start(a => a.mov(eax, __dword_ptr[ebx]));

        machine.AssertNoEvent();
        Assert.Equal(Marker, (uint)machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void LargePage_AboveFourGigabytes_UsesPse36Bits()
    {
        using SystemMachine machine = Create(GuestPaging.ThirtyTwoBit);
        machine.State.Cr4 |= Cr4.PSE;
        machine.Dword(SystemMachine.Tables + 4) = (uint)(Large | Pwu | (1 << 13)); // physical 4 GiB: nothing there
        machine.State.Gprs[Gpr.Rbx] = 0x400000;

        machine.Start(a => a.mov(eax, __dword_ptr[ebx]));

        machine.AssertNoEvent();
        Assert.Equal(uint.MaxValue, machine.State.Gprs[Gpr.Rax]);
    }

    [Theory]
    [InlineData(0)] // INVLPG
    [InlineData(1)] // MOV CR3
    [InlineData(2)] // INVPCID, one address
    [InlineData(3)] // INVPCID, one PCID
    [InlineData(4)] // INVPCID, all
    [InlineData(5)] // INVPCID, all but global
    [InlineData(6)] // CR4.PGE
    public void Remap_AfterInvalidation_SeesNewPage(int method)
    {
        using SystemMachine machine = Moves();
        machine.Quad(SystemMachine.Data + 0x108) = Moving;
        int type = method - 2;

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[rbx]);
            a.mov(__dword_ptr[rbx], eax); // a write translation too
            a.mov(__qword_ptr[rsi], rdi);
            switch (method)
            {
                case 0:
                    a.invlpg(__byte_ptr[rbx]);
                    break;
                case 1:
                    a.mov(rcx, cr3);
                    a.mov(cr3, rcx);
                    break;
                case 6:
                    a.mov(rcx, cr4);
                    a.xor(rcx, (int)Cr4.PGE);
                    a.mov(cr4, rcx);
                    break;
                default:
                    a.mov(ecx, type);
                    a.invpcid(rcx, __xmmword_ptr[SystemMachine.Data + 0x100]);
                    break;
            }

            a.mov(edx, __dword_ptr[rbx]);
        });

        machine.AssertNoEvent();
        Assert.Equal((1UL, 2UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rdx]));
    }

    [Theory]
    [InlineData(0)] // INVLPG covers global pages
    [InlineData(2)] // so does INVPCID type 2
    [InlineData(6)]
    public void RemapGlobal_AfterInvalidation_SeesNewPage(int method)
    {
        using SystemMachine machine = Moves();
        machine.State.Cr4 |= Cr4.PGE;
        machine.ChangePte(Moving, Global, 0);
        machine.State.Gprs[Gpr.Rdi] |= Global;

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[rbx]);
            a.mov(__qword_ptr[rsi], rdi);
            switch (method)
            {
                case 0:
                    a.invlpg(__byte_ptr[rbx]);
                    break;
                case 2:
                    a.mov(ecx, 2);
                    a.invpcid(rcx, __xmmword_ptr[SystemMachine.Data + 0x100]);
                    break;
                default:
                    a.mov(rcx, cr4);
                    a.xor(rcx, (int)Cr4.PGE);
                    a.mov(cr4, rcx);
                    break;
            }

            a.mov(edx, __dword_ptr[rbx]);
        });

        Assert.Equal((1UL, 2UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rdx]));
    }

    [Theory]
    [InlineData(0)] // address in the other PCID
    [InlineData(1)] // the whole other PCID
    [InlineData(2)]
    [InlineData(3)]
    public void InvpcidOfOtherAddressSpace_ThenNoFlushSwitch_SeesNewPage(int type)
    {
        using SystemMachine machine = Moves();
        machine.State.Cr4 |= Cr4.PCIDE;
        machine.State.Cr3 |= 1;
        machine.Quad(SystemMachine.Data + 0x100) = 1;
        machine.Quad(SystemMachine.Data + 0x108) = Moving;

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[rbx]);
            a.mov(rcx, SystemMachine.Tables | 2);
            a.mov(cr3, rcx);
            a.mov(__qword_ptr[rsi], rdi);
            a.mov(ecx, type);
            a.invpcid(rcx, __xmmword_ptr[SystemMachine.Data + 0x100]);
            a.mov(rcx, SystemMachine.Tables | 1 | (1UL << 63));
            a.mov(cr3, rcx);
            a.mov(edx, __dword_ptr[rbx]);
            a.mov(rcx, cr3);
        });

        machine.AssertNoEvent();
        Assert.Equal((1UL, 2UL), (machine.State.Gprs[Gpr.Rax], machine.State.Gprs[Gpr.Rdx]));
        Assert.Equal(SystemMachine.Tables | 1, machine.State.Gprs[Gpr.Rcx]);
    }

    [Fact]
    public void PcidSwitch_ManyAddressSpaces_EachSeesItsOwnPage()
    {
        // More PCIDs than the cache has slots, each with tables of its own.
        const int spaces = 12;
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Cr4 |= Cr4.PCIDE;
        for (ulong i = 0; i < spaces; i++)
        {
            ulong tables = 0x700000 + (i * 0x4000);
            machine.Quad(tables) = (tables + 0x1000) | Pwu;
            machine.Quad(tables + 0x1000) = (tables + 0x2000) | Pwu;
            machine.Quad(tables + 0x2000) = machine.Quad(SystemMachine.Tables + 0x2000);
            machine.Quad(tables + 0x2010) = (tables + 0x3000) | Pwu;
            machine.Quad(tables + 0x3000) = (First + (i * 0x1000)) | Pwu;
            machine.Dword(First + (i * 0x1000)) = 1u << (int)i;
        }

        machine.State.Gprs[Gpr.Rbx] = 0x400000;
        machine.Start(a =>
        {
            for (int round = 0; round < 3; round++)
            {
                for (ulong i = 0; i < spaces; i++)
                {
                    a.mov(rcx, (0x700000 + (i * 0x4000)) | (i + 1) | (1UL << 63));
                    a.mov(cr3, rcx);
                    a.add(eax, __dword_ptr[rbx]);
                }
            }
        });

        machine.AssertNoEvent();
        Assert.Equal(3UL * ((1 << spaces) - 1), machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void RemapCode_AfterInvlpg_ExecutesNewPage()
    {
        using SystemMachine machine = Moves();
        machine.PlaceBytes(First, [0xB8, 1, 0, 0, 0, 0xC3]); // MOV EAX, 1; RET
        machine.PlaceBytes(Second, [0xB8, 2, 0, 0, 0, 0xC3]);

        machine.Start(a =>
        {
            for (int i = 0; i < 3; i++)
            {
                a.call(rbx);
            }

            a.mov(edx, eax);
            a.mov(__qword_ptr[rsi], rdi);
            a.invlpg(__byte_ptr[rbx]);
            a.call(rbx);
        });

        machine.AssertNoEvent();
        Assert.Equal((1UL, 2UL), (machine.State.Gprs[Gpr.Rdx], machine.State.Gprs[Gpr.Rax]));
    }

    [Fact]
    public void GrantRight_WithoutInvalidation_IsSeenByTheNextAccess()
    {
        // A fault drops the entry that caused it: SDM Vol. 3A, "Invalidation of TLBs and Paging-Structure Caches".
        using SystemMachine machine = new(GuestMode.Long);
        machine.ChangePte(SystemMachine.Data, 0, 2);
        ulong pte = machine.PteAddress(SystemMachine.Data);
        machine.SetGate((int)ExceptionVector.PageFault, 0x9000, Selector.Code64);
        machine.Place(0x9000, a =>
        {
            a.or(__qword_ptr[pte], 2);
            a.add(rsp, 8);
            a.iretq();
        });

        machine.Start(a =>
        {
            a.mov(eax, __dword_ptr[rbx]);
            a.mov(__dword_ptr[rbx], 9);
        });

        machine.AssertNoEvent();
        Assert.Equal(9u, machine.Dword(SystemMachine.Data));
    }

    private static SystemMachine Create(GuestPaging paging) =>
        new(paging == GuestPaging.FourLevel ? GuestMode.Long : GuestMode.Protected32, 0, paging);

    /// <summary>RBX = a page that holds 1; writing RDI to [RSI] makes it the one that holds 2.</summary>
    private static SystemMachine Moves()
    {
        SystemMachine machine = new(GuestMode.Long);
        machine.Quad(machine.PteAddress(Moving)) = First | 3;
        machine.Dword(First) = 1;
        machine.Dword(Second) = 2;
        machine.State.Gprs[Gpr.Rbx] = Moving;
        machine.State.Gprs[Gpr.Rsi] = machine.PteAddress(Moving);
        machine.State.Gprs[Gpr.Rdi] = Second | 3;
        return machine;
    }

    private static void SetEntry(SystemMachine machine, GuestPaging paging, ulong address, ulong value)
    {
        if (paging == GuestPaging.ThirtyTwoBit)
        {
            machine.Dword(address) = (uint)value;
        }
        else
        {
            machine.Quad(address) = value;
        }
    }
}
