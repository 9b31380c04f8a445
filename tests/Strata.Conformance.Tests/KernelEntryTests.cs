using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>
/// Entering a 32-bit kernel and leaving it: SYSENTER, SYSEXIT, segment registers and flags from the stack. Translated code does it by what
/// it has learnt from the interpreter, so each program goes round a few times.
/// </summary>
public sealed unsafe class KernelEntryTests : IDisposable
{
    private const ushort Custom = Selector.Free;
    private const ulong Return = SystemMachine.UserCode + 0x100;
    private const uint Base = (uint)SystemMachine.Data;
    private const uint OtherBase = Base + 0x2000;
    private const uint Rounds = 20;

    private readonly List<SystemMachine> _machines = [];

    public void Dispose() => _machines.ForEach(machine => machine.Dispose());

    /// <summary>The kernel's way in and out, with everything that a kernel of 32 bits does on it.</summary>
    [Theory]
    [InlineData(GuestPaging.Off)]
    [InlineData(GuestPaging.ThirtyTwoBit)]
    [InlineData(GuestPaging.Pae)]
    public void SystemCalls_ManyTimes_StayTranslatedAndAgree(GuestPaging paging)
    {
        SystemMachine expected = RunSystemCalls(CreateInterpreter(cpl: 3, paging));
        SystemMachine actual = RunSystemCalls(CreateTranslator(cpl: 3, paging));

        IReadOnlyList<long> interpreted = ((Translator)actual.Engine).Counters.Interpreted;
        Code[] kernelEntry = [
            Code.Sysenter, Code.Sysexitd, Code.Mov_Sreg_r32m16, Code.Mov_Sreg_rm16, Code.Popd_DS, Code.Popd_ES, Code.Popd_FS, Code.Pushd_DS,
            Code.Popfd];
        Assert.Empty(StateComparison.Compare(expected.State, actual.State, 0));
        Assert.Equal((Rounds, Rounds), (expected.Dword(Base + 4), actual.Dword(Base + 4)));
        Assert.InRange(kernelEntry.Sum(code => interpreted[(int)code]), 0, 12);
    }

    [Fact]
    public void Load_DescriptorChangedInBetween_TakesTheNewOne()
    {
        SystemMachine machine = CreateTranslator();
        machine.Dword(Base) = 1;
        machine.Dword(OtherBase) = 100;
        machine.State.Gprs[Gpr.Rsi] = SystemMachine.Gdt + Custom + 3; // bits 16..23 of the base, and 8..15 below
        machine.State.Gprs[Gpr.Rcx] = Rounds;

        machine.Start(a => LoadAndAdd(a, () => a.mov(__byte_ptr[esi], (OtherBase >> 8) & 0xFF)));

        Assert.Equal(Rounds + 100UL, machine.State.Gprs[Gpr.Rax]);
    }

    [Fact]
    public void Load_DescriptorMadeAbsentInBetween_Faults()
    {
        SystemMachine machine = CreateTranslator();
        machine.State.Gprs[Gpr.Rsi] = SystemMachine.Gdt + Custom + 5;
        machine.State.Gprs[Gpr.Rcx] = Rounds;

        machine.Start(a => LoadAndAdd(a, () => a.and(__byte_ptr[esi], 0x7F)));

        Assert.Equal(((int)ExceptionVector.SegmentNotPresent, (uint?)Custom), (machine.Vector, machine.Frame.ErrorCode));
    }

    [Fact]
    public void Load_BehindTheTablesNewLimit_Faults()
    {
        SystemMachine machine = CreateTranslator();
        machine.Word(Base + 0x100) = Custom - 1;
        machine.Dword(Base + 0x102) = (uint)SystemMachine.Gdt;
        machine.State.Gprs[Gpr.Rcx] = Rounds;

        machine.Start(a => LoadAndAdd(a, () => a.lgdt(__[Base + 0x100])));

        Assert.Equal(((int)ExceptionVector.GeneralProtection, (uint?)Custom), (machine.Vector, machine.Frame.ErrorCode));
    }

    [Fact]
    public void Access_ThroughANullSegmentLoadedManyTimes_Faults()
    {
        SystemMachine machine = CreateTranslator();
        machine.State.Gprs[Gpr.Rcx] = Rounds;
        machine.State.Gprs[Gpr.Rbx] = 0;

        machine.Start(a =>
        {
            Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.mov(eax, Custom);
            a.mov(fs, ax);
            a.mov(edx, __dword_ptr.fs[0]);
            a.mov(fs, bx);
            a.dec(ecx);
            a.jnz(loop);
            a.mov(edx, __dword_ptr.fs[0]);
        });

        Assert.Equal(
            ((int)ExceptionVector.GeneralProtection, 0UL, (ushort)0),
            (machine.Vector, machine.State.Gprs[Gpr.Rcx], machine.State.Fs.Selector));
    }

    /// <summary>A segment with a limit of its own for DS, loaded by FS before: DS with it is nothing for translated code.</summary>
    [Fact]
    public void Load_OfDsWithASelectorThatFsKnows_KeepsItsLimit()
    {
        SystemMachine machine = CreateTranslator();
        machine.SetDescriptor(Custom, 0, 0xFFF, SystemMachine.DataAccess, flags: 4);
        machine.State.Gprs[Gpr.Rcx] = Rounds;

        machine.Start(a =>
        {
            Label loop = a.CreateLabel();
            a.mov(eax, Custom);
            a.Label(ref loop);
            a.mov(fs, ax);
            a.dec(ecx);
            a.jnz(loop);
            a.mov(ds, ax);
            a.mov(edx, __dword_ptr[0x1000]);
        });

        Assert.Equal(((int)ExceptionVector.GeneralProtection, Custom), (machine.Vector, machine.State.Ds.Selector));
    }

    /// <summary>Every flag that POPF changes, and those that it does not.</summary>
    [Theory]
    [InlineData(GuestMode.Protected32, 0x0000_0000u)]
    [InlineData(GuestMode.Protected32, 0x0000_08D5u)]
    [InlineData(GuestMode.Protected32, 0x0020_3E02u)]
    [InlineData(GuestMode.Protected32, 0x0000_4000u)]
    [InlineData(GuestMode.Protected32, 0x003F_7ED7u)]
    [InlineData(GuestMode.Long, 0x0000_08D5u)]
    [InlineData(GuestMode.Long, 0x0020_3E02u)]
    [InlineData(GuestMode.Long, 0x003F_7ED7u)]
    public void Popf_InTheKernel_ChangesWhatTheInterpreterChanges(GuestMode mode, uint flags)
    {
        SystemMachine expected = PopFlags(CreateInterpreter(mode: mode), mode, flags);
        SystemMachine actual = PopFlags(CreateTranslator(mode: mode), mode, flags);

        Assert.Empty(StateComparison.Compare(expected.State, actual.State, 0));
    }

    [Theory]
    [InlineData(GuestMode.Protected32)]
    [InlineData(GuestMode.Long)]
    public void Popf_InterruptWaiting_LetsItInBehindItself(GuestMode mode)
    {
        SystemMachine machine = CreateTranslator(mode: mode);
        machine.Apic.Vector = 0x40;

        PopFlags(machine, mode, (uint)RFlags.IF);

        Assert.Equal((0x40, 7UL), (machine.Vector, machine.State.Gprs[Gpr.Rbx]));
    }

    private static SystemMachine PopFlags(SystemMachine machine, GuestMode mode, uint flags)
    {
        machine.State.Gprs[Gpr.Rax] = flags;
        machine.State.Gprs[Gpr.Rbx] = 7;
        machine.Start(a =>
        {
            if (mode == GuestMode.Long)
            {
                a.push(rax);
                a.popfq();
            }
            else
            {
                a.push(eax);
                a.popfd();
            }

            a.mov(ebx, 8);
            a.nop();
        });
        return machine;
    }

    /// <summary>Loads FS from the custom selector again and again; in the round before the last one, something else happens.</summary>
    private static void LoadAndAdd(Assembler a, Action change)
    {
        Label loop = a.CreateLabel();
        Label skip = a.CreateLabel();
        a.xor(eax, eax);
        a.mov(edx, Custom);
        a.Label(ref loop);
        a.mov(fs, dx);
        a.add(eax, __dword_ptr.fs[0]);
        a.cmp(ecx, 1);
        a.jne(skip);
        change();
        a.Label(ref skip);
        a.dec(ecx);
        a.jns(loop);
    }

    private static SystemMachine RunSystemCalls(SystemMachine machine)
    {
        machine.State.SysenterCs = 0xB0; // neither instruction looks into the GDT
        machine.State.SysenterEsp = SystemMachine.InnerStack;
        machine.State.SysenterEip = SystemMachine.Code;
        machine.State.Gprs[Gpr.Rsi] = Rounds;
        machine.Place(SystemMachine.Code, a =>
        {
            a.pushfd();
            a.push(ds);
            a.push(es);
            a.push(fs);
            a.mov(eax, Selector.Data);
            a.mov(ds, ax);
            a.mov(es, ax);
            a.mov(eax, Custom);
            a.mov(fs, ax);
            a.inc(__dword_ptr.fs[4]);
            a.pop(fs);
            a.pop(es);
            a.pop(ds);
            a.popfd();
            a.mov(edx, (uint)Return);
            a.mov(ecx, (uint)SystemMachine.UserStack);
            a.sysexit();
        }, bitness: 32);
        machine.Place(Return, a =>
        {
            Label end = a.CreateLabel();
            a.dec(esi);
            a.jz(end);
            a.sysenter();
            a.Label(ref end);
            a.hlt(); // its fault ends the program
        }, bitness: 32);
        machine.Start(a => a.sysenter());
        return machine;
    }

    private SystemMachine CreateTranslator(
        int cpl = 0, GuestPaging paging = GuestPaging.ThirtyTwoBit, GuestMode mode = GuestMode.Protected32) =>
        Add(new SystemMachine(mode, cpl, paging, wiring => new Translator(wiring, new TranslatorOptions { ExactFlags = true })));

    private SystemMachine CreateInterpreter(
        int cpl = 0, GuestPaging paging = GuestPaging.ThirtyTwoBit, GuestMode mode = GuestMode.Protected32) =>
        Add(new SystemMachine(mode, cpl, paging));

    private SystemMachine Add(SystemMachine machine)
    {
        machine.SetDescriptor(Custom, Base, 0xFFFFF, SystemMachine.DataAccess, SystemMachine.Flags32);
        _machines.Add(machine);
        return machine;
    }
}
