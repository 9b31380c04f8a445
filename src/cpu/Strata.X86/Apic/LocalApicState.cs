using Strata.Core.State;
using Strata.Core.Time;
using static Strata.X86.Apic.ApicRegisters;

namespace Strata.X86.Apic;

/// <summary>State of a local APIC; the registers' names are the manual's.</summary>
public sealed class LocalApicState : IStateRecord<LocalApicState>
{
    internal const int VectorWords = 8;
    internal const int LvtEntries = 7;

    private const uint HighByte = 0xFF00_0000;
    private const ulong BaseAllowed = ((1UL << Paging.PageWalker.PhysicalAddressBits) - 1) & ~(0xFFUL | (1 << 9));

    public static ushort Version => 1;

    /// <summary>IA32_APIC_BASE.</summary>
    public required ulong Base { get; set; }

    /// <summary>The ID register of xAPIC mode.</summary>
    public required uint XApicId { get; set; }

    public required uint TaskPriority { get; set; }

    public required uint LogicalDestination { get; set; }

    public required uint DestinationFormat { get; set; }

    public required uint SpuriousVector { get; set; }

    /// <summary>ESR as it reads.</summary>
    public required uint ErrorStatus { get; set; }

    /// <summary>Errors that the next write to ESR shows.</summary>
    public required uint ErrorPending { get; set; }

    /// <summary>ICR.</summary>
    public required ulong Command { get; set; }

    /// <summary>IRR, 32 vectors an element.</summary>
    public required uint[] InterruptRequest { get; set; }

    /// <summary>ISR.</summary>
    public required uint[] InService { get; set; }

    /// <summary>TMR.</summary>
    public required uint[] TriggerMode { get; set; }

    /// <summary>LVT: CMCI, timer, thermal, performance, LINT0, LINT1, error.</summary>
    public required uint[] Lvt { get; set; }

    public required uint InitialCount { get; set; }

    public required uint DivideConfiguration { get; set; }

    /// <summary>Virtual time at which the current count began.</summary>
    public required long CountStart { get; set; }

    /// <summary>The timer counts down.</summary>
    public required bool Counts { get; set; }

    /// <summary>IA32_TSC_DEADLINE; 0 where none is awaited. One that has passed is about to interrupt.</summary>
    public required ulong TscDeadline { get; set; }

    /// <summary>The guest's flag that stands for the end of interrupt is raised, or was and the guest has used it.</summary>
    public required bool IsEoiOffered { get; set; }

    public static LocalApicState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        LocalApicState state = new()
        {
            Base = reader.ReadBits(nameof(Base), BaseAllowed),
            XApicId = reader.ReadBits(nameof(XApicId), HighByte),
            TaskPriority = reader.ReadBits(nameof(TaskPriority), 0xFFu),
            LogicalDestination = reader.ReadBits(nameof(LogicalDestination), HighByte),
            DestinationFormat = reader.Read(nameof(DestinationFormat), 0x0FFF_FFFFu, uint.MaxValue),
            SpuriousVector = reader.ReadBits(nameof(SpuriousVector), 0x1FFu),
            ErrorStatus = reader.ReadBits(nameof(ErrorStatus), 0xFFu),
            ErrorPending = reader.ReadBits(nameof(ErrorPending), 0xFFu),
            Command = reader.Read<ulong>(nameof(Command)),
            InterruptRequest = reader.ReadExactly<uint>(nameof(InterruptRequest), VectorWords),
            InService = reader.ReadExactly<uint>(nameof(InService), VectorWords),
            TriggerMode = reader.ReadExactly<uint>(nameof(TriggerMode), VectorWords),
            Lvt = reader.ReadExactly<uint>(nameof(Lvt), LvtEntries),
            InitialCount = reader.Read<uint>(nameof(InitialCount)),
            DivideConfiguration = reader.ReadBits(nameof(DivideConfiguration), DefinedBits(ApicRegisters.DivideConfiguration)),
            CountStart = reader.ReadTime(nameof(CountStart)),
            Counts = reader.ReadBoolean(nameof(Counts)),
            TscDeadline = reader.Read<ulong>(nameof(TscDeadline)),
            IsEoiOffered = reader.ReadBoolean(nameof(IsEoiOffered)),
        };
        state.Check(reader);
        return state;
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Base);
        writer.Write(XApicId);
        writer.Write(TaskPriority);
        writer.Write(LogicalDestination);
        writer.Write(DestinationFormat);
        writer.Write(SpuriousVector);
        writer.Write(ErrorStatus);
        writer.Write(ErrorPending);
        writer.Write(Command);
        writer.WriteArray<uint>(InterruptRequest);
        writer.WriteArray<uint>(InService);
        writer.WriteArray<uint>(TriggerMode);
        writer.WriteArray<uint>(Lvt);
        writer.Write(InitialCount);
        writer.Write(DivideConfiguration);
        writer.Write(CountStart);
        writer.Write(Counts);
        writer.Write(TscDeadline);
        writer.Write(IsEoiOffered);
    }

    private void Check(StateReader reader)
    {
        if ((Base & (BaseEnable | BaseX2Apic)) == BaseX2Apic)
        {
            throw reader.Refuse(nameof(Base), "says x2APIC mode of an APIC that is off");
        }

        if (Counts && InitialCount == 0)
        {
            throw reader.Refuse(nameof(Counts), "says that a timer runs whose initial count is 0");
        }

        for (int i = 0; i < LvtEntries; i++)
        {
            uint offset = i == 0 ? LvtCmci : LvtTimer + (uint)((i - 1) << 4);
            if ((Lvt[i] & ~DefinedBits(offset)) != 0)
            {
                throw reader.Refuse(nameof(Lvt), $"has reserved bits set in entry {i}");
            }
        }
    }
}
