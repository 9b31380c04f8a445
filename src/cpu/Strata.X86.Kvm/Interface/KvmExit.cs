namespace Strata.X86.Kvm.Interface;

/// <summary>Why KVM_RUN returned (kvm_run.exit_reason).</summary>
internal enum KvmExit : uint
{
    Unknown = 0,
    Port = 2,
    Halt = 5,
    Mmio = 6,
    InterruptWindow = 7,
    Shutdown = 8,
    FailedEntry = 9,
    Signal = 10,
    TaskPriority = 11,
    InternalError = 17,
    ReadMsr = 29,
    WriteMsr = 30,
}
