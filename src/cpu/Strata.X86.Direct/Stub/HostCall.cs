namespace Strata.X86.Direct.Stub;

/// <summary>Numbers of system calls on x86-64 that a stub makes.</summary>
internal enum HostCall
{
    Mmap = 9,
    Mprotect = 10,
    Munmap = 11,
    SignalAction = 13,
    SignalMask = 14,
    Clone = 56,
    ParentProcess = 110,
    SignalStack = 131,
    ProcessControl = 157,
    SetLimit = 160,
    Futex = 202,
    ExitGroup = 231,
    Seccomp = 317,
    CloseRange = 436,
}
