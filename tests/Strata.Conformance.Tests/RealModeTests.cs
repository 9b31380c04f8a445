using Iced.Intel;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;
using Strata.X86.Translator;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Conformance.Tests;

/// <summary>
/// Programs of real mode whose far branches, interrupts and segment registers stay in translated code: the same as on the interpreter, and
/// executed by it only while a segment is new.
/// </summary>
public sealed unsafe class RealModeTests
{
    private const ushort OtherSegment = 0x0910;
    private const ushort Routine = 0x0020;
    private const byte Vector = 0x60;
    private const int Rounds = 50;

    /// <summary>Executions of an instruction until its target is known and the loop's block translated.</summary>
    private const long WhileNew = 4;

    [Fact]
    public void FarCallAndReturn_InALoop_StayInTranslatedCode() => Compare(
        Loop(a => a.db([0x9A, 0x20, 0x00, 0x10, 0x09])), // call 0910:0020
        routine =>
        {
            routine.inc(ax);
            routine.retf();
        },
        Code.Call_ptr1616,
        Code.Retfw);

    [Fact]
    public void FarCallThroughMemory_InALoop_StaysInTranslatedCode() => Compare(
        Loop(a =>
        {
            a.mov(__word_ptr[0x7000], Routine);
            a.mov(__word_ptr[0x7002], OtherSegment);
            a.db([0xFF, 0x1E, 0x00, 0x70]); // call far [7000h]
        }),
        routine =>
        {
            routine.inc(ax);
            routine.push(cs);
            routine.pop(es);
            routine.retf(0);
        },
        Code.Call_m1616,
        Code.Retfw_imm16);

    [Fact]
    public void Interrupt_InALoop_StaysInTranslatedCode() => Compare(
        Loop(a =>
        {
            a.stc();
            a.@int(Vector);
        }),
        routine =>
        {
            routine.push(ds);
            routine.push(bp);
            routine.mov(bp, sp);
            routine.adc(ax, 0x1234);
            routine.mov(ds, ax);
            routine.and(__word_ptr[bp + 8], 0xFFFE); // CF of the caller
            routine.pop(bp);
            routine.pop(ds);
            routine.iret();
        },
        Code.Int_imm8,
        Code.Iretw);

    [Fact]
    public void SegmentRegisters_InALoop_AreLoadedInTranslatedCode() => Compare(
        Loop(a =>
        {
            a.mov(dx, 0x1000);
            a.add(dx, cx);
            a.mov(ds, dx);
            a.mov(es, dx);
            a.mov(fs, dx);
            a.mov(gs, dx);
            a.mov(__word_ptr[bx + 4], cx);
            a.mov(ax, __word_ptr.es[bx + 2]);
            a.mov(__word_ptr.fs[bx + 6], ax);
            a.mov(eax, __dword_ptr.gs[ebx + 4]);
            a.les(di, __[bx + 2]);
            a.mov(dx, ss);
            a.mov(ss, dx);
            a.mov(sp, 0x7F00);
            a.push(0);
            a.pop(ds);
        }),
        routine => routine.iret(),
        Code.Mov_Sreg_rm16,
        Code.Les_r16_m1616,
        Code.Popw_DS);

    /// <summary>The stack pointer wraps within its segment.</summary>
    [Fact]
    public void Push_StackPointerIsZero_WrapsToTheEndOfTheSegment() => Compare(
        a =>
        {
            a.mov(esp, 0x5_0000);
            a.push(ax);
            a.pushad();
            a.popad();
            a.pop(ax);
        },
        routine => routine.iret(),
        Code.Push_r16);

    /// <summary>More code segments than there are numbers for, in a machine that lives on.</summary>
    [Fact]
    public void FarCall_NumbersOfSegmentsAreUsedUp_CodeGoesOn()
    {
        using SystemMachine machine = Create(translates: true);
        Prepare(machine, routine =>
        {
            routine.inc(ax);
            routine.retf();
        });

        // The same routine by all selectors that reach it, over and over with other limits.
        machine.Place(SystemMachine.Code, a =>
        {
            Label loop = a.CreateLabel();
            a.mov(cx, 0x910);
            a.Label(ref loop);
            a.mov(bx, 0x910);
            a.sub(bx, cx);
            a.shl(bx, 4);
            a.add(bx, Routine);
            a.mov(__word_ptr[0x7000], bx);
            a.mov(__word_ptr[0x7002], cx);
            a.db([0xFF, 0x1E, 0x00, 0x70]);
            a.loop(loop);
        });
        for (int round = 0; round < 15; round++)
        {
            machine.State.Cs.Limit = 0xFFFF + (uint)round;
            machine.State.Activity = ActivityState.Running;
            machine.State.Rip = SystemMachine.Code;
            machine.State.Gprs[Gpr.Rax] = 0;
            machine.State.Gprs[Gpr.Rsp] = SystemMachine.Stack;
            machine.RunToEnd();
            Assert.Equal(0x910UL, machine.State.Gprs[Gpr.Rax]);
        }

        Assert.NotEqual(0, ((Translator)machine.Engine).Counters.Resets);
    }

    private static Action<Assembler> Loop(Action<Assembler> body) => a =>
    {
        Label loop = a.CreateLabel();
        a.mov(cx, Rounds);
        a.Label(ref loop);
        body(a);
        a.dec(cx);
        a.jnz(loop);
    };

    /// <param name="codes">What is executed by the interpreter only while it is new.</param>
    private static void Compare(Action<Assembler> program, Action<Assembler> routine, params ReadOnlySpan<Code> codes)
    {
        using SystemMachine expected = Create(translates: false);
        using SystemMachine actual = Create(translates: true);
        foreach (SystemMachine machine in (SystemMachine[])[expected, actual])
        {
            Prepare(machine, routine);
            machine.Start(program);
        }

        expected.Cpu.GetState(out X86CpuState reference);
        actual.Cpu.GetState(out X86CpuState state);
        Assert.Empty(StateComparison.Compare(reference, state, 0).Select(difference => difference.ToString()));
        Assert.True(
            new ReadOnlySpan<byte>(expected.At(0), 0x20000).SequenceEqual(new ReadOnlySpan<byte>(actual.At(0), 0x20000)), "memory differs");
        IReadOnlyList<long> interpreted = ((Translator)actual.Engine).Counters.Interpreted;
        foreach (Code code in codes)
        {
            Assert.InRange(interpreted[(int)code], 0, WhileNew);
        }
    }

    private static SystemMachine Create(bool translates) => new(
        GuestMode.Real,
        createEngine: translates
            ? wiring => new Translator(wiring, new TranslatorOptions { ExactFlags = true, IsOnlyProcessor = true })
            : wiring => new X86.Interpreter.Interpreter(wiring));

    private static void Prepare(SystemMachine machine, Action<Assembler> routine)
    {
        machine.Place((OtherSegment * 16UL) + Routine, routine);
        machine.Dword(Vector * 4UL) = ((uint)OtherSegment << 16) | Routine;
    }
}
