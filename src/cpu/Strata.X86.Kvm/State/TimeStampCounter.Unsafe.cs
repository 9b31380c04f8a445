using Strata.X86.Execution;
using Strata.X86.Kvm.Interface;
using Strata.X86.Registers;

namespace Strata.X86.Kvm.State;

/// <summary>
/// Keeps the counter that the CPU gives the guest and the one that follows from virtual time together. Neither ever goes back:
/// whichever is behind is moved forward.
/// </summary>
/// <param name="isMovable">The CPU's counter can be set; otherwise virtual time follows it.</param>
internal sealed unsafe class TimeStampCounter(X86Cpu cpu, KvmVcpu vcpu, bool isMovable)
{
    /// <summary>A measurement that took longer was interrupted and says nothing.</summary>
    private const long LongestMeasurement = 30_000; // ns

    /// <summary>Differences below this are left alone: moving counters of several processors apart would be worse.</summary>
    private const long Tolerance = 20_000; // ns

    private const int Attempts = 4;
    private const int LongestWait = 20; // ms

    /// <summary>Sets the CPU's counter to virtual time: at the start, and when the guest wrote it.</summary>
    public void Set()
    {
        if (!isMovable)
        {
            WaitUntilAhead();
            Settle(); // the guest's clock must be right from the first instruction on
            return;
        }

        if (!vcpu.HasTscOffset)
        {
            WriteMsr(cpu.ReadTsc());
            return;
        }

        for (int i = 0; i < Attempts; i++)
        {
            if (TryMeasure(out long ahead) || i == Attempts - 1)
            {
                vcpu.WriteTscOffset(vcpu.ReadTscOffset() - (ulong)ahead);
                return;
            }
        }
    }

    /// <summary>The CPU's counter cannot be moved and may lag by the drift between the host's clocks: let it catch up.</summary>
    private void WaitUntilAhead()
    {
        for (int i = 0; i < LongestWait && TryMeasure(out long ahead) && ahead < 0; i++)
        {
#pragma warning disable RS0030 // only time can pass
            Thread.Sleep(1);
#pragma warning restore RS0030
        }
    }

    /// <summary>Brings the two together after a run.</summary>
    public void Settle()
    {
        bool isMeasured = TryMeasure(out long ahead);
        for (int i = 1; i < Attempts && !isMeasured; i++)
        {
            isMeasured = TryMeasure(out ahead);
        }

        if (!isMeasured)
        {
            return;
        }

        long tolerance = (long)cpu.Wiring.Cpuid.ToTsc(Tolerance);
        if (ahead > tolerance)
        {
            cpu.MoveTsc((ulong)ahead);
        }
        else if (ahead < -tolerance && isMovable && vcpu.HasTscOffset)
        {
            vcpu.WriteTscOffset(vcpu.ReadTscOffset() - (ulong)ahead);
        }
        else if (ahead < -tolerance)
        {
            cpu.Wiring.Hypercalls?.OnTscMoved(cpu.State.TscOffset + (ulong)ahead); // a counter that lags and cannot be moved
        }
    }

    /// <param name="ahead">Ticks that the CPU's counter is ahead of virtual time.</param>
    private bool TryMeasure(out long ahead)
    {
        long before = cpu.Wiring.Clock.Now;
        ulong expected = cpu.ReadTsc();
        ulong counter = ReadMsr();
        ahead = (long)(counter - expected);
        return cpu.Wiring.Clock.Now - before < LongestMeasurement;
    }

    private ulong ReadMsr()
    {
        byte* block = stackalloc byte[8 + sizeof(KvmMsrEntry)];
        KvmMsrEntry* entry = Prepare(block, 0);
        vcpu.TransferMsrs(KvmRequest.GetMsrs, block);
        return entry->Data;
    }

    private void WriteMsr(ulong value)
    {
        byte* block = stackalloc byte[8 + sizeof(KvmMsrEntry)];
        Prepare(block, value);
        vcpu.TransferMsrs(KvmRequest.SetMsrs, block);
    }

    private static KvmMsrEntry* Prepare(byte* block, ulong value)
    {
        *(ulong*)block = 1;
        KvmMsrEntry* entry = (KvmMsrEntry*)(block + 8);
        *entry = new KvmMsrEntry { Index = Msr.IA32_TSC, Data = value };
        return entry;
    }
}
