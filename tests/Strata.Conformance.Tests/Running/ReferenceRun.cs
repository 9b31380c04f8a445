using Iced.Intel;
using Strata.Conformance.Tests.Programs;
using Strata.X86.Comparison;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Tests.Harness;
using Strata.X86.Registers;

namespace Strata.Conformance.Tests.Running;

/// <summary>
/// A program on the reference engine, one instruction at a time, with an account of the flags that the manual leaves undefined.
/// The run ends before an instruction whose result would depend on such a flag.
/// </summary>
internal sealed unsafe class ReferenceRun
{
    public const int LongestRun = 150;

    private const int LongestInstruction = 15;
    private const ulong HandlersEnd = SystemMachine.Handlers + 0x1000;
    private const ulong FrameMask = 0xFFFFF000;

    private readonly ConformanceMachine _machine;
    private readonly GuestProgram _program;

    /// <param name="limit">Most instructions.</param>
    public ReferenceRun(ConformanceMachine machine, GuestProgram program, int limit = LongestRun)
    {
        _machine = machine;
        _program = program;
        while (Instructions < limit && Cpu.State.Activity == ActivityState.Running && Step())
        {
        }
    }

    /// <summary>Instructions executed.</summary>
    public int Instructions { get; private set; }

    /// <summary>The interrupt could not be delivered, and shut the processor down before an instruction.</summary>
    public bool EndedInDelivery { get; private set; }

    /// <summary>Bits of RFLAGS that are undefined at the end.</summary>
    public ulong UndefinedBits { get; private set; }

    /// <summary>Where such flags have been pushed: physical addresses, and the bits.</summary>
    public List<(ulong Address, ulong Bits)> PushedBits { get; } = [];

    private X86Cpu Cpu => _machine.Engine.Cpu;

    private ulong ImageEnd => (ulong)_program.Setting.ImageSize;

    /// <summary>The vector whose handler is about to run or has just halted, or −1.</summary>
    private int Vector
    {
        get
        {
            ulong at = Cpu.State.Cs.Base + Cpu.State.Rip - (Cpu.State.Activity == ActivityState.Halted ? 1UL : 0);
            return at is >= SystemMachine.Handlers and < HandlersEnd ? (int)((at - SystemMachine.Handlers) / 16) : -1;
        }
    }

    /// <returns>False if the next instruction's result is undefined.</returns>
    private bool Step()
    {
        bool decoded = TryDecode(out Instruction instruction);
        if (decoded && DependsOnUndefined(instruction))
        {
            return false;
        }

        if (Instructions == _program.InterruptAt)
        {
            _machine.Machine.Apic.Vector = _program.Vector;
        }

        byte cl = (byte)Cpu.State.Gprs[Gpr.Rcx];
        long before = _machine.Engine.InstructionsExecuted;
        long exceptions = Cpu.Exceptions;
        _machine.Engine.Run(1);
        Instructions += (int)(_machine.Engine.InstructionsExecuted - before);
        if (Cpu.State.Activity == ActivityState.Shutdown)
        {
            NotePushedFlags(slots: -1); // a delivery that failed behind its first push, on the stack that was in use
            EndedInDelivery = _machine.Engine.InstructionsExecuted == before;
            return false;
        }

        if (Vector >= 0)
        {
            bool hasCode = (Cpu.State.Cr0 & Cr0.PE) != 0 && Cpu.Exceptions != exceptions && Cpu.LastException.ErrorCode != null;
            NotePushedFlags(slots: hasCode ? 3 : 2);
        }
        else if (decoded)
        {
            UpdateFlags(instruction, cl);
        }

        return true;
    }

    /// <summary>The instruction at RIP, where its bytes are plainly in memory.</summary>
    private bool TryDecode(out Instruction instruction)
    {
        ref X86CpuState s = ref Cpu.State;
        ulong at = s.Cs.Base + s.Rip;
        int bitness = Cpu.Is64Bit ? 64 : (s.Cs.Attributes & SegmentState.Big) != 0 ? 32 : 16;
        instruction = default;
        if (at >= ImageEnd)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[LongestInstruction];
        for (int i = 0; i < LongestInstruction; i++)
        {
            ulong physical = ToPhysical(at + (ulong)i);
            bytes[i] = physical < ImageEnd ? _machine.Memory[(int)physical] : (byte)0;
        }

        Iced.Intel.Decoder.Create(bitness, bytes.ToArray(), s.Rip).Decode(out instruction);
        return !instruction.IsInvalid;
    }

    private bool DependsOnUndefined(in Instruction instruction)
    {
        if (UndefinedFlags.IsResultUndefined(instruction, (byte)Cpu.State.Gprs[Gpr.Rcx]) || StoresPointers(instruction.Mnemonic))
        {
            return true;
        }

        return UndefinedBits != 0 && IsFlagReader(instruction);
    }

    /// <summary>Stores the x87 instruction and data pointers, which translated code does not keep (docs/architecture.md).</summary>
    private static bool StoresPointers(Mnemonic mnemonic) =>
        mnemonic is Mnemonic.Fnstenv or Mnemonic.Fstenv or Mnemonic.Fnsave or Mnemonic.Fsave
        or Mnemonic.Fxsave or Mnemonic.Fxsave64 or Mnemonic.Xsave or Mnemonic.Xsave64 or Mnemonic.Xsavec or Mnemonic.Xsavec64
        or Mnemonic.Xsaveopt or Mnemonic.Xsaveopt64;

    private bool IsFlagReader(in Instruction instruction) =>
        instruction.Mnemonic is Mnemonic.Pushf or Mnemonic.Pushfd or Mnemonic.Pushfq or Mnemonic.Syscall
            || (UndefinedFlags.ToRflags(instruction.RflagsRead) & UndefinedBits) != 0;

    private void UpdateFlags(in Instruction instruction, byte cl)
    {
        ulong undefined = UndefinedFlags.After(instruction, cl);
        bool keeps = UndefinedFlags.IsShift(instruction) && UndefinedFlags.Count(instruction, cl) == 0;
        bool mayKeep = instruction.HasRepPrefix || instruction.HasRepnePrefix
            || instruction.Mnemonic is Mnemonic.Vmcall or Mnemonic.Vmmcall; // VMX's answer in flags is not given to a guest
        ulong written = keeps || mayKeep ? 0 : UndefinedFlags.ToRflags(instruction.RflagsModified);
        UndefinedBits = (UndefinedBits & ~written) | undefined;
    }

    /// <summary>An event has pushed RFLAGS: notes where.</summary>
    /// <param name="slots">Distance from the stack pointer, in pushed words.</param>
    private void NotePushedFlags(int slots)
    {
        ref X86CpuState s = ref Cpu.State;
        bool real = (s.Cr0 & Cr0.PE) == 0;
        int size = real ? 2 : Cpu.IsLongMode ? 8 : 4;
        ulong rsp = s.Gprs[Gpr.Rsp] + (ulong)(slots * size);
        ulong at = (Cpu.Is64Bit ? 0 : s.Ss.Base) + ((s.Ss.Attributes & SegmentState.Big) != 0 || Cpu.IsLongMode ? rsp : (ushort)rsp);
        if (UndefinedBits != 0)
        {
            PushedBits.Add((ToPhysical(at), UndefinedBits & 0xFF));
            PushedBits.Add((ToPhysical(at + 1), UndefinedBits >> 8));
        }
    }

    /// <summary>By the tables as they are in memory; addresses above them map to themselves here.</summary>
    /// <param name="va">Wraps at 4 GiB outside 64-bit mode.</param>
    private ulong ToPhysical(ulong va)
    {
        va = Cpu.IsLongMode ? va : (uint)va;
        GuestSetting setting = _program.Setting;
        if (!setting.IsPaged || va >= ImageEnd)
        {
            return va;
        }

        ulong place = _machine.Machine.PteAddress(va);
        ulong entry = setting.Paging == X86.Interpreter.Tests.Harness.GuestPaging.ThirtyTwoBit
            ? _machine.Machine.Dword(place)
            : _machine.Machine.Quad(place);
        return (entry & FrameMask) | (va & ~FrameMask & 0xFFF);
    }
}
