using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Interpreter.Tests.System;

/// <summary>Loads of segment registers, limits and types. Intel SDM Vol. 3A, "Protection".</summary>
public sealed unsafe class SegmentTests
{
    private const int None = -1;
    private const int GP = (int)ExceptionVector.GeneralProtection;
    private const int SS = (int)ExceptionVector.StackFault;
    private const int NP = (int)ExceptionVector.SegmentNotPresent;
    private const ushort Custom = Selector.Free;

    [Theory]
    [InlineData(0, 0x0000, None, 0u)]
    [InlineData(0, 0x0003, None, 0u)]
    [InlineData(0, Selector.Data, None, 0u)]
    [InlineData(0, Selector.Data | 3, GP, (uint)Selector.Data)]
    [InlineData(0, Selector.UserData, None, 0u)]
    [InlineData(0, Selector.Code32, None, 0u)]
    [InlineData(0, Selector.ExecuteOnlyCode32, GP, (uint)Selector.ExecuteOnlyCode32)]
    [InlineData(0, Selector.AbsentData, NP, (uint)Selector.AbsentData)]
    [InlineData(0, Selector.Tss, GP, (uint)Selector.Tss)]
    [InlineData(0, 0x200, GP, 0x200u)]
    [InlineData(0, 0x000C, GP, 0x0Cu)] // LDT is null
    [InlineData(3, Selector.Data, GP, (uint)Selector.Data)]
    [InlineData(3, Selector.UserData, None, 0u)]
    [InlineData(3, Selector.ConformingCode32 | 3, None, 0u)]
    [InlineData(3, Selector.Code32 | 3, GP, (uint)Selector.Code32)]
    public void MovDs_Selector_IsChecked(int cpl, int selector, int vector, uint error)
    {
        using SystemMachine machine = Prepare(GuestMode.Protected32, cpl);
        machine.State.Gprs[Gpr.Rax] = (ulong)selector;
        ulong entry = machine.Entry;

        machine.Start(a =>
        {
            a.mov(ds, eax);
            a.@int(0x80);
        });

        machine.AssertEvent(
            (ExceptionVector)(vector == None ? 0x80 : vector), vector == None ? null : error, entry + (vector == None ? 4u : 0));
        Assert.Equal(
            vector == None ? (ushort)selector : machine.SegmentOf(cpl == 3 ? Selector.UserData : Selector.Data).Selector,
            machine.State.Ds.Selector);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, 0, 0x0000, GP, 0u)]
    [InlineData(GuestMode.Protected32, 0, Selector.Data, None, 0u)]
    [InlineData(GuestMode.Protected32, 0, Selector.Data | 1, GP, (uint)Selector.Data)]
    [InlineData(GuestMode.Protected32, 0, Selector.UserData, GP, 0x20u)]
    [InlineData(GuestMode.Protected32, 0, Selector.ReadOnlyData, GP, (uint)Selector.ReadOnlyData)]
    [InlineData(GuestMode.Protected32, 0, Selector.Code32, GP, (uint)Selector.Code32)]
    [InlineData(GuestMode.Protected32, 0, Selector.AbsentData, SS, (uint)Selector.AbsentData)]
    [InlineData(GuestMode.Protected32, 3, Selector.UserData, None, 0u)]
    [InlineData(GuestMode.Long, 0, 0x0000, None, 0u)]
    [InlineData(GuestMode.Long, 0, 0x0003, GP, 0u)]
    [InlineData(GuestMode.Long, 3, 0x0003, GP, 0u)]
    [InlineData(GuestMode.Compatibility, 0, 0x0000, GP, 0u)]
    public void MovSs_Selector_IsChecked(GuestMode mode, int cpl, int selector, int vector, uint error)
    {
        using SystemMachine machine = Prepare(mode, cpl);
        machine.State.Gprs[Gpr.Rax] = (ulong)selector;
        ulong entry = machine.Entry;

        machine.Start(a =>
        {
            a.db(0x8E, 0xD0); // MOV SS, AX
            a.@int(0x80);
        });

        machine.AssertEvent(
            (ExceptionVector)(vector == None ? 0x80 : vector), vector == None ? null : error, entry + (vector == None ? 4u : 0));
    }

    [Fact]
    public void MovCs_Always_IsInvalidOpcode()
    {
        using SystemMachine machine = Prepare(GuestMode.Protected32, 0);

        machine.Start(a => a.db(0x8E, 0xC8)); // MOV CS, AX

        machine.AssertFault(ExceptionVector.InvalidOpcode);
    }

    [Fact]
    public void Load_AccessedBitClear_IsSetInTable()
    {
        using SystemMachine machine = Prepare(GuestMode.Protected32, 0);
        machine.SetDescriptor(Custom, 0, 0xFFFFF, 0x92, SystemMachine.Flags32);
        machine.State.Gprs[Gpr.Rax] = Custom;

        machine.Start(a => a.mov(es, eax));

        Assert.Equal(0x93, *machine.At(SystemMachine.Gdt + Custom + 5));
        Assert.Equal(0x93u, machine.State.Es.Attributes & 0xFF);
    }

    [Fact]
    public void LoadFromLdt_DescriptorWithBase_AddsIt()
    {
        using SystemMachine machine = Prepare(GuestMode.Protected32, 0);
        machine.Quad(SystemMachine.Ldt + 8) = 0x0040_9300_0000_0000UL | (SystemMachine.Data << 16) | 0xFFF;
        machine.Dword(SystemMachine.Data + 0x10) = 0xCAFE;
        machine.State.Gprs[Gpr.Rax] = Selector.Ldt;
        machine.State.Gprs[Gpr.Rcx] = 0x0C;

        machine.Start(a =>
        {
            a.lldt(ax);
            a.mov(fs, ecx);
            a.mov(edx, __dword_ptr.fs[0x10]);
        });

        machine.AssertNoEvent();
        Assert.Equal(0xCAFEUL, machine.State.Gprs[Gpr.Rdx]);
    }

    /// <summary>Byte-granular limit FFH: expand-up allows 0..FF, expand-down 100..FFFFFFFF or 100..FFFF.</summary>
    [Theory]
    [InlineData(0x93u, 4u, 0xFCu, None)]
    [InlineData(0x93u, 4u, 0xFDu, GP)]
    [InlineData(0x93u, 4u, 0xFFFFFFFEu, GP)]
    [InlineData(0x97u, 4u, 0xFFu, GP)]
    [InlineData(0x97u, 4u, 0x100u, None)]
    [InlineData(0x97u, 4u, 0x20000u, None)]
    [InlineData(0x97u, 0u, 0x1000u, None)]
    [InlineData(0x97u, 0u, 0xFFFDu, GP)]
    [InlineData(0x97u, 0u, 0x10000u, GP)]
    public void Access_OffsetAgainstLimit_FaultsOutside(uint access, uint flags, uint offset, int vector)
    {
        foreach (SegmentIndex index in new[] { SegmentIndex.Es, SegmentIndex.Ss })
        {
            using SystemMachine machine = Prepare(GuestMode.Protected32, 0);
            machine.SetDescriptor(Custom, 0, 0xFF, access, flags);
            UseInnerStackForFaults(machine);
            machine.State.Segment(index) = machine.SegmentOf(Custom);
            machine.State.Gprs[Gpr.Rbx] = offset;

            machine.Start(a =>
            {
                AssemblerMemoryOperand operand = index == SegmentIndex.Es ? __dword_ptr.es[ebx] : __dword_ptr.ss[ebx];
                a.mov(eax, operand);
            });

            Assert.Equal(vector == None, machine.State.Tr.Selector == Selector.Tss);
            Assert.Equal(vector == None ? None : index == SegmentIndex.Ss ? SS : GP, FaultTask(machine));
        }
    }

    [Theory]
    [InlineData(Selector.Code32, false, None)]
    [InlineData(Selector.Code32, true, GP)]
    [InlineData(Selector.ReadOnlyData, false, None)]
    [InlineData(Selector.ReadOnlyData, true, GP)]
    [InlineData(0, false, GP)]
    [InlineData(0, true, GP)]
    public void Access_SegmentType_DecidesReadAndWrite(int selector, bool write, int vector)
    {
        using SystemMachine machine = Prepare(GuestMode.Protected32, 0);
        machine.State.Gprs[Gpr.Rax] = (ulong)selector;

        machine.Start(a =>
        {
            a.mov(ds, eax);
            if (write)
            {
                a.mov(__dword_ptr[ebx], eax);
            }
            else
            {
                a.mov(ecx, __dword_ptr[ebx]);
            }
        });

        Assert.Equal((vector, vector == None ? null : 0u), (machine.Vector, machine.Frame.ErrorCode));
        Assert.Equal(vector == None ? 0 : SystemMachine.Code + 2, machine.Frame.Rip);
    }

    [Fact]
    public void Write_ThroughCs_IsGeneralProtection()
    {
        using SystemMachine machine = Prepare(GuestMode.Protected32, 0);

        machine.Start(a => a.mov(__dword_ptr.cs[ebx], eax));

        machine.AssertFault(ExceptionVector.GeneralProtection, 0);
    }

    [Theory]
    [InlineData(0x0000_7FFF_FFFF_FFFDUL, false, GP)] // its last byte is not canonical
    [InlineData(0x0000_8000_0000_0000UL, false, GP)]
    [InlineData(0xFFFF_7FFF_FFFF_FFFCUL, false, GP)]
    [InlineData(0x0000_8000_0000_0000UL, true, SS)]
    [InlineData(0xFFFF_8000_0000_0000UL, false, (int)ExceptionVector.PageFault)]
    [InlineData(0xFFFF_8000_0000_0000UL, true, (int)ExceptionVector.PageFault)]
    public void Access_NonCanonical_FaultsBySegment(ulong address, bool stack, int vector)
    {
        using SystemMachine machine = Prepare(GuestMode.Long, 0);
        machine.State.Gprs[Gpr.Rbx] = machine.State.Gprs[Gpr.Rbp] = address;

        machine.Start(a => a.mov(eax, stack ? __dword_ptr[rbp] : __dword_ptr[rbx]));

        machine.AssertFault((ExceptionVector)vector, 0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Stack_NonCanonical_IsStackFault(int instruction)
    {
        using SystemMachine machine = Prepare(GuestMode.Long, 0);
        machine.Quad(SystemMachine.Tss + 36) = SystemMachine.InnerStack;
        machine.SetGate(SS, SystemMachine.Handlers + (SS * 16), Selector.Code64, ist: 1);
        machine.State.Gprs[Gpr.Rsp] = 0x0000_8000_0000_0000;

        machine.Start(a => _ = instruction switch { 0 => Emit(a, 0x58), 1 => Emit(a, 0xC3), _ => Emit(a, 0x48, 0xCF) }); // POP, RET, IRETQ

        machine.AssertFault(ExceptionVector.StackFault, 0);
    }

    [Theory]
    [InlineData(GuestMode.Protected32, 0x9000UL)]
    [InlineData(GuestMode.Protected32, 0xFFFF_0000UL)]
    public void Jump_BeyondCodeLimit_IsGeneralProtection(GuestMode mode, ulong target)
    {
        using SystemMachine machine = Prepare(mode, 0);
        machine.State.Cs.Limit = 0x8FFF;
        machine.State.Gprs[Gpr.Rax] = target;

        machine.Start(a => a.jmp(eax));

        Assert.Equal((GP, 0u), (machine.Vector, machine.Frame.ErrorCode));
        Assert.Equal(SystemMachine.Code, machine.Frame.Rip);
    }

    [Theory]
    [InlineData(0x7FFFUL, GP)]
    [InlineData(0x7FFEUL, None)]
    public void Word_AtEndOfRealModeSegment_DoesNotWrap(ulong offset, int vector)
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.State.Gprs[Gpr.Rbx] = offset + 0x8000;

        machine.Start(a => a.mov(ax, __word_ptr[bx]));

        Assert.Equal(vector, machine.Vector);
    }

    [Fact]
    public void Push_RealModeStackPointerZero_Wraps()
    {
        using SystemMachine machine = new(GuestMode.Real);
        machine.State.Gprs[Gpr.Rsp] = 0xABCD_0000;
        machine.State.Gprs[Gpr.Rax] = 0x1234;

        machine.Start(a => a.push(ax));

        Assert.Equal(0x1234, machine.Word(0xFFFE));
        Assert.Equal(0xABCD_FFFEUL, machine.State.Gprs[Gpr.Rsp]);
    }

    private static int Emit(Assembler a, params byte[] code)
    {
        a.db(code);
        return code.Length;
    }

    private static SystemMachine Prepare(GuestMode mode, int cpl)
    {
        SystemMachine machine = new(mode, cpl);
        machine.SetGate(0x80, SystemMachine.Handlers + 0x800, mode == GuestMode.Protected32 ? Selector.Code32 : Selector.Code64, dpl: 3);
        return machine;
    }

    /// <summary>#GP and #SS enter a task with a stack that works, whatever SS is; EAX of the task is the vector.</summary>
    private static void UseInnerStackForFaults(SystemMachine machine)
    {
        for (int i = 0; i < 2; i++)
        {
            int vector = i == 0 ? GP : SS;
            ulong tss = SystemMachine.OtherTss + ((ulong)i * 0x80);
            ushort selector = (ushort)(Selector.Free + 8 + (i * 8));
            machine.SetDescriptor(selector, (uint)tss, 0x67, 0x89, 0);
            machine.SetGate(vector, 0, selector, type: 5);
            machine.Dword(tss + 32) = 0x9000;
            machine.Dword(tss + 36) = 2;
            machine.Dword(tss + 40) = (uint)vector;
            machine.Dword(tss + 56) = 0xF000;
            machine.Dword(tss + 76) = Selector.Code32;
            machine.Dword(tss + 80) = Selector.Data;
        }

        machine.PlaceBytes(0x9000, [0x90]);
    }

    private static int FaultTask(SystemMachine machine) =>
        machine.State.Tr.Selector == Selector.Tss ? None : (int)machine.State.Gprs[Gpr.Rax];
}
