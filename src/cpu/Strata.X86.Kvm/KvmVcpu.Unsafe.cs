using System.Runtime.InteropServices;
using Strata.X86.Execution;
using Strata.X86.Kvm.Interface;

namespace Strata.X86.Kvm;

/// <summary>One vCPU of KVM: its descriptor and the page it shares with the kernel. Used by one thread at a time.</summary>
internal sealed unsafe class KvmVcpu : IDisposable
{
    private const uint TscGroup = 0;
    private const ulong TscOffset = 0;

    private readonly int _descriptor;
    private readonly int _runSize;

    public KvmVcpu(KvmMachine machine, X86Cpu cpu)
    {
        int index = cpu.Wiring.Index;
        _runSize = machine.Device.RunPageSize;
        _descriptor = HostCalls.Control(machine.Descriptor, KvmRequest.CreateVcpu, index);
        KvmMachine.Demand(_descriptor, $"create processor {index}");
        void* page = HostCalls.Map(null, (nuint)_runSize, HostCalls.ProtectReadWrite, HostCalls.MapShared, _descriptor, 0);
        if ((nint)page == -1)
        {
            _ = HostCalls.Close(_descriptor);
            throw new KvmUnavailableException(
                $"The host's KVM failed to share the run page of processor {index} (errno {Marshal.GetLastPInvokeError()}): use --engine " +
                $"translator.");
        }

        Page = (KvmRunPage*)page;
        try
        {
            SetTscRate(machine);
            KvmCpuid.Apply(this, cpu);
            if (machine.Device.EnforcesParavirtualCpuid)
            {
                // Hypercalls that the guest is not offered do not exist.
                KvmEnableCapability request = new() { Capability = (uint)KvmCapability.EnforceParavirtualCpuid };
                request.Arguments[0] = 1;
                Call(KvmRequest.EnableCapability, &request, "hold back its hypercalls");
            }

            ulong none = 0;
            SetSignalMask(none);
            KvmDeviceAttribute attribute = new() { Group = TscGroup, Attribute = TscOffset };
            HasTscOffset = HostCalls.Control(_descriptor, KvmRequest.HasDeviceAttribute, &attribute) == 0;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public KvmRunPage* Page { get; private set; }

    /// <summary>Whether the distance of the guest's TSC from the host's can be set (Linux 5.16).</summary>
    public bool HasTscOffset { get; }

    /// <summary>Runs the guest until an exit.</summary>
    /// <returns>Zero, or errno.</returns>
    public int Run() => HostCalls.Control(_descriptor, KvmRequest.Run, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Finishes the instruction of the last exit without running further.</summary>
    /// <returns>False if the instruction has another exit; the page describes it.</returns>
    public bool TryComplete()
    {
        Page->ImmediateExit = 1;
        int error = Run();
        Page->ImmediateExit = 0;
        return error is HostCalls.Interrupted or HostCalls.Again || (error == 0 && Page->Exit == KvmExit.Signal);
    }

    /// <summary>Queues an external interrupt; the guest must be ready for one.</summary>
    public void Interrupt(byte vector)
    {
        uint number = vector;
        Call(KvmRequest.Interrupt, &number, "take an interrupt");
    }

    public void Get<T>(uint request, out T value, string what)
        where T : unmanaged
    {
        value = default;
        fixed (T* pointer = &value)
        {
            Call(request, pointer, "tell its " + what);
        }
    }

    public void Set<T>(uint request, in T value, string what)
        where T : unmanaged
    {
        fixed (T* pointer = &value)
        {
            Call(request, pointer, "take its " + what);
        }
    }

    /// <summary>As <see cref="Set"/>, where KVM may find the value invalid.</summary>
    /// <returns>False if it does; nothing has changed then.</returns>
    public bool TrySet<T>(uint request, in T value, string what)
        where T : unmanaged
    {
        fixed (T* pointer = &value)
        {
            if (HostCalls.Control(_descriptor, request, pointer) >= 0)
            {
                return true;
            }

            int error = Marshal.GetLastPInvokeError();
            return error == HostCalls.Invalid
                ? false
                : throw new InvalidOperationException($"The host's KVM refused to take its {what} (errno {error}).");
        }
    }

    /// <param name="argument">As the request needs it.</param>
    public void Call(uint request, void* argument, string what)
    {
        if (HostCalls.Control(_descriptor, request, argument) < 0)
        {
            throw new InvalidOperationException($"The host's KVM refused to {what} (errno {Marshal.GetLastPInvokeError()}).");
        }
    }

    /// <summary>Reads MSRs; all of them must exist.</summary>
    /// <param name="block">Count, padding, entries.</param>
    public void TransferMsrs(uint request, byte* block)
    {
        int count = *(int*)block;
        int done = HostCalls.Control(_descriptor, request, block);
        if (done != count)
        {
            uint index = done < 0 ? 0 : ((KvmMsrEntry*)(block + 8))[done].Index;
            throw new InvalidOperationException($"The host's KVM refused MSR 0x{index:x} of a processor's state.");
        }
    }

    /// <summary>The distance of the guest's TSC from the host's, in ticks of the guest.</summary>
    public ulong ReadTscOffset() => TransferTscOffset(KvmRequest.GetDeviceAttribute, 0);

    public void WriteTscOffset(ulong offset) => TransferTscOffset(KvmRequest.SetDeviceAttribute, offset);

    public void Dispose()
    {
        if (Page != null)
        {
            _ = HostCalls.Unmap(Page, (nuint)_runSize);
            Page = null;
            _ = HostCalls.Close(_descriptor);
        }
    }

    private ulong TransferTscOffset(uint request, ulong value)
    {
        KvmDeviceAttribute attribute = new() { Group = TscGroup, Attribute = TscOffset, Address = &value };
        Call(request, &attribute, "move its time-stamp counter");
        return value;
    }

    private void SetTscRate(KvmMachine machine)
    {
        if (machine.Device.ScalesTsc)
        {
            KvmMachine.Demand(
                HostCalls.Control(_descriptor, KvmRequest.SetTscKhz, (nint)(machine.Policy.TscFrequency / 1000)),
                "set the rate of the time-stamp counter");
        }
    }

    /// <summary>Signals blocked while the guest runs; the thread's own mask holds otherwise.</summary>
    private void SetSignalMask(ulong blocked)
    {
        // SAFETY: struct kvm_signal_mask: length in bytes (32 bits), then the mask.
        byte* mask = stackalloc byte[12];
        *(uint*)mask = sizeof(ulong);
        *(ulong*)(mask + 4) = blocked;
        Call(KvmRequest.SetSignalMask, mask, "take a signal mask");
    }
}
