namespace Strata.X86.Kvm.Interface;

/// <summary>What a KVM can be asked about (KVM_CHECK_EXTENSION).</summary>
internal enum KvmCapability
{
    UserMemory = 3,
    MaxVcpus = 66,
    VcpuEvents = 41,
    DebugRegisters = 50,
    Xsave = 55,
    Xcrs = 56,
    TscControl = 60,
    GetTscKhz = 61,
    ReadOnlyMemory = 81,
    ImmediateExit = 136,
    UserSpaceMsr = 188,
    MsrFilter = 189,
    EnforceParavirtualCpuid = 190,
    SystemRegisters2 = 200,
    ExitOnEmulationFailure = 204,
}
