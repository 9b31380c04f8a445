using System.Runtime.InteropServices;

namespace Strata.X86.Kvm.Interface;

/// <summary>
/// The head of the page that a vCPU shares with KVM (struct kvm_run); from byte 32 on a union by exit reason.
/// <code>
///  0 request window | 1 immediate exit | 8 exit reason | 12 ready for interrupt | 13 IF | 16 CR8 | 24 APIC base
/// 32 port:  in/out, size, port (16 bits), count (32 bits), offset of the data in this page (64 bits)
/// 32 MMIO:  address (64 bits), data (8 bytes), length (32 bits), is write
/// 32 MSR:   error, 40 reason (32 bits), index (32 bits), data (64 bits)
/// 32 error: number (32 bits)
/// </code>
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 2048)]
internal unsafe struct KvmRunPage
{
    [FieldOffset(0)]
    public byte RequestInterruptWindow;

    /// <summary>KVM_RUN finishes the instruction of the last exit and returns with EINTR.</summary>
    [FieldOffset(1)]
    public byte ImmediateExit;

    [FieldOffset(8)]
    public KvmExit Exit;

    [FieldOffset(12)]
    public byte ReadyForInterrupt;

    [FieldOffset(13)]
    public byte InterruptFlag;

    [FieldOffset(16)]
    public ulong Cr8;

    [FieldOffset(24)]
    public ulong ApicBase;

    [FieldOffset(32)]
    public byte PortIsOut;

    [FieldOffset(33)]
    public byte PortSize;

    [FieldOffset(34)]
    public ushort Port;

    [FieldOffset(36)]
    public uint PortCount;

    [FieldOffset(40)]
    public ulong PortDataOffset;

    [FieldOffset(32)]
    public ulong MmioAddress;

    [FieldOffset(40)]
    public fixed byte MmioData[8];

    [FieldOffset(48)]
    public uint MmioLength;

    [FieldOffset(52)]
    public byte MmioIsWrite;

    /// <summary>Non-zero: the instruction raises #GP(0).</summary>
    [FieldOffset(32)]
    public byte MsrError;

    [FieldOffset(44)]
    public uint MsrIndex;

    [FieldOffset(48)]
    public ulong MsrData;

    [FieldOffset(32)]
    public uint ErrorNumber;

    [FieldOffset(32)]
    public ulong EntryFailure;
}
