using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Interpreter.Instructions;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Instructions on the whole state, on MXCSR, and those that have results beside a register: string comparisons.</summary>
internal static unsafe class VexStateInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Vzeroupper, &ZeroUppers);
        table.Add(Mnemonic.Vzeroall, &ZeroAll);
        table.Add(Mnemonic.Vldmxcsr, &LoadMxcsr);
        table.Add(Mnemonic.Vstmxcsr, &StoreMxcsr);
        foreach (Mnemonic m in (ReadOnlySpan<Mnemonic>)[Mnemonic.Vpcmpistri, Mnemonic.Vpcmpestri, Mnemonic.Vpcmpestri64])
        {
            table.Add(m, &CompareStringsToIndex);
        }

        foreach (Mnemonic m in (ReadOnlySpan<Mnemonic>)[Mnemonic.Vpcmpistrm, Mnemonic.Vpcmpestrm, Mnemonic.Vpcmpestrm64])
        {
            table.Add(m, &CompareStringsToMask);
        }
    }

    /// <summary>Registers that the mode can name.</summary>
    private static int RegisterCount(X86Cpu cpu) => cpu.Is64Bit ? 16 : 8;

    private static void ZeroUppers(X86Cpu cpu, Op* op)
    {
        if (VexInstructions.Begin(cpu))
        {
            for (int i = 0; i < RegisterCount(cpu); i++)
            {
                cpu.State.Vectors[(4 * i) + 2] = cpu.State.Vectors[(4 * i) + 3] = 0;
            }

            cpu.UpdateUppersInUse();
        }
    }

    private static void ZeroAll(X86Cpu cpu, Op* op)
    {
        if (VexInstructions.Begin(cpu))
        {
            for (int i = 0; i < 4 * RegisterCount(cpu); i++)
            {
                cpu.State.Vectors[i] = 0;
            }

            cpu.UpdateUppersInUse();
        }
    }

    private static void LoadMxcsr(X86Cpu cpu, Op* op)
    {
        if (VexInstructions.Begin(cpu))
        {
            SseMoveInstructions.ReadMxcsr(cpu, op);
        }
    }

    private static void StoreMxcsr(X86Cpu cpu, Op* op)
    {
        if (VexInstructions.Begin(cpu))
        {
            Operands.TryStoreMemory(cpu, op, 4, cpu.State.Mxcsr);
        }
    }

    private static void CompareStringsToIndex(X86Cpu cpu, Op* op) => CompareStrings(cpu, op);

    /// <summary>XMM0 gets the mask, and the rest of YMM0 zeros.</summary>
    private static void CompareStringsToMask(X86Cpu cpu, Op* op)
    {
        if (CompareStrings(cpu, op))
        {
            cpu.State.Vectors[2] = cpu.State.Vectors[3] = 0;
        }
    }

    private static bool CompareStrings(X86Cpu cpu, Op* op)
    {
        if (!VexInstructions.Begin(cpu) || !Operands.TryReadVector(cpu, op, 1, aligned: false, out Vector128<byte> b))
        {
            return false;
        }

        Mnemonic mnemonic = (Mnemonic)op->Mnemonic switch
        {
            Mnemonic.Vpcmpistri => Mnemonic.Pcmpistri,
            Mnemonic.Vpcmpestri => Mnemonic.Pcmpestri,
            Mnemonic.Vpcmpestri64 => Mnemonic.Pcmpestri64,
            Mnemonic.Vpcmpistrm => Mnemonic.Pcmpistrm,
            Mnemonic.Vpcmpestrm => Mnemonic.Pcmpestrm,
            _ => Mnemonic.Pcmpestrm64,
        };
        SseTextInstructions.Compare(cpu, mnemonic, (byte)op->Imm, Operands.Xmm(cpu, op->Reg0), b);
        return true;
    }
}
