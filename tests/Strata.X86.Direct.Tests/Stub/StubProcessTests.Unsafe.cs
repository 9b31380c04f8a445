using Strata.X86.Direct.Stub;
using Strata.X86.Registers;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Direct.Tests.Stub;

/// <summary>What comes back of guest code in a stub.</summary>
public sealed unsafe class StubProcessTests
{
    private const int Ill = 4;
    private const int Trap = 5;
    private const int Bus = 7;
    private const int Fpe = 8;
    private const int Segv = 11;
    private const int Sys = 31;

    [DirectFact]
    public void Run_SystemCall_BringsEveryRegister()
    {
        using StubGuest guest = new();
        for (int i = 0; i < 16; i++)
        {
            guest.State.Gprs[i] = 0x1111_1111_1111_1111 * (ulong)i;
        }

        guest.Write(c => c.syscall());

        StubFrame frame = guest.Run();

        Assert.Equal(Sys, frame.Signal);
        Assert.Equal(StubGuest.Code + 2, frame.Rip);
        Assert.Equal((ushort)0x33, frame.Cs);
        for (int i = 0; i < 16; i++)
        {
            ulong expected = i switch
            {
                Gpr.Rcx => frame.Rip,
                Gpr.Rsp => StubGuest.Data + 0x800,
                11 => frame.Rflags & ~0x10000UL,
                _ => 0x1111_1111_1111_1111 * (ulong)i,
            };
            Assert.Equal(expected, frame.Registers[i]);
        }
    }

    [DirectTheory]
    [InlineData(new byte[] { 0xCC }, Trap, 3, 1)] // INT3
    [InlineData(new byte[] { 0x0F, 0x0B }, Ill, 6, 0)] // UD2
    [InlineData(new byte[] { 0xF4 }, Segv, 13, 0)] // HLT
    [InlineData(new byte[] { 0xFA }, Segv, 13, 0)] // CLI
    [InlineData(new byte[] { 0xE6, 0x80 }, Segv, 13, 0)] // OUT
    [InlineData(new byte[] { 0xCD, 0x2E }, Segv, 13, 0)] // INT 2EH
    [InlineData(new byte[] { 0x0F, 0x31 }, Segv, 13, 0)] // RDTSC
    [InlineData(new byte[] { 0x0F, 0x01, 0xF9 }, Segv, 13, 0)] // RDTSCP
    [InlineData(new byte[] { 0x31, 0xC9, 0xF7, 0xF1 }, Fpe, 0, 2)] // DIV by 0
    [InlineData(new byte[] { 0xF1 }, Trap, 1, 1)] // INT1
    [InlineData(new byte[] { 0x8A, 0x04, 0x25, 0, 0, 0, 0 }, Segv, 14, 0)] // a read at 0
    [InlineData(new byte[] { 0x88, 0x04, 0x25, 0, 0, 0x40, 0 }, Segv, 14, 0)] // a write to code
    [InlineData(new byte[] { 0x48, 0xB9, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x8A, 0x01 }, Segv, 13, 10)] // a read that is not canonical
    [InlineData(new byte[] { 0x48, 0xBC, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x58 }, Bus, 12, 10)] // POP with such a stack pointer
    public void Run_Exception_ComesAsItsVectorAtItsInstruction(byte[] code, int signal, uint vector, ulong offset)
    {
        using StubGuest guest = new();
        guest.Write(code);

        StubFrame frame = guest.Run();

        Assert.Equal((signal, vector, StubGuest.Code + offset), (frame.Signal, frame.Trap, frame.Rip));
    }

    [DirectFact]
    public void Run_VectorsAndX87_AreEnteredAndBroughtBack()
    {
        using StubGuest guest = new();
        for (int i = 0; i < 64; i++)
        {
            guest.State.Vectors[i] = (i & 2) == 0 ? (ulong)i * 0x0101_0101 : 0;
        }

        guest.State.Mxcsr = 0x1F80 | 0x6000;
        guest.Write(c =>
        {
            c.paddd(xmm3, xmm3);
            c.fld1();
            c.fldpi();
            c.syscall();
        });

        guest.Run();

        Assert.Equal(12UL * 0x0202_0202, guest.State.Vectors[12]);
        Assert.Equal(16UL * 0x0101_0101, guest.State.Vectors[16]);
        Assert.Equal(0x7F80u, guest.State.Mxcsr & 0xFFC0);
        Assert.Equal(6, (guest.State.Fsw >> 11) & 7);
        Assert.Equal(0xC90F_DAA2_2168_C235, guest.State.FpuRegisters[2 * 6]);
        Assert.Equal(0x8000_0000_0000_0000, guest.State.FpuRegisters[2 * 7]);
        Assert.Equal(0x0FFF, guest.State.Ftw);
    }

    [DirectFact]
    public void Run_SegmentBases_AreEnteredAndBroughtBack()
    {
        using StubGuest guest = new();
        guest.State.Fs.Base = StubGuest.Data;
        guest.State.Gs.Base = 0x1234_5678_9000;
        guest.DataPage[5] = 0x77;
        guest.Write(c =>
        {
            c.mov(al, __byte_ptr.fs[5]);
            c.mov(rcx, 0x7000_0000_1000);
            c.wrfsbase(rcx);
            c.syscall();
        });

        StubFrame frame = guest.Run();

        Assert.Equal(0x77UL, frame.Registers[Gpr.Rax] & 0xFF);
        Assert.Equal((0x7000_0000_1000UL, 0x1234_5678_9000UL), (frame.FsBase, frame.GsBase));
    }

    [DirectFact]
    public void Map_AfterAFault_LetsTheInstructionBeExecuted()
    {
        using StubGuest guest = new();
        guest.Ram.Slice(0x8000, 4096)[8] = 0x42;
        guest.Write(c =>
        {
            c.mov(al, __byte_ptr[0x60_0008]);
            c.syscall();
        });

        StubFrame before = guest.Run();
        guest.Stub.Map(0x60_0000, 4096, PageRights.Read, 0x8000);
        StubFrame after = guest.Run();
        guest.Stub.Unmap(0x60_0000, 4096);
        StubFrame gone = guest.Run();

        Assert.Equal((14u, 0x60_0008UL), (before.Trap, before.Cr2));
        Assert.Equal((Sys, 0x42UL), (after.Signal, after.Registers[Gpr.Rax] & 0xFF));
        Assert.Equal((14u, 0x60_0008UL), (gone.Trap, gone.Cr2));
    }

    [DirectFact]
    public void Protect_WritablePage_TakesTheRightAway()
    {
        using StubGuest guest = new();
        guest.Write(c =>
        {
            c.mov(__byte_ptr[StubGuest.Data], 0x33);
            c.syscall();
        });
        guest.Run();

        guest.Stub.Protect(StubGuest.Data, 4096, PageRights.Read);
        StubFrame frame = guest.Run();

        Assert.Equal(0x33, guest.DataPage[0]);
        Assert.Equal((14u, 7u, StubGuest.Data), (frame.Trap, frame.ErrorCode, frame.Cr2));
    }

    /// <summary>The runner is woken by the mapper: a run that a signal has ended must not let the next one begin too early.</summary>
    [DirectFact]
    public void Run_BatchesWithInterrupts_SeesWhatWasMappedLast()
    {
        const ulong elsewhere = 0x100_0000;
        using StubGuest guest = new();
        guest.Write(c =>
        {
            c.mov(al, __byte_ptr[StubGuest.Data]);
            c.syscall();
        });
        using CancellationTokenSource end = new();
        StubProcess stub = guest.Stub;
        Thread interrupter = new(() =>
        {
            for (int i = 0; !end.IsCancellationRequested; i++)
            {
                stub.Interrupt();
                Thread.SpinWait((i * 37) % 4000);
            }
        });
        interrupter.Start();
        try
        {
            for (ulong i = 0; i < 200; i++)
            {
                ulong place = (4 + (i % 7)) << 12;
                guest.Ram.Slice(place, 1)[0] = (byte)(i + 1);
                for (ulong page = 0; page < 40; page++)
                {
                    stub.Map(elsewhere + (page << 13), 4096, PageRights.Read, page << 12);
                }

                stub.Map(StubGuest.Data, 4096, PageRights.Read | PageRights.Write, place);
                StubFrame frame;
                do
                {
                    frame = guest.Run();
                }
                while (frame.Signal == StubCode.KickSignal);

                Assert.Equal((byte)(i + 1), (byte)frame.Registers[0]);
            }
        }
        finally
        {
            end.Cancel();
            interrupter.Join();
        }
    }

    [DirectFact]
    public void UnmapAll_ManyPages_LeavesNone()
    {
        using StubGuest guest = new();
        for (ulong i = 0; i < 3000; i++)
        {
            guest.Stub.Map(0x7000_0000_0000 + (i * 0x2000), 4096, PageRights.Read, (i & 0xFF) << 12); // more than one batch
        }

        guest.Stub.UnmapAll();
        guest.Stub.Map(StubGuest.Code, 4096, PageRights.Read | PageRights.Execute, StubGuest.CodeOffset);
        guest.Write(c => c.mov(al, __byte_ptr[rdi]));
        guest.State.Gprs[Gpr.Rdi] = 0x7000_0000_0000 + (2999 * 0x2000);

        StubFrame frame = guest.Run();

        Assert.Equal((14u, guest.State.Gprs[Gpr.Rdi]), (frame.Trap, frame.Cr2));
    }

    [DirectFact]
    public void Interrupt_OfALoop_EndsTheRunBetweenTwoInstructions()
    {
        using StubGuest guest = new();
        guest.Write([0xEB, 0xFE]);
        for (int i = 0; i < 200; i++)
        {
            int attention = 0;
            using Timer kicker = new(_ => guest.Stub.Interrupt(), null, TimeSpan.FromMilliseconds(i & 1), TimeSpan.FromMilliseconds(1));

            (StubStop stop, StubFrame frame) = guest.Run(ref attention);

            Assert.Equal(StubStop.Event, stop);
            Assert.Equal(StubCode.KickSignal, frame.Signal);
            Assert.True(frame.Rip == StubGuest.Code || frame.IsInStub, $"{frame.Rip:x}");
        }
    }

    [DirectFact]
    public void Run_WithAttention_DoesNotEnter()
    {
        using StubGuest guest = new();
        guest.Write(c => c.mov(__byte_ptr[StubGuest.Data], 1));
        int attention = 1;

        (StubStop stop, _) = guest.Run(ref attention);

        Assert.Equal(StubStop.NotEntered, stop);
        Assert.Equal(0, guest.DataPage[0]);
    }

    [DirectFact]
    public void Dispose_EndsTheProcess()
    {
        StubGuest guest = new();
        int process = guest.Stub.ProcessId;

        guest.Dispose();

        Assert.False(Directory.Exists($"/proc/{process}"));
    }

    /// <summary>The frame is that of a fault, and its single-step flag is the program's own.</summary>
    [DirectFact]
    public void Run_SingleStep_StopsBehindTheNextInstruction()
    {
        using StubGuest guest = new();
        guest.Write(c =>
        {
            c.pushfq();
            c.or(__dword_ptr[rsp], 0x100);
            c.popfq();
            c.inc(eax);
            c.inc(eax);
            c.syscall();
        });

        StubFrame frame = guest.Run();

        Assert.Equal((Trap, 1u, 1UL), (frame.Signal, frame.Trap, frame.Registers[Gpr.Rax]));
        Assert.NotEqual(0UL, frame.Rflags & 0x100);
    }
}
