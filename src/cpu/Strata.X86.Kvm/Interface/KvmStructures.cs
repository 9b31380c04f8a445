using System.Runtime.InteropServices;

namespace Strata.X86.Kvm.Interface;

// Arguments of the requests, in the layout of x86-64 Linux. Field names follow the documentation of KVM's API.

/// <summary>struct kvm_regs.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmRegisters
{
    public ulong Rax, Rbx, Rcx, Rdx, Rsi, Rdi, Rsp, Rbp;
    public ulong R8, R9, R10, R11, R12, R13, R14, R15;
    public ulong Rip, Rflags;
}

/// <summary>struct kvm_segment.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmSegment
{
    public ulong Base;
    public uint Limit;
    public ushort Selector;
    public byte Type;
    public byte Present;
    public byte Dpl;
    public byte Db;
    public byte S;
    public byte L;
    public byte G;
    public byte Avl;
    public byte Unusable;
    public byte Padding;
}

/// <summary>struct kvm_dtable.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmTable
{
    public ulong Base;
    public ushort Limit;
    public ushort Padding0, Padding1, Padding2;
}

/// <summary>struct kvm_sregs2.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmSystemRegisters
{
    public const ulong PdptesValid = 1;

    public KvmSegment Cs, Ds, Es, Fs, Gs, Ss, Tr, Ldt;
    public KvmTable Gdt, Idt;
    public ulong Cr0, Cr2, Cr3, Cr4, Cr8;
    public ulong Efer;
    public ulong ApicBase;
    public ulong Flags;
    public fixed ulong Pdptes[4];
}

/// <summary>struct kvm_vcpu_events: what is on its way through the IDT, and what is held off.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmEvents
{
    public const uint NmiPendingValid = 1;
    public const uint ShadowValid = 4;
    public const byte ShadowMovSs = 1;
    public const byte ShadowSti = 2;

    public byte ExceptionInjected;
    public byte ExceptionVector;
    public byte ExceptionHasError;
    public byte ExceptionPending;
    public uint ExceptionError;
    public byte InterruptInjected;
    public byte InterruptVector;
    public byte InterruptSoft;
    public byte InterruptShadow;
    public byte NmiInjected;
    public byte NmiPending;
    public byte NmiMasked;
    public byte NmiPadding;
    public uint StartupVector;
    public uint Flags;
    public fixed byte Rest[40];
}

/// <summary>struct kvm_debugregs.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmDebugRegisters
{
    public fixed ulong Db[4];
    public ulong Dr6;
    public ulong Dr7;
    public ulong Flags;
    public fixed ulong Reserved[9];
}

/// <summary>struct kvm_xsave: the standard form of XSAVE, first 4 KiB.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmXsave
{
    public fixed byte Region[4096];
}

/// <summary>struct kvm_xcrs with the one register that exists.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmXcrs
{
    public uint Count;
    public uint Flags;
    public uint Xcr;
    public uint Reserved;
    public ulong Value;
    public fixed ulong Rest[46];
}

/// <summary>struct kvm_msr_entry.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMsrEntry
{
    public uint Index;
    public uint Reserved;
    public ulong Data;
}

/// <summary>struct kvm_userspace_memory_region.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMemoryRegion
{
    public const uint LogDirtyPages = 1;
    public const uint ReadOnly = 2;

    public uint Slot;
    public uint Flags;
    public ulong GuestPhysicalAddress;
    public ulong Size;
    public ulong UserspaceAddress;
}

/// <summary>struct kvm_dirty_log.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmDirtyLog
{
    public uint Slot;
    public uint Padding;
    public ulong* Bitmap;
}

/// <summary>struct kvm_enable_cap.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmEnableCapability
{
    public uint Capability;
    public uint Flags;
    public fixed ulong Arguments[4];
    public fixed byte Padding[64];
}

/// <summary>struct kvm_msr_filter_range; a set bit lets the access through.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmMsrFilterRange
{
    public const uint Read = 1;
    public const uint Write = 2;

    public uint Flags;
    public uint Count;
    public uint First;
    public uint Padding;
    public byte* Bitmap;
}

/// <summary>struct kvm_device_attr.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmDeviceAttribute
{
    public uint Flags;
    public uint Group;
    public ulong Attribute;
    public void* Address;
}

/// <summary>struct kvm_cpuid_entry2.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmCpuidEntry
{
    public const uint SubleafMatters = 1;

    public uint Leaf;
    public uint Subleaf;
    public uint Flags;
    public uint Eax;
    public uint Ebx;
    public uint Ecx;
    public uint Edx;
    public uint Padding0, Padding1, Padding2;
}
