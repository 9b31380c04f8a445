using Iced.Intel;
using Strata.Core.Execution;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Kvm.Tests;

/// <summary>Kicks at any moment: each one moves the whole state out and in again.</summary>
public sealed class KickStormTests
{
    private const ulong Handler = 0x20_1000;
    private const ulong Absent = 0x80_0000;
    private const int Faults = 3_000;

    [KvmFact]
    public void Run_PageFaultsUnderKicks_AreAllServed()
    {
        using KvmGuest guest = new();
        guest.PlaceAt(Handler, a =>
        {
            a.add(rsp, 8);
            a.add(__qword_ptr[rsp], 2); // behind the load
            a.inc(__qword_ptr[KvmGuest.Data]);
            a.iretq();
        });
        guest.Place(64, a =>
        {
            Label loop = a.CreateLabel();
            a.mov(ecx, Faults);
            a.mov(ebx, (uint)Absent);
            a.Label(ref loop);
            a.mov(al, __byte_ptr[rbx]);
            a.dec(ecx);
            a.jnz(loop);
            a.hlt(); // #GP at CPL 3, and no handler: shutdown
        });
        guest.Cpu.SetState(guest.UserMode(Handler));
        using CancellationTokenSource done = new();
        Thread kicker = new(() =>
        {
            while (!done.IsCancellationRequested)
            {
                guest.Engine.Kick();
#pragma warning disable RS0030 // the pace of the kicks
                Thread.Sleep(TimeSpan.FromMicroseconds(200));
#pragma warning restore RS0030
            }
        });
        kicker.Start();

        VcpuStop stop = VcpuStop.Kicked;
        int kicks = 0;
        for (; stop == VcpuStop.Kicked; kicks++)
        {
            stop = guest.Engine.Run(long.MaxValue);
        }

        done.Cancel();
        kicker.Join();

        Assert.Equal((VcpuStop.Shutdown, (ulong)Faults), (stop, guest.Quad(KvmGuest.Data)));
        Assert.InRange(kicks, 10, int.MaxValue);
    }
}
