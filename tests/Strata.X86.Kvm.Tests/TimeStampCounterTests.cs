using Strata.Core.Execution;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.X86.Kvm.Tests;

/// <summary>The guest's time-stamp counter follows virtual time and never goes back.</summary>
public sealed class TimeStampCounterTests
{
    private const ulong Slack = 1_000_000_000; // ticks, a fraction of a second: far from any other origin

    [KvmFact]
    public void Rdtsc_InTheGuest_LiesBetweenTheCountersBeforeAndAfter()
    {
        using KvmGuest guest = new();
        guest.Place(64, a =>
        {
            a.rdtsc();
            a.shl(rdx, 32);
            a.or(rax, rdx);
            a.mov(__qword_ptr[KvmGuest.Data], rax);
            a.hlt();
        });

        for (int i = 0; i < 20; i++)
        {
            guest.Cpu.SetState(guest.LongMode());
            ulong before = guest.Cpu.ReadTsc();
            VcpuStop stop = guest.Engine.Run(1_000_000);
            ulong after = guest.Cpu.ReadTsc();
            ulong seen = guest.Quad(KvmGuest.Data);

            Assert.Equal(VcpuStop.Halted, stop);
            Assert.True(
                seen + Slack >= before && seen <= after + Slack,
                $"round {i}: the guest saw {seen:N0}, outside of {before:N0} .. {after:N0}");
            Assert.InRange(after - before, 0UL, Slack);
#pragma warning disable RS0030 // the host's counter moves by itself
            Thread.Sleep(2);
#pragma warning restore RS0030
        }
    }
}
