using Strata.X86.Apic;
using Strata.X86.Kvm.Interface;
using Strata.X86.Registers;

namespace Strata.X86.Kvm.State;

/// <summary>
/// The architectural state between our record and a vCPU of KVM. MSRs that KVM does not execute (memory types, MISC_ENABLE,
/// TSC_ADJUST) stay in the record and are not touched; the time-stamp counter has a class of its own.
/// </summary>
internal sealed unsafe class StateTransfer
{
    private const int MostMsrs = 16;
    private const ulong PhysicalCr3 = ~(1UL << 63);

    private readonly KvmVcpu _vcpu;
    private readonly uint[] _msrs;

    public StateTransfer(KvmVcpu vcpu, KvmDevice device)
    {
        _vcpu = vcpu;
        uint[] wanted =
        [
            Msr.IA32_SYSENTER_CS, Msr.IA32_SYSENTER_ESP, Msr.IA32_SYSENTER_EIP, Msr.IA32_PAT, Msr.IA32_STAR, Msr.IA32_LSTAR,
            Msr.IA32_CSTAR, Msr.IA32_FMASK, Msr.IA32_KERNEL_GS_BASE, Msr.IA32_TSC_AUX, Msr.IA32_SPEC_CTRL,
        ];
        _msrs = [.. wanted.Where(device.HasMsr)];
    }

    /// <summary>Gives a state to KVM.</summary>
    /// <returns>False if KVM does not take its control registers or segments: it cannot run in such a state.</returns>
    public bool TryStore(in X86CpuState s, ILocalApic? apic)
    {
        StoreMsrs(s);
        if (!TryStoreSystemRegisters(s, apic))
        {
            return false;
        }

        KvmRegisters r = new()
        {
            Rax = s.Gprs[0], Rcx = s.Gprs[1], Rdx = s.Gprs[2], Rbx = s.Gprs[3], Rsp = s.Gprs[4], Rbp = s.Gprs[5], Rsi = s.Gprs[6],
            Rdi = s.Gprs[7],
            R8 = s.Gprs[8], R9 = s.Gprs[9], R10 = s.Gprs[10], R11 = s.Gprs[11], R12 = s.Gprs[12], R13 = s.Gprs[13], R14 = s.Gprs[14],
            R15 = s.Gprs[15],
            Rip = s.Rip,
            Rflags = s.Rflags,
        };
        _vcpu.Set(KvmRequest.SetRegisters, r, "registers");
        KvmXcrs xcrs = new() { Count = 1, Value = s.Xcr0 };
        _vcpu.Set(KvmRequest.SetXcrs, xcrs, "XCR0");
        KvmXsave xsave = default;
        XsaveImage.Store(s, xsave.Region);
        _vcpu.Set(KvmRequest.SetXsave, xsave, "x87 and vector registers");
        KvmDebugRegisters debug = new() { Dr6 = s.Dr6, Dr7 = s.Dr7 };
        for (int i = 0; i < 4; i++)
        {
            debug.Db[i] = s.DebugAddresses[i];
        }

        _vcpu.Set(KvmRequest.SetDebugRegisters, debug, "debug registers");
        KvmEvents events = new()
        {
            NmiPending = s.NmiPending,
            NmiMasked = s.NmiBlocked,
            InterruptShadow = s.Shadow switch
            {
                InterruptShadow.Sti => KvmEvents.ShadowSti,
                InterruptShadow.MovSs => KvmEvents.ShadowMovSs,
                _ => 0,
            },
            Flags = KvmEvents.NmiPendingValid | KvmEvents.ShadowValid,
        };
        _vcpu.Set(KvmRequest.SetEvents, events, "events");
        return true;
    }

    /// <summary>Takes the state from KVM.</summary>
    /// <param name="s">What KVM does not know stays as it is.</param>
    /// <param name="events">What was on its way when the guest stopped: the caller delivers it.</param>
    public void Load(ref X86CpuState s, out KvmEvents events)
    {
        _vcpu.Get(KvmRequest.GetRegisters, out KvmRegisters r, "registers");
        (s.Gprs[0], s.Gprs[1], s.Gprs[2], s.Gprs[3]) = (r.Rax, r.Rcx, r.Rdx, r.Rbx);
        (s.Gprs[4], s.Gprs[5], s.Gprs[6], s.Gprs[7]) = (r.Rsp, r.Rbp, r.Rsi, r.Rdi);
        (s.Gprs[8], s.Gprs[9], s.Gprs[10], s.Gprs[11]) = (r.R8, r.R9, r.R10, r.R11);
        (s.Gprs[12], s.Gprs[13], s.Gprs[14], s.Gprs[15]) = (r.R12, r.R13, r.R14, r.R15);
        (s.Rip, s.Rflags) = (r.Rip, r.Rflags);
        LoadSystemRegisters(ref s);
        _vcpu.Get(KvmRequest.GetXcrs, out KvmXcrs xcrs, "XCR0");
        s.Xcr0 = xcrs.Value;
        _vcpu.Get(KvmRequest.GetXsave, out KvmXsave xsave, "x87 and vector registers");
        XsaveImage.Load(ref s, xsave.Region);
        _vcpu.Get(KvmRequest.GetDebugRegisters, out KvmDebugRegisters debug, "debug registers");
        for (int i = 0; i < 4; i++)
        {
            s.DebugAddresses[i] = debug.Db[i];
        }

        (s.Dr6, s.Dr7) = (debug.Dr6, debug.Dr7);
        LoadMsrs(ref s);
        _vcpu.Get(KvmRequest.GetEvents, out events, "events");
        s.NmiPending = events.NmiPending;
        s.NmiBlocked = events.NmiMasked != 0 ? (byte)1 : (byte)0;
        s.Shadow = (events.InterruptShadow & KvmEvents.ShadowMovSs) != 0 ? InterruptShadow.MovSs
            : (events.InterruptShadow & KvmEvents.ShadowSti) != 0 ? InterruptShadow.Sti
            : InterruptShadow.None;
    }

    private bool TryStoreSystemRegisters(in X86CpuState s, ILocalApic? apic)
    {
        KvmSystemRegisters k = new()
        {
            Es = SegmentTransfer.ToKvm(s.Es),
            Cs = SegmentTransfer.ToKvm(s.Cs),
            Ss = SegmentTransfer.ToKvm(s.Ss),
            Ds = SegmentTransfer.ToKvm(s.Ds),
            Fs = SegmentTransfer.ToKvm(s.Fs),
            Gs = SegmentTransfer.ToKvm(s.Gs),
            Ldt = SegmentTransfer.ToKvm(s.Ldtr),
            Tr = SegmentTransfer.ToKvm(s.Tr),
            Gdt = new KvmTable { Base = s.Gdtr.Base, Limit = (ushort)s.Gdtr.Limit },
            Idt = new KvmTable { Base = s.Idtr.Base, Limit = (ushort)s.Idtr.Limit },
            Cr0 = s.Cr0,
            Cr2 = s.Cr2,
            Cr3 = s.Cr3 & PhysicalCr3,
            Cr4 = s.Cr4,
            Cr8 = apic?.Cr8 ?? 0u,
            Efer = s.EferMsr,
            ApicBase = apic?.BaseMsr ?? 0,
        };
        if (UsesPdptes(s))
        {
            k.Flags = KvmSystemRegisters.PdptesValid;
            for (int i = 0; i < 4; i++)
            {
                k.Pdptes[i] = s.Pdptes[i];
            }
        }

        return _vcpu.TrySet(KvmRequest.SetSystemRegisters, k, "system registers");
    }

    private void LoadSystemRegisters(ref X86CpuState s)
    {
        _vcpu.Get(KvmRequest.GetSystemRegisters, out KvmSystemRegisters k, "system registers");
        s.Es = SegmentTransfer.FromKvm(k.Es);
        s.Cs = SegmentTransfer.FromKvm(k.Cs);
        s.Ss = SegmentTransfer.FromKvm(k.Ss);
        s.Ds = SegmentTransfer.FromKvm(k.Ds);
        s.Fs = SegmentTransfer.FromKvm(k.Fs);
        s.Gs = SegmentTransfer.FromKvm(k.Gs);
        s.Ldtr = SegmentTransfer.FromKvm(k.Ldt);
        s.Tr = SegmentTransfer.FromKvm(k.Tr);
        s.Gdtr = new DescriptorTableRegister { Base = k.Gdt.Base, Limit = k.Gdt.Limit };
        s.Idtr = new DescriptorTableRegister { Base = k.Idt.Base, Limit = k.Idt.Limit };
        (s.Cr0, s.Cr2, s.Cr3, s.Cr4, s.EferMsr) = (k.Cr0, k.Cr2, k.Cr3, k.Cr4, k.Efer);
        if ((k.Flags & KvmSystemRegisters.PdptesValid) != 0)
        {
            for (int i = 0; i < 4; i++)
            {
                s.Pdptes[i] = k.Pdptes[i];
            }
        }
    }

    private static bool UsesPdptes(in X86CpuState s) =>
        (s.Cr0 & Cr0.PG) != 0 && (s.Cr4 & Cr4.PAE) != 0 && (s.EferMsr & Efer.LMA) == 0;

    private void StoreMsrs(X86CpuState s)
    {
        byte* block = stackalloc byte[8 + (MostMsrs * sizeof(KvmMsrEntry))];
        KvmMsrEntry* entries = Prepare(block);
        for (int i = 0; i < _msrs.Length; i++)
        {
            entries[i].Data = Field(ref s, _msrs[i]);
        }

        _vcpu.TransferMsrs(KvmRequest.SetMsrs, block);
    }

    private void LoadMsrs(ref X86CpuState s)
    {
        byte* block = stackalloc byte[8 + (MostMsrs * sizeof(KvmMsrEntry))];
        KvmMsrEntry* entries = Prepare(block);
        _vcpu.TransferMsrs(KvmRequest.GetMsrs, block);
        for (int i = 0; i < _msrs.Length; i++)
        {
            Field(ref s, _msrs[i]) = entries[i].Data;
        }
    }

    private KvmMsrEntry* Prepare(byte* block)
    {
        *(ulong*)block = (ulong)_msrs.Length;
        KvmMsrEntry* entries = (KvmMsrEntry*)(block + 8);
        for (int i = 0; i < _msrs.Length; i++)
        {
            entries[i] = new KvmMsrEntry { Index = _msrs[i] };
        }

        return entries;
    }

    private static ref ulong Field(ref X86CpuState s, uint msr)
    {
        switch (msr)
        {
            case Msr.IA32_SYSENTER_CS: return ref s.SysenterCs;
            case Msr.IA32_SYSENTER_ESP: return ref s.SysenterEsp;
            case Msr.IA32_SYSENTER_EIP: return ref s.SysenterEip;
            case Msr.IA32_PAT: return ref s.Pat;
            case Msr.IA32_STAR: return ref s.Star;
            case Msr.IA32_LSTAR: return ref s.Lstar;
            case Msr.IA32_CSTAR: return ref s.Cstar;
            case Msr.IA32_FMASK: return ref s.Sfmask;
            case Msr.IA32_KERNEL_GS_BASE: return ref s.KernelGsBase;
            case Msr.IA32_TSC_AUX: return ref s.TscAux;
            default: return ref s.SpecCtrl;
        }
    }
}
