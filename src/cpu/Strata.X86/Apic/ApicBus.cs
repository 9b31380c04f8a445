using Strata.Core.Interrupts;
using Strata.Core.State;

namespace Strata.X86.Apic;

/// <summary>
/// Routes interrupt messages between the local APICs, the I/O APIC and MSI devices of one machine. Local APICs are attached while
/// the machine is built; afterwards every member is safe on any thread and takes no lock.
/// </summary>
public sealed class ApicBus : IMsiSink, IUnit<ApicBusState>
{
    private const ulong MsiLogical = 1 << 2;

    // Wiring
    private LocalApic[] _apics = [];

    // Guest-visible state
    private int _next; // how many lowest-priority messages there have been: the next one's processor follows from it

    public string UnitName => "apic-bus";

    /// <summary>Hears end-of-interrupt messages of level-triggered vectors: the I/O APIC.</summary>
    public IEoiSink? EoiSink { get; set; }

    public void Attach(LocalApic apic) => _apics = [.. _apics, apic];

    /// <summary>An MSI, also what an I/O APIC sends. Intel SDM Vol. 3A, "Message Signalled Interrupts".</summary>
    public void Send(ulong address, uint data)
    {
        // Bits 11..5 extend the destination to 15 bits, as KVM and QEMU define it for guests without interrupt remapping.
        uint destination = (uint)((address >> 12) & 0xFF) | (uint)((address >> 5) & 0x7F) << 8;
        Deliver(
            (DeliveryMode)((data >> 8) & 7), (byte)data, destination, (address & MsiLogical) != 0, ((data >> 15) & 1) != 0, wide: false);
    }

    /// <param name="wide">The destination is an x2APIC one: 32 bits, all ones is everybody.</param>
    public void Deliver(DeliveryMode mode, byte vector, uint destination, bool logical, bool level, bool wide)
    {
        LocalApic[] apics = _apics;
        bool broadcast = destination == (wide ? uint.MaxValue : 0xFF);
        if (mode == DeliveryMode.LowestPriority)
        {
            DeliverToOne(apics, vector, destination, logical, broadcast, level);
            return;
        }

        foreach (LocalApic apic in apics)
        {
            if (broadcast || apic.Matches(destination, logical))
            {
                apic.Accept(mode, vector, level);
            }
        }
    }

    /// <returns>Whether a processor with that initial APIC ID exists.</returns>
    public bool DeliverToId(DeliveryMode mode, byte vector, uint apicId)
    {
        LocalApic? target = Array.Find(_apics, apic => apic.InitialId == apicId);
        target?.Accept(mode, vector, level: false);
        return target is not null;
    }

    /// <summary>Ends the halt, or the next one, of the processor with that initial APIC ID, if there is one.</summary>
    internal void WakeId(uint apicId) => Array.Find(_apics, apic => apic.InitialId == apicId)?.Wake();

    public void DeliverToAll(DeliveryMode mode, byte vector, LocalApic? except)
    {
        foreach (LocalApic apic in _apics)
        {
            if (!ReferenceEquals(apic, except))
            {
                apic.Accept(mode, vector, level: false);
            }
        }
    }

    public void Reset() => Volatile.Write(ref _next, 0);

    public ApicBusState SaveState() => new() { Next = Volatile.Read(ref _next) };

    public void LoadState(ApicBusState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Volatile.Write(ref _next, state.Next);
    }

    internal void EndOfInterrupt(byte vector) => EoiSink?.EndOfInterrupt(vector);

    /// <summary>Lowest priority is taken round-robin among the processors addressed.</summary>
    private void DeliverToOne(LocalApic[] apics, byte vector, uint destination, bool logical, bool broadcast, bool level)
    {
        int start = (int)((uint)Interlocked.Increment(ref _next) % (uint)Math.Max(1, apics.Length));
        for (int i = 0; i < apics.Length; i++)
        {
            LocalApic apic = apics[(start + i) % apics.Length];
            if (apic.IsSoftwareEnabled && (broadcast || apic.Matches(destination, logical)))
            {
                apic.Accept(DeliveryMode.Fixed, vector, level);
                return;
            }
        }
    }
}
