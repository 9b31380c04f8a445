using Iced.Intel;
using Strata.X86.Apic;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// VMCALL and VMMCALL with KVM's convention: number in RAX, arguments in RBX, RCX, RDX, RSI, result in RAX.
/// Linux kernel documentation, "KVM hypercalls".
/// </summary>
internal static unsafe class HypercallInstructions
{
    private const ulong SendIpi = 10;
    private const long NotPermitted = -1;
    private const long NoSuchCall = -1000;

    public static void Register(InstructionTable table)
    {
        table.AddEnding(Mnemonic.Vmcall, &Call);
        table.AddEnding(Mnemonic.Vmmcall, &Call);
    }

    private static void Call(X86Cpu cpu, Op* op)
    {
        bool wide = cpu.Is64Bit;
        ulong mask = wide ? ulong.MaxValue : uint.MaxValue;
        ulong number = cpu.Register(Gpr.Rax) & mask;
        long result = cpu.Cpl != 0 ? NotPermitted : number == SendIpi ? Send(cpu, mask) : NoSuchCall;
        cpu.Register(Gpr.Rax) = (ulong)result & mask;
    }

    /// <summary>A fixed or NMI interrupt to the processors in a bitmap (RBX low, RCX high half) that starts at APIC ID RDX; RSI is the ICR.</summary>
    /// <returns>Processors reached.</returns>
    private static long Send(X86Cpu cpu, ulong mask)
    {
        if (cpu.Wiring.LocalApic is not LocalApic apic)
        {
            return NoSuchCall;
        }

        int width = mask == ulong.MaxValue ? 64 : 32;
        ulong first = cpu.Register(Gpr.Rdx) & mask;
        ulong icr = cpu.Register(Gpr.Rsi);
        long reached = 0;
        for (int i = 0; i < 2 * width; i++)
        {
            ulong word = cpu.Register(i < width ? Gpr.Rbx : Gpr.Rcx) & mask;
            ulong id = first + (ulong)i;
            if (((word >> (i % width)) & 1) != 0 && id >= first && id <= uint.MaxValue)
            {
                reached += apic.SendTo((DeliveryMode)((icr >> 8) & 7), (byte)icr, (uint)id) ? 1 : 0;
            }
        }

        return reached;
    }
}
