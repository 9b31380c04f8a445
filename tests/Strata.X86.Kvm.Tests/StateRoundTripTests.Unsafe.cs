using System.Runtime.InteropServices;
using Strata.Core.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Kvm.Tests;

/// <summary>The whole state goes into KVM and comes back as it was.</summary>
public sealed unsafe class StateRoundTripTests
{
    [KvmFact]
    public void Run_OneHalt_LeavesEveryOtherRegister()
    {
        using KvmGuest guest = new();
        guest.Place(64, a => a.hlt());
        X86CpuState state = guest.LongMode();
        Scramble(ref state);
        guest.Cpu.SetState(state);

        VcpuStop stop = guest.Engine.Run(1000);
        guest.Cpu.GetState(out X86CpuState after);

        Assert.Equal(VcpuStop.Halted, stop);
        Assert.Equal(state.Rip + 1, after.Rip);
        after.Rip = state.Rip;
        after.Activity = ActivityState.Running;
        after.TscOffset = state.TscOffset; // settled with virtual time
// Processors, and kernels that switch threads, may keep these behind an unmasked exception only: Intel SDM Vol. 1, "Fopcode Compatibility
// Sub-mode".
        (after.Fop, after.FpuIp, after.FpuDp) = (state.Fop, state.FpuIp, state.FpuDp);
        for (int i = 0; i < sizeof(X86CpuState) / 8; i++)
        {
            Assert.True(
                ((ulong*)&state)[i] == ((ulong*)&after)[i],
                $"quadword {i} (byte {i * 8}): 0x{((ulong*)&state)[i]:x} became 0x{((ulong*)&after)[i]:x}; RIP is at byte " +
                $"{Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Rip))}");
        }
    }

    /// <summary>A value of its own in every register that takes any value.</summary>
    private static void Scramble(ref X86CpuState state)
    {
        ulong next = 0x1234_5678_9ABC_DEF0;
        ulong Take() => next = (next * 6364136223846793005) + 1442695040888963407;
        for (int i = 0; i < 16; i++)
        {
            state.Gprs[i] = i == Gpr.Rsp ? state.Gprs[i] : Take();
            state.Vectors[i * 4] = Take();
            state.Vectors[(i * 4) + 1] = Take();
        }

        for (int i = 0; i < 8; i++)
        {
            state.FpuRegisters[i * 2] = Take() | (1UL << 63);
            state.FpuRegisters[(i * 2) + 1] = 0x3FFF + (ulong)i;
        }

        state.Fsw = 3 << 11;
        state.Ftw = 0x3000; // R6 is empty
        state.Fop = 0x123;
        state.FpuIp = 0x5566;
        state.FpuDp = 0x7788;
        state.Mxcsr = 0x1FA5;
        state.Cr2 = Take();
        state.DebugAddresses[0] = 0x1111;
        state.DebugAddresses[3] = 0x4444;
        state.Star = 0x0023001000000000;
        state.Lstar = 0xFFFF800000123456;
        state.Cstar = 0xFFFF800000654321;
        state.Sfmask = 0x700;
        state.KernelGsBase = 0xFFFF888000001000;
        state.SysenterCs = 8;
        state.SysenterEsp = 0xFFFF888000002000;
        state.SysenterEip = 0xFFFF888000003000;
        state.Fs.Base = 0x7F0000001000;
        state.Gs.Base = 0xFFFF888000004000;
        state.MiscEnable = 0x800001;
        state.MtrrDefaultType = 0xC06;
        state.Rflags = 0x8D7;
    }
}
