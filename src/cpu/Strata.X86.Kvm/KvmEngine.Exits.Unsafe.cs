using Strata.Core.Bus;
using Strata.X86.Execution;
using Strata.X86.Kvm.Interface;
using Strata.X86.Registers;

namespace Strata.X86.Kvm;

/// <summary>What the guest cannot do by itself: ports, MMIO, MSRs, halts, and instructions that KVM lacks.</summary>
public sealed unsafe partial class KvmEngine
{
    /// <summary>Exceptions whose RIP is that of the instruction behind: they cannot be raised by executing it again.</summary>
    private const byte DebugTrap = (byte)ExceptionVector.Debug;

    /// <summary>The state is KVM's while it serves an exit.</summary>
    public ulong AddressSpace
    {
        get
        {
            _vcpu.Get(KvmRequest.GetSystemRegisters, out KvmSystemRegisters registers, "system registers");
            return registers.Cr3;
        }
    }

    private void Serve()
    {
        Counters.Count(_page->Exit);
        switch (_page->Exit)
        {
            case KvmExit.Port:
                ServePort();
                break;
            case KvmExit.Mmio:
                ServeMmio();
                break;
            case KvmExit.ReadMsr:
            case KvmExit.WriteMsr:
                ServeMsr();
                break;
            case KvmExit.Halt:
                ServeHalt();
                break;
            case KvmExit.Shutdown:
                TakeState();
                _context->State.Activity = ActivityState.Shutdown;
                break;
            case KvmExit.InternalError:
            case KvmExit.FailedEntry:
                HandOver();
                break;
            case KvmExit.InterruptWindow:
            case KvmExit.TaskPriority:
                break;
            case KvmExit.Signal:
                KickSignal.Drain();
                break;
            default:
                throw new InvalidOperationException(
                    $"KVM stopped with exit {(uint)_page->Exit} at RIP 0x{CurrentRip():x}, which nothing asked for. Use --engine " +
                    $"translator.");
        }
    }

    private void ServePort()
    {
        _isIncomplete = true;
        AccessWidth width = (AccessWidth)_page->PortSize;
        ushort port = _page->Port;
        uint count = _page->PortCount;

        // SAFETY: KVM keeps the data inside the shared mapping; count and size come from the kernel.
        byte* data = (byte*)_page + _page->PortDataOffset;
        bool isOut = _page->PortIsOut != 0;
        for (uint i = 0; i < count; i++, data += (int)width)
        {
            if (isOut)
            {
                uint value = width switch { AccessWidth.Byte => *data, AccessWidth.Word => *(ushort*)data, _ => *(uint*)data };
                Cpu.Ports.Write(port, width, value);
                continue;
            }

            uint read = Cpu.Ports.Read(port, width);
            switch (width)
            {
                case AccessWidth.Byte:
                    *data = (byte)read;
                    break;
                case AccessWidth.Word:
                    *(ushort*)data = (ushort)read;
                    break;
                default:
                    *(uint*)data = read;
                    break;
            }
        }
    }

    private void ServeMmio()
    {
        _isIncomplete = true;
        ulong address = _page->MmioAddress;
        uint length = Math.Min(_page->MmioLength, 8);
        uint step = length is 1 or 2 or 4 or 8 ? length : 1; // odd lengths are parts of accesses that cross a page
        for (uint at = 0; at < length; at += step)
        {
            byte* data = _page->MmioData + at;
            AccessWidth width = (AccessWidth)step;
            if (_page->MmioIsWrite == 0)
            {
                ulong value = Cpu.ReadDevice(address + at, width);
                new ReadOnlySpan<byte>(&value, (int)step).CopyTo(new Span<byte>(data, (int)step));
            }
            else
            {
                ulong value = 0;
                new ReadOnlySpan<byte>(data, (int)step).CopyTo(new Span<byte>(&value, (int)step));
                Cpu.WriteDevice(address + at, width, value);
            }
        }
    }

    private void ServeMsr()
    {
        _isIncomplete = true;
        ulong offset = _context->State.TscOffset;
        ulong apicBase = Cpu.Wiring.LocalApic?.BaseMsr ?? 0;
        bool done;
        if (_page->Exit == KvmExit.ReadMsr)
        {
            done = Cpu.TryReadMsr(_page->MsrIndex, out ulong value);
            _page->MsrData = value;
        }
        else
        {
            done = Cpu.TryWriteMsr(_page->MsrIndex, _page->MsrData);
        }

        _page->MsrError = done ? (byte)0 : (byte)1;
        _context->PendingException = 0; // KVM raises it
        if (_context->State.TscOffset != offset)
        {
            _tsc.Set();
        }

        if ((Cpu.Wiring.LocalApic?.BaseMsr ?? 0) != apicBase)
        {
            TakeState(); // CPUID's APIC bit follows the base that KVM knows
            _isHeld = false;
        }
    }

    private void ServeHalt()
    {
        if (_page->InterruptFlag != 0 && Cpu.Wiring.LocalApic is { HasPendingInterrupt: true })
        {
            return;
        }

        TakeState();
        _context->State.Activity = ActivityState.Halted;
    }

    /// <summary>Exactly one instruction by the interpreter.</summary>
    private void HandOver()
    {
        TakeState();
        if (_context->State.Activity == ActivityState.Running)
        {
            _interpreter.ForgetCode();
            _interpreter.Step();
            Counters.HandedOver++;
        }
    }

    /// <summary>
    /// Delivers what had left its source but not reached its handler. A fault or a software interrupt is not delivered but met
    /// again when its instruction is executed again.
    /// </summary>
    private void DeliverInFlight(in KvmEvents events)
    {
        if ((events.ExceptionInjected | events.ExceptionPending | events.NmiInjected | events.InterruptInjected) == 0)
        {
            return;
        }

        _isHeld = false; // KVM still has it: the state must go back
        if ((events.ExceptionInjected | events.ExceptionPending) != 0 && events.ExceptionVector == DebugTrap)
        {
            _context->InstructionRip = _context->State.Rip;
            Cpu.Raise(ExceptionVector.Debug);
            Cpu.DeliverPendingException();
        }

        if (events.NmiInjected != 0)
        {
            Cpu.DeliverNmi();
        }

        if (events.InterruptInjected != 0 && events.InterruptSoft == 0)
        {
            Cpu.DeliverInterrupt(events.InterruptVector);
        }
    }
}
