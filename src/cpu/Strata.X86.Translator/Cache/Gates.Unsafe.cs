using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator.Blocks;

namespace Strata.X86.Translator.Cache;

/// <summary>Keeps the bridge's gates true to the registers and address space they come from.</summary>
internal sealed unsafe class Gates(X86Cpu cpu, Bridge* bridge, Salts salts)
{
    private ulong _star;
    private ulong _lstar;
    private ulong _sfmask;
    private ulong _efer;
    private ulong _sysenterCs;
    private ulong _sysenterEsp;
    private ulong _sysenterEip;
    private ulong _userEpoch;
    private ulong _supervisorEpoch;
    private bool _holdsUserCode;

    /// <summary>Before translated code is entered.</summary>
    /// <param name="asksForUserCode">Somebody is asked whose code it is before user code is executed.</param>
    public void Update(bool asksForUserCode)
    {
        ref X86CpuState s = ref cpu.Context->State;
        ulong userEpoch = cpu.Tlb.UserCodeEpoch; // names the address space as well
        ulong supervisorEpoch = cpu.Tlb.SupervisorCodeEpoch;
        ulong changed = (userEpoch ^ _userEpoch) | (supervisorEpoch ^ _supervisorEpoch)
            | (s.Star ^ _star) | (s.Lstar ^ _lstar) | (s.Sfmask ^ _sfmask) | (s.EferMsr ^ _efer)
            | (s.SysenterCs ^ _sysenterCs) | (s.SysenterEsp ^ _sysenterEsp) | (s.SysenterEip ^ _sysenterEip);
        bool holdsUserCode = cpu.UserHold is not null || asksForUserCode;
        if (changed == 0 && holdsUserCode == _holdsUserCode)
        {
            return;
        }

        (_userEpoch, _supervisorEpoch) = (userEpoch, supervisorEpoch);
        (_star, _lstar, _sfmask, _efer) = (s.Star, s.Lstar, s.Sfmask, s.EferMsr);
        (_sysenterCs, _sysenterEsp, _sysenterEip) = (s.SysenterCs, s.SysenterEsp, s.SysenterEip);
        _holdsUserCode = holdsUserCode;
        Make(ref s);
        MakeNarrow(ref s);
    }

    /// <summary>SYSENTER and SYSEXIT of 32-bit kernels, whose code is translated as it is in the gates: with flat segments.</summary>
    private void MakeNarrow(ref X86CpuState s)
    {
        const ModeBits mode = ModeBits.Code32 | ModeBits.Stack32 | ModeBits.Protected | ModeBits.Flat;
        bool enabled = (s.EferMsr & Efer.LMA) == 0 && X86Cpu.IsSysenterEnabled(s.SysenterCs);
        X86Cpu.FindSysenterSegments(s.SysenterCs, to64Bit: false, out SegmentState cs, out SegmentState ss);
        bridge->SysenterGate = new Gate
        {
            IsReady = enabled ? 1u : 0,
            Mode = (uint)mode,
            Tlb = (ulong)cpu.Tlb.Set(TlbPrivilege.Supervisor),
            Salt = salts.Of(user: false, CodeMode.Code32, segment: 0, out JumpEntry* kernelJumps),
            JumpTable = kernelJumps,
            Target = (uint)s.SysenterEip,
            Stack = (uint)s.SysenterEsp,
            KeptFlags = ~(RFlags.VM | RFlags.IF | RFlags.RF),
            Cs = cs,
            Ss = ss,
        };
        X86Cpu.FindSysexitSegments(s.SysenterCs, to64Bit: false, out cs, out ss);
        bridge->SysexitGate = new Gate
        {
            IsReady = enabled && !_holdsUserCode ? 1u : 0,
            Mode = (uint)(mode | ModeBits.User),
            Tlb = (ulong)cpu.Tlb.Set(TlbPrivilege.User),
            Salt = salts.Of(user: true, CodeMode.Code32, segment: 0, out JumpEntry* userJumps),
            JumpTable = userJumps,
            Cs = cs,
            Ss = ss,
        };
    }

    private void Make(ref X86CpuState s)
    {
        // SYSCALL clears what the mask names: all arithmetic flags, single step and user access in any kernel one meets.
        const ulong cleared = RFlags.Arithmetic | RFlags.TF | RFlags.AC;
        bool enabled = (s.EferMsr & Efer.SCE) != 0 && (s.EferMsr & Efer.LMA) != 0;
        X86Cpu.FindSyscallSegments(s.Star, out SegmentState cs, out SegmentState ss);
        bridge->SyscallGate = new Gate
        {
            IsReady = enabled && (s.Sfmask & cleared) == cleared ? 1u : 0,
            Mode = (uint)(X86Cpu.Mode64 & ~ModeBits.User),
            Tlb = (ulong)cpu.Tlb.Set(TlbPrivilege.Supervisor),
            Salt = salts.Of(user: false, CodeMode.Code64, segment: 0, out JumpEntry* kernelJumps),
            JumpTable = kernelJumps,
            Target = s.Lstar,
            KeptFlags = ~(s.Sfmask | RFlags.RF) | RFlags.Reserved1,
            Cs = cs,
            Ss = ss,
        };
        X86Cpu.FindSysretSegments(s.Star, to64Bit: true, out cs, out ss);
        bridge->SysretGate = new Gate
        {
            IsReady = enabled && !_holdsUserCode ? 1u : 0, // the engine looks whose code it is
            Mode = (uint)(X86Cpu.Mode64 | ModeBits.User),
            Tlb = (ulong)cpu.Tlb.Set(TlbPrivilege.User),
            Salt = salts.Of(user: true, CodeMode.Code64, segment: 0, out JumpEntry* userJumps),
            JumpTable = userJumps,
            Cs = cs,
            Ss = ss,
        };
    }
}
