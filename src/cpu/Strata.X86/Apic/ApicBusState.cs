using Strata.Core.State;

namespace Strata.X86.Apic;

/// <summary>State of the bus between APICs.</summary>
public sealed class ApicBusState : IStateRecord<ApicBusState>
{
    public static ushort Version => 1;

    /// <summary>Lowest-priority messages so far, modulo 2^32: they are dealt out in turn.</summary>
    public required int Next { get; set; }

    public static ApicBusState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new ApicBusState { Next = reader.Read<int>(nameof(Next)) };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Next);
    }
}
