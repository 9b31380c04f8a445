using Strata.Core.State;
using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>
/// State of a processor at an instruction boundary, the same for every engine: <see cref="X86CpuState"/> field by field, and what other
/// processors and devices have posted. The local APIC and the paravirtual interface have records of their own.
/// </summary>
public sealed class VcpuState : IStateRecord<VcpuState>
{
    internal const int GeneralRegisterCount = 16;
    internal const int SegmentCount = 8;

    public static ushort Version => 1;

    /// <summary>RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.</summary>
    public required ulong[] GeneralRegisters { get; set; }

    public required ulong Rip { get; set; }

    /// <summary>Arithmetic flags resolved.</summary>
    public required ulong Rflags { get; set; }

    /// <summary>ES, CS, SS, DS, FS, GS, LDTR, TR.</summary>
    public required SegmentRecord[] Segments { get; set; }

    public required ulong GdtrBase { get; set; }

    public required uint GdtrLimit { get; set; }

    public required ulong IdtrBase { get; set; }

    public required uint IdtrLimit { get; set; }

    public required ulong Cr0 { get; set; }

    public required ulong Cr2 { get; set; }

    public required ulong Cr3 { get; set; }

    public required ulong Cr4 { get; set; }

    public required ulong Xcr0 { get; set; }

    public required ulong Efer { get; set; }

    /// <summary>The page-directory-pointer entries that PAE paging has loaded.</summary>
    public required ulong[] Pdptes { get; set; }

    /// <summary>DR0 to DR3.</summary>
    public required ulong[] DebugAddresses { get; set; }

    public required ulong Dr6 { get; set; }

    public required ulong Dr7 { get; set; }

    public required ulong Star { get; set; }

    public required ulong Lstar { get; set; }

    public required ulong Cstar { get; set; }

    /// <summary>IA32_FMASK.</summary>
    public required ulong Sfmask { get; set; }

    public required ulong KernelGsBase { get; set; }

    public required ulong SysenterCs { get; set; }

    public required ulong SysenterEsp { get; set; }

    public required ulong SysenterEip { get; set; }

    public required ulong Pat { get; set; }

    public required ulong TscAux { get; set; }

    /// <summary>What the TSC shows at virtual time zero.</summary>
    public required ulong TscOffset { get; set; }

    public required ulong TscAdjust { get; set; }

    public required ulong MiscEnable { get; set; }

    public required ulong SpecCtrl { get; set; }

    public required ulong MtrrDefaultType { get; set; }

    public required ulong[] MtrrFixed { get; set; }

    /// <summary>Bases and masks by turns.</summary>
    public required ulong[] MtrrVariable { get; set; }

    /// <summary>YMM0 to YMM15, four quadwords each.</summary>
    public required ulong[] Vectors { get; set; }

    public required uint Mxcsr { get; set; }

    /// <summary>x87 control word.</summary>
    public required ushort Fcw { get; set; }

    /// <summary>x87 status word.</summary>
    public required ushort Fsw { get; set; }

    /// <summary>x87 full tag word.</summary>
    public required ushort Ftw { get; set; }

    public required ushort Fop { get; set; }

    public required ushort FpuCs { get; set; }

    public required ushort FpuDs { get; set; }

    public required ulong FpuIp { get; set; }

    public required ulong FpuDp { get; set; }

    /// <summary>Physical registers: significand, then sign and exponent.</summary>
    public required ulong[] FpuRegisters { get; set; }

    public required ActivityState Activity { get; set; }

    public required InterruptShadow Shadow { get; set; }

    /// <summary>An NMI is being served.</summary>
    public required bool NmiBlocked { get; set; }

    /// <summary>NMIs that wait.</summary>
    public required byte NmiPending { get; set; }

    /// <summary>Watchpoints that were hit, as DR6 will show them: MOV SS holds their trap off.</summary>
    public required uint PendingDebugHits { get; set; }

    /// <summary>What has been posted and not been looked at: bit 0 INIT, 1 start-up IPI, 2 standstill, NMIs from bit 3 on.</summary>
    public required int Signals { get; set; }

    /// <summary>Of the last start-up IPI.</summary>
    public required byte StartupVector { get; set; }

    /// <summary>The next halt ends at once.</summary>
    public required bool IsWakePosted { get; set; }

    public static VcpuState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new VcpuState
        {
            GeneralRegisters = reader.ReadExactly<ulong>(nameof(GeneralRegisters), GeneralRegisterCount),
            Rip = reader.Read<ulong>(nameof(Rip)),
            Rflags = reader.ReadBits<ulong>(nameof(Rflags), RFlags.Defined | RFlags.Reserved1),
            Segments = reader.ReadExactRecords<SegmentRecord>(nameof(Segments), SegmentCount),
            GdtrBase = reader.Read<ulong>(nameof(GdtrBase)),
            GdtrLimit = reader.Read<uint>(nameof(GdtrLimit)),
            IdtrBase = reader.Read<ulong>(nameof(IdtrBase)),
            IdtrLimit = reader.Read<uint>(nameof(IdtrLimit)),
            Cr0 = reader.ReadBits<ulong>(nameof(Cr0), X86Cpu.Cr0Writable | Registers.Cr0.ET),
            Cr2 = reader.Read<ulong>(nameof(Cr2)),
            Cr3 = reader.Read<ulong>(nameof(Cr3)),
            Cr4 = reader.ReadBits<ulong>(nameof(Cr4), X86Cpu.Cr4Writable),
            Xcr0 = reader.ReadBits<ulong>(nameof(Xcr0), X86Cpu.Xcr0Writable),
            Efer = reader.ReadBits<ulong>(nameof(Efer), X86Cpu.EferWritable | Registers.Efer.LMA),
            Pdptes = reader.ReadExactly<ulong>(nameof(Pdptes), 4),
            DebugAddresses = reader.ReadExactly<ulong>(nameof(DebugAddresses), 4),
            Dr6 = reader.ReadBits<ulong>(nameof(Dr6), uint.MaxValue),
            Dr7 = reader.ReadBits<ulong>(nameof(Dr7), uint.MaxValue),
            Star = reader.Read<ulong>(nameof(Star)),
            Lstar = reader.Read<ulong>(nameof(Lstar)),
            Cstar = reader.Read<ulong>(nameof(Cstar)),
            Sfmask = reader.ReadBits<ulong>(nameof(Sfmask), uint.MaxValue),
            KernelGsBase = reader.Read<ulong>(nameof(KernelGsBase)),
            SysenterCs = reader.Read<ulong>(nameof(SysenterCs)),
            SysenterEsp = reader.Read<ulong>(nameof(SysenterEsp)),
            SysenterEip = reader.Read<ulong>(nameof(SysenterEip)),
            Pat = reader.Read<ulong>(nameof(Pat)),
            TscAux = reader.ReadBits<ulong>(nameof(TscAux), uint.MaxValue),
            TscOffset = reader.Read<ulong>(nameof(TscOffset)),
            TscAdjust = reader.Read<ulong>(nameof(TscAdjust)),
            MiscEnable = reader.Read<ulong>(nameof(MiscEnable)),
            SpecCtrl = reader.ReadBits<ulong>(nameof(SpecCtrl), 7),
            MtrrDefaultType = reader.ReadBits<ulong>(nameof(MtrrDefaultType), 0xCFF),
            MtrrFixed = reader.ReadExactly<ulong>(nameof(MtrrFixed), 11),
            MtrrVariable = reader.ReadExactly<ulong>(nameof(MtrrVariable), 16),
            Vectors = reader.ReadExactly<ulong>(nameof(Vectors), 64),
            Mxcsr = reader.ReadBits<uint>(nameof(Mxcsr), 0xFFFF),
            Fcw = reader.Read<ushort>(nameof(Fcw)),
            Fsw = reader.Read<ushort>(nameof(Fsw)),
            Ftw = reader.Read<ushort>(nameof(Ftw)),
            Fop = reader.ReadBits<ushort>(nameof(Fop), 0x7FF),
            FpuCs = reader.Read<ushort>(nameof(FpuCs)),
            FpuDs = reader.Read<ushort>(nameof(FpuDs)),
            FpuIp = reader.Read<ulong>(nameof(FpuIp)),
            FpuDp = reader.Read<ulong>(nameof(FpuDp)),
            FpuRegisters = reader.ReadExactly<ulong>(nameof(FpuRegisters), 16),
            Activity = (ActivityState)reader.Read<byte>(nameof(Activity), 0, (byte)ActivityState.Shutdown),
            Shadow = (InterruptShadow)reader.Read<byte>(nameof(Shadow), 0, (byte)InterruptShadow.MovSs),
            NmiBlocked = reader.ReadBoolean(nameof(NmiBlocked)),
            NmiPending = reader.Read<byte>(nameof(NmiPending), 0, X86Cpu.MaxPendingNmis),
            PendingDebugHits = reader.ReadBits<uint>(nameof(PendingDebugHits), 0xF),
            Signals = reader.Read(nameof(Signals), 0, int.MaxValue),
            StartupVector = reader.Read<byte>(nameof(StartupVector)),
            IsWakePosted = reader.ReadBoolean(nameof(IsWakePosted)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<ulong>(GeneralRegisters);
        writer.Write(Rip);
        writer.Write(Rflags);
        writer.WriteRecords(Segments);
        writer.Write(GdtrBase);
        writer.Write(GdtrLimit);
        writer.Write(IdtrBase);
        writer.Write(IdtrLimit);
        writer.Write(Cr0);
        writer.Write(Cr2);
        writer.Write(Cr3);
        writer.Write(Cr4);
        writer.Write(Xcr0);
        writer.Write(Efer);
        writer.WriteArray<ulong>(Pdptes);
        writer.WriteArray<ulong>(DebugAddresses);
        writer.Write(Dr6);
        writer.Write(Dr7);
        writer.Write(Star);
        writer.Write(Lstar);
        writer.Write(Cstar);
        writer.Write(Sfmask);
        writer.Write(KernelGsBase);
        writer.Write(SysenterCs);
        writer.Write(SysenterEsp);
        writer.Write(SysenterEip);
        writer.Write(Pat);
        writer.Write(TscAux);
        writer.Write(TscOffset);
        writer.Write(TscAdjust);
        writer.Write(MiscEnable);
        writer.Write(SpecCtrl);
        writer.Write(MtrrDefaultType);
        writer.WriteArray<ulong>(MtrrFixed);
        writer.WriteArray<ulong>(MtrrVariable);
        writer.WriteArray<ulong>(Vectors);
        writer.Write(Mxcsr);
        writer.Write(Fcw);
        writer.Write(Fsw);
        writer.Write(Ftw);
        writer.Write(Fop);
        writer.Write(FpuCs);
        writer.Write(FpuDs);
        writer.Write(FpuIp);
        writer.Write(FpuDp);
        writer.WriteArray<ulong>(FpuRegisters);
        writer.Write((byte)Activity);
        writer.Write((byte)Shadow);
        writer.Write(NmiBlocked);
        writer.Write(NmiPending);
        writer.Write(PendingDebugHits);
        writer.Write(Signals);
        writer.Write(StartupVector);
        writer.Write(IsWakePosted);
    }
}
