using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Privilege checks, control registers and MSRs. Intel SDM Vol. 2, the instructions' "Exceptions" sections.</summary>
public sealed unsafe class PrivilegedInstructionTests
{
    private const int None = -1;
    private const int GP = (int)ExceptionVector.GeneralProtection;
    private const int UD = (int)ExceptionVector.InvalidOpcode;

    public static TheoryData<byte[]> PrivilegedInstructions => new(
        new byte[] { 0xF4 }, // HLT
        new byte[] { 0x0F, 0x06 }, // CLTS
        new byte[] { 0x0F, 0x08 }, // INVD
        new byte[] { 0x0F, 0x09 }, // WBINVD
        new byte[] { 0x0F, 0x20, 0xC0 }, // MOV RAX, CR0
        new byte[] { 0x0F, 0x22, 0xC0 }, // MOV CR0, RAX
        new byte[] { 0x0F, 0x20, 0xD8 }, // MOV RAX, CR3
        new byte[] { 0x0F, 0x21, 0xC0 }, // MOV RAX, DR0
        new byte[] { 0x0F, 0x23, 0xC0 }, // MOV DR0, RAX
        new byte[] { 0x0F, 0x30 }, // WRMSR
        new byte[] { 0x0F, 0x32 }, // RDMSR
        new byte[] { 0x0F, 0x01, 0x13 }, // LGDT [RBX]
        new byte[] { 0x0F, 0x01, 0x1B }, // LIDT [RBX]
        new byte[] { 0x0F, 0x01, 0x3B }, // INVLPG [RBX]
        new byte[] { 0x0F, 0x01, 0xF0 }, // LMSW AX
        new byte[] { 0x66, 0x0F, 0x38, 0x82, 0x03 }, // INVPCID RAX, [RBX]
        new byte[] { 0x0F, 0x35 }); // SYSEXIT

    [Theory]
    [MemberData(nameof(PrivilegedInstructions))]
    public void Privileged_FromUser_IsGeneralProtection(byte[] code)
    {
        using SystemMachine machine = new(GuestMode.Long, 3);
        machine.State.SysenterCs = Selector.Code64;

        machine.Start(a => a.db(code));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Theory]
    [MemberData(nameof(PrivilegedInstructions))]
    public void Privileged_InVirtual8086Mode_IsGeneralProtection(byte[] code)
    {
        using SystemMachine machine = new(GuestMode.Virtual8086);
        machine.State.SysenterCs = Selector.Code64;
        machine.State.Rflags |= RFlags.IOPL;

        machine.Start(a => a.db(code));

        machine.AssertEvent(ExceptionVector.GeneralProtection, 0, 0);
    }

    [Theory]
    [InlineData(new byte[] { 0x0F, 0x00, 0xD0 })] // LLDT AX
    [InlineData(new byte[] { 0x0F, 0x00, 0xD8 })] // LTR AX
    [InlineData(new byte[] { 0x0F, 0x00, 0xC0 })] // SLDT AX
    [InlineData(new byte[] { 0x0F, 0x00, 0xC8 })] // STR AX
    [InlineData(new byte[] { 0x0F, 0x00, 0xE0 })] // VERR AX
    [InlineData(new byte[] { 0x0F, 0x02, 0xC0 })] // LAR AX, AX
    [InlineData(new byte[] { 0x0F, 0x03, 0xC0 })] // LSL AX, AX
    [InlineData(new byte[] { 0x63, 0xC0 })] // ARPL AX, AX
    public void ProtectedModeOnly_InRealAndVirtual8086Mode_IsInvalidOpcode(byte[] code)
    {
        foreach (GuestMode mode in new[] { GuestMode.Real, GuestMode.Virtual8086 })
        {
            using SystemMachine machine = new(mode);

            machine.Start(a => a.db(code));

            Assert.Equal(UD, machine.Vector);
        }
    }

    [Theory]
    [InlineData(0UL, None)]
    [InlineData(Cr4.UMIP, GP)]
    public void StoreTableRegisters_UserModeInstructionPrevention_Faults(ulong umip, int vector)
    {
        byte[][] instructions = [[0x0F, 0x01, 0x03], [0x0F, 0x01, 0x0B], [0x0F, 0x00, 0xC0], [0x0F, 0x00, 0xC8], [0x0F, 0x01, 0xE0]];
        foreach (byte[] code in instructions)
        {
            using SystemMachine machine = new(GuestMode.Long, 3);
            machine.State.Cr4 |= umip;

            machine.Start(a =>
            {
                a.db(code);
                a.db(0x0F, 0x0B);
            });

            Assert.Equal(vector == None ? UD : GP, machine.Vector);
        }
    }

    [Theory]
    [InlineData(0, 0x0000_0001_8000_0011UL)] // upper half
    [InlineData(0, Cr0.PG | Cr0.ET)] // PG without PE
    [InlineData(0, Cr0.PG | Cr0.PE | Cr0.NW)] // NW without CD
    [InlineData(0, Cr0.PE | Cr0.ET)] // paging off in 64-bit mode
    [InlineData(3, 1UL << 46)]
    [InlineData(3, 1UL << 63)] // no-flush without PCIDE
    [InlineData(4, Cr4.OSFXSR)] // PAE off in long mode
    [InlineData(4, Cr4.PAE | (1UL << 15))]
    [InlineData(4, Cr4.PAE | (1UL << 40))]
    [InlineData(4, Cr4.PAE | Cr4.LA57)]
    [InlineData(8, 0x10UL)]
    public void MovToControl_InvalidValue_IsGeneralProtection(int register, ulong value)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Gprs[Gpr.Rax] = value;
        ulong before = machine.State.Cr4;

        machine.Start(a => a.db(register == 8 ? (byte)0x44 : (byte)0x48, 0x0F, 0x22, (byte)(0xC0 | ((register & 7) << 3))));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
        Assert.Equal((SystemMachine.Tables, before), (machine.State.Cr3, machine.State.Cr4));
    }

    [Fact]
    public void MovToCr4_PcideWithPcidInCr3_IsGeneralProtection()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Cr3 |= 5;
        machine.State.Gprs[Gpr.Rax] = machine.State.Cr4 | Cr4.PCIDE;

        machine.Start(a => a.mov(cr4, rax));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void MovToCr4_PcideOutsideLongMode_IsGeneralProtection()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Gprs[Gpr.Rax] = machine.State.Cr4 | Cr4.PCIDE;

        machine.Start(a => a.mov(cr4, eax));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(7)]
    public void MovFromControl_NoSuchRegister_IsInvalidOpcode(int register)
    {
        using SystemMachine machine = new(GuestMode.Long);

        machine.Start(a => a.db(0x0F, 0x20, (byte)(0xC0 | (register << 3))));

        machine.AssertFault(ExceptionVector.InvalidOpcode);
    }

    [Fact]
    public void MovToCr0_PagingWithLongModeEnabledWithoutPae_IsGeneralProtection()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.EferMsr = Efer.LME;
        machine.State.Gprs[Gpr.Rax] = machine.State.Cr0 | Cr0.PG;

        machine.Start(a => a.mov(cr0, eax));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void MovToCr3_PaePointerWithReservedBit_IsGeneralProtection()
    {
        using SystemMachine machine = new(GuestMode.Protected32, 0, GuestPaging.Pae);
        machine.Quad(SystemMachine.Tables) |= 2;
        machine.State.Gprs[Gpr.Rax] = SystemMachine.Tables;

        machine.Start(a => a.mov(cr3, eax));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Fact]
    public void EnableLongMode_FromProtectedMode_ReachesSixtyFourBitCode()
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Cr4 |= Cr4.PAE;
        machine.State.Gprs[Gpr.Rcx] = 0xC0000080;
        machine.Quad(SystemMachine.Tables) |= 2;
        machine.PlaceBytes(0x9000, [0x48, 0xFF, 0xC8]); // DEC RAX

        machine.Start(a =>
        {
            a.mov(eax, (uint)Efer.LME);
            a.xor(edx, edx);
            a.wrmsr();
            a.mov(eax, cr0);
            a.or(eax, unchecked((int)0x80000000));
            a.mov(cr0, eax);
            a.rdmsr();
            a.mov(esi, eax);
            a.xor(eax, eax);
            a.db(0xEA, 0x00, 0x90, 0x00, 0x00, (byte)Selector.Code64, 0x00); // JMP FAR
        });

        machine.AssertNoEvent();
        Assert.Equal(Efer.LME | Efer.LMA, machine.State.Gprs[Gpr.Rsi]);
        Assert.Equal(ulong.MaxValue, machine.State.Gprs[Gpr.Rax]);
    }

    [Theory]
    [InlineData(0x12345678u, 0UL)] // no such MSR
    [InlineData(0xFEu, 0UL)] // IA32_MTRRCAP is read-only
    [InlineData(0xC0000080u, 0x500UL)] // clears EFER.SCE, NXE: allowed; see the upper bit below
    [InlineData(0xC0000080u, 1UL << 63)]
    [InlineData(0xC0000080u, Efer.NXE)] // LME may not change while paging is on
    [InlineData(0xC0000082u, 0x8000_0000_0000UL)] // LSTAR
    [InlineData(0xC0000083u, 0x8000_0000_0000UL)]
    [InlineData(0xC0000100u, 0x8000_0000_0000UL)] // FS.base
    [InlineData(0xC0000102u, 0xFFFF_0000_0000_0000UL)]
    [InlineData(0xC0000084u, 1UL << 32)] // FMASK
    [InlineData(0x175u, 0x8000_0000_0000UL)] // SYSENTER_ESP
    [InlineData(0x176u, 0x8000_0000_0000UL)]
    [InlineData(0x277u, 0x0007_0406_0007_0402UL)] // PAT type 2
    [InlineData(0x277u, 0x0807_0406_0007_0406UL)]
    public void Wrmsr_InvalidIndexOrValue_IsGeneralProtection(uint index, ulong value)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Gprs[Gpr.Rcx] = index;
        machine.State.Gprs[Gpr.Rax] = (uint)value;
        machine.State.Gprs[Gpr.Rdx] = value >> 32;
        bool allowed = value == 0x500;

        machine.Start(a => a.wrmsr());

        Assert.Equal((allowed ? None : GP, allowed ? null : 0u), (machine.Vector, machine.Frame.ErrorCode));
    }

    [Fact]
    public void Rdmsr_NoSuchIndex_IsGeneralProtectionAndKeepsRegisters()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.State.Gprs[Gpr.Rcx] = 0x12345678;
        machine.State.Gprs[Gpr.Rax] = 0xAAAA_BBBB_CCCC_DDDD;

        machine.Start(a => a.rdmsr());

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
        Assert.Equal(0xAAAA_BBBB_CCCC_DDDD, machine.State.Gprs[Gpr.Rax]);
    }

    [Theory]
    [InlineData(0, Cr4.TSD, false, None)]
    [InlineData(3, 0UL, false, UD)]
    [InlineData(3, Cr4.TSD, false, GP)]
    [InlineData(3, Cr4.TSD, true, GP)]
    [InlineData(3, 0UL, true, UD)]
    public void Rdtsc_TimeStampDisable_FaultsOnlyForUser(int cpl, ulong disable, bool withProcessor, int vector)
    {
        using SystemMachine machine = new(GuestMode.Long, cpl);
        machine.State.Cr4 |= disable;

        machine.Start(a =>
        {
            a.db(withProcessor ? [0x0F, 0x01, 0xF9] : [0x0F, 0x31]);
            a.db(cpl == 3 ? [0x0F, 0x0B] : new byte[] { 0x90 });
        });

        Assert.Equal(vector, machine.Vector);
    }

    [Theory]
    [InlineData(4UL, 0UL, 0UL)] // no such type
    [InlineData(0UL, 0x1000UL, 0UL)] // reserved bits of the descriptor
    [InlineData(2UL, 0x1000UL, 0UL)]
    [InlineData(3UL, 1UL << 63, 0UL)]
    [InlineData(0UL, 1UL, 0UL)] // a PCID without CR4.PCIDE
    [InlineData(1UL, 1UL, 0UL)]
    [InlineData(0UL, 0UL, 0x8000_0000_0000UL)] // linear address not canonical
    public void Invpcid_InvalidOperand_IsGeneralProtection(ulong type, ulong pcid, ulong address)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Quad(SystemMachine.Data) = pcid;
        machine.Quad(SystemMachine.Data + 8) = address;
        machine.State.Gprs[Gpr.Rax] = type;

        machine.Start(a => a.invpcid(rax, __xmmword_ptr[rbx]));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Theory]
    [InlineData(Selector.Tss & ~7, 0x89u, 0u, None, 0u)]
    [InlineData(Selector.Tss, 0x8Bu, 0u, GP, (uint)Selector.Tss)] // busy
    [InlineData(Selector.Tss, 0x09u, 0u, (int)ExceptionVector.SegmentNotPresent, (uint)Selector.Tss)]
    [InlineData(Selector.Tss, 0x81u, 0u, GP, (uint)Selector.Tss)] // a 16-bit TSS does not exist in long mode
    [InlineData(Selector.Tss, 0x89u, 0x0000_8000u, GP, (uint)Selector.Tss)] // base not canonical
    [InlineData(0, 0x89u, 0u, GP, 0u)]
    [InlineData(0x4C, 0x89u, 0u, GP, 0x4Cu)] // in the LDT
    [InlineData(0x1F8, 0x89u, 0u, GP, 0x1F8u)] // its second half is outside the table
    public void Ltr_Descriptor_IsChecked(int selector, uint access, uint upper, int vector, uint error)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetDescriptor(0x1F8, 0, 0x67, access, 0);
        machine.SetDescriptor(Selector.Tss, (uint)SystemMachine.Tss, 0x7FF, access, 0);
        machine.Dword(SystemMachine.Gdt + Selector.Tss + 8) = upper;
        machine.State.Gprs[Gpr.Rax] = (ulong)selector;

        machine.Start(a => a.ltr(ax));

        Assert.Equal((vector, vector == None ? null : error), (machine.Vector, machine.Frame.ErrorCode));
        Assert.Equal(vector == None ? 0x8B : (byte)access, *machine.At(SystemMachine.Gdt + Selector.Tss + 5));
    }

    [Fact]
    public void Ltr_TypeInUpperHalf_IsGeneralProtection()
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.SetDescriptor(Selector.Tss, (uint)SystemMachine.Tss, 0x7FF, 0x89, 0);
        machine.Dword(SystemMachine.Gdt + Selector.Tss + 12) = 0x900;
        machine.State.Gprs[Gpr.Rax] = Selector.Tss;

        machine.Start(a => a.ltr(ax));

        machine.AssertFault(ExceptionVector.GeneralProtection, Selector.Tss);
    }

    [Theory]
    [InlineData(Selector.Data, ZF, 0x00CF9300UL)]
    [InlineData(Selector.Data | 3, 0UL, 0UL)] // RPL above DPL
    [InlineData(Selector.AbsentData, ZF, 0x00CF1300UL)]
    [InlineData(Selector.Ldt, ZF, 0x00008200UL)]
    [InlineData(0, 0UL, 0UL)]
    [InlineData(0x200, 0UL, 0UL)]
    public void Lar_Selector_GivesRightsOrClearsZero(int selector, ulong zero, ulong rights)
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Gprs[Gpr.Rax] = (ulong)selector;
        machine.State.Rflags |= ZF ^ zero;

        machine.Start(a => a.lar(ecx, eax));

        Assert.Equal(zero, machine.State.Rflags & ZF);
        Assert.Equal(rights & 0xF0FF00, machine.State.Gprs[Gpr.Rcx] & 0xF0FF00); // bits 16..19 are undefined
    }

    [Theory]
    [InlineData(Selector.Data, 0xFFFFFFFFUL, true)]
    [InlineData(Selector.Tss, 0x7FFUL, true)]
    [InlineData(Selector.Free, 0UL, false)] // a call gate has no limit
    public void Lsl_Selector_GivesByteLimitOrClearsZero(int selector, ulong limit, bool zero)
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.SetCallGate(Selector.Free, 0x9000, Selector.Code32);
        machine.State.Gprs[Gpr.Rax] = (ulong)selector;

        machine.Start(a => a.lsl(ecx, eax));

        Assert.Equal((limit, zero), (machine.State.Gprs[Gpr.Rcx], (machine.State.Rflags & ZF) != 0));
    }

    [Theory]
    [InlineData(Selector.Data, true, true)]
    [InlineData(Selector.ReadOnlyData, true, false)]
    [InlineData(Selector.Code32, true, false)]
    [InlineData(Selector.ExecuteOnlyCode32, false, false)]
    [InlineData(Selector.ConformingCode32 | 3, true, false)]
    [InlineData(Selector.Data | 3, false, false)]
    [InlineData(Selector.Tss, false, false)]
    public void VerrVerw_Selector_SetZeroIfAllowed(int selector, bool readable, bool writable)
    {
        using SystemMachine machine = new(GuestMode.Protected32);
        machine.State.Gprs[Gpr.Rax] = (ulong)selector;

        machine.Start(a =>
        {
            a.verr(ax);
            a.setz(cl);
            a.verw(ax);
            a.setz(dl);
        });

        Assert.Equal((readable ? 1UL : 0, writable ? 1UL : 0), (machine.State.Gprs[Gpr.Rcx] & 0xFF, machine.State.Gprs[Gpr.Rdx] & 0xFF));
    }

    [Theory]
    [InlineData(0x8000_0000_0000UL, GP)]
    [InlineData(0xFFFF_8000_0000_0000UL, None)]
    public void Lgdt_BaseMustBeCanonical(ulong address, int vector)
    {
        using SystemMachine machine = new(GuestMode.Long);
        machine.Word(SystemMachine.Data) = 0xFFF;
        machine.Quad(SystemMachine.Data + 2) = address;

        machine.Start(a => a.db(0x0F, 0x01, 0x13));

        Assert.Equal(vector, machine.Vector);
    }

    private const ulong ZF = RFlags.ZF;
}
