namespace Strata.X86.Kvm.Interface;

/// <summary>
/// Numbers of the ioctl(2) requests that the engine makes, as x86-64 encodes them: direction in bits 31..30 (1 write, 2 read),
/// size of the argument in bytes in 29..16, 0xAE in 15..8, the number in 7..0. Linux kernel documentation, "The Definitive KVM
/// (Kernel-based Virtual Machine) API Documentation".
/// </summary>
internal static class KvmRequest
{
    // The device
    public const uint GetApiVersion = 0xAE00;
    public const uint CreateVm = 0xAE01;
    public const uint CheckExtension = 0xAE03;
    public const uint GetVcpuMmapSize = 0xAE04;
    public const uint GetSupportedCpuid = 0xC008AE05;
    public const uint GetMsrIndexList = 0xC004AE02;

    // A machine
    public const uint CreateVcpu = 0xAE41;
    public const uint GetDirtyLog = 0x4010AE42;
    public const uint SetUserMemoryRegion = 0x4020AE46;
    public const uint SetTssAddress = 0xAE47;
    public const uint SetIdentityMapAddress = 0x4008AE48;
    public const uint EnableCapability = 0x4068AEA3;
    public const uint SetMsrFilter = 0x4188AEC6;

    // A vCPU
    public const uint Run = 0xAE80;
    public const uint GetRegisters = 0x8090AE81;
    public const uint SetRegisters = 0x4090AE82;
    public const uint Interrupt = 0x4004AE86;
    public const uint GetMsrs = 0xC008AE88; // also of the device: feature MSRs
    public const uint SetMsrs = 0x4008AE89;
    public const uint SetSignalMask = 0x4004AE8B;
    public const uint SetCpuid = 0x4008AE90;
    public const uint GetEvents = 0x8040AE9F;
    public const uint SetEvents = 0x4040AEA0;
    public const uint GetDebugRegisters = 0x8080AEA1;
    public const uint SetDebugRegisters = 0x4080AEA2;
    public const uint SetTscKhz = 0xAEA2;
    public const uint GetTscKhz = 0xAEA3;
    public const uint GetXsave = 0x9000AEA4;
    public const uint SetXsave = 0x5000AEA5;
    public const uint GetXcrs = 0x8188AEA6;
    public const uint SetXcrs = 0x4188AEA7;
    public const uint GetSystemRegisters = 0x8140AECC;
    public const uint SetSystemRegisters = 0x4140AECD;
    public const uint SetDeviceAttribute = 0x4018AEE1;
    public const uint GetDeviceAttribute = 0x4018AEE2;
    public const uint HasDeviceAttribute = 0x4018AEE3;
}
