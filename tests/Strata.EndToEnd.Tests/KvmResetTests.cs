using Iced.Intel;
using Strata.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests;

/// <summary>A guest that resets its machine while the CPU's own virtualization runs it.</summary>
public sealed class KvmResetTests
{
    private const uint Starts = 0x92000;

    [KvmFact]
    public async Task RequestReset_GuestOnKvm_StartsAgainWithItsMemory()
    {
        using TemporaryFolder folder = new();
        using CancellationTokenSource timeout = new(TimeSpan.FromMinutes(1));
        MachineSpec spec = new()
        {
            Kernel = folder.Write("kernel", MultibootProgram.Assemble(c =>
            {
                Label reset = c.CreateLabel();
                c.inc(__dword_ptr[Starts]);
                c.Print('+');
                c.cmp(__dword_ptr[Starts], 3);
                c.jne(reset);
                c.OutByte(0xF4, 0x10);
                c.Label(ref reset);
                c.OutByte(0x64, 0xFE);
                c.hlt();
            })),
            Engine = Engine.Kvm,
            AcceptsDefectiveKvm = true, // the guest makes no system calls
            Memory = 16 << 20,
            Networks = [],
        };
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, timeout.Token);

        MachineExit exit = await machine.WaitForExitAsync(timeout.Token);

        Assert.Equal((MachineExitReason.DebugExit, 0x21, 2, "+++"), (exit.Reason, exit.Code, machine.Resets, machine.Console.Output));
    }
}
