using Strata.Core.Bus;
using Strata.Core.State;

namespace Strata.Devices.Identity;

/// <summary>
/// Where a program in the guest says that it makes clones machines of their own: until it has done so, a clone runs no other program. It is
/// known by its page tables: those of the processor that writes. Only who may access hardware reaches it, by /dev/mem in Linux, so an
/// ordinary program cannot take its place.
/// <code>
/// +0  read: 53h, the register is there     write: 1, the program that writes is the one     0, there is none any more
/// </code>
/// </summary>
/// <param name="addressSpace">CR3 of the processor whose instruction is served on the calling thread; null for none.</param>
public sealed class IdentityRegister(Func<ulong?> addressSpace) : IMmioDevice, IUnit<IdentityRegisterState>
{
    /// <summary>Bytes of the region: a page, as guests map pages.</summary>
    public const int RegionSize = 0x1000;

    private const byte Presence = 0x53;
    private const byte Announcement = 1;
    private const ulong PageMask = 0x000F_FFFF_FFFF_F000;

    // Guest-visible state, as far as a clone shows it
    private ulong _addressSpace; // volatile accesses

    public string UnitName => "identity";

    /// <summary>A guest that has never heard of it has no program that would say so.</summary>
    public bool MayBeAbsent => true;

    /// <summary>
    /// The page of the page tables that the program has while its kernel runs for it; null if none has said anything. Any thread.
    /// </summary>
    public ulong? AddressSpace => Volatile.Read(ref _addressSpace) is not 0 and ulong page ? page : null;

    public ulong ReadMmio(ulong offset, AccessWidth width) => offset == 0 ? Presence : 0UL;

    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
        if (offset == 0)
        {
            Volatile.Write(ref _addressSpace, (byte)value == Announcement && addressSpace() is { } cr3 ? cr3 & PageMask : 0);
        }
    }

    public void Reset() => Volatile.Write(ref _addressSpace, 0);

    public IdentityRegisterState SaveState() => new() { AddressSpace = Volatile.Read(ref _addressSpace) };

    public void LoadState(IdentityRegisterState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Volatile.Write(ref _addressSpace, state.AddressSpace);
    }
}

/// <summary>State of the identity register.</summary>
public sealed class IdentityRegisterState : IStateRecord<IdentityRegisterState>
{
    public static ushort Version => 1;

    /// <summary>The page of the program's page tables; 0 for none.</summary>
    public required ulong AddressSpace { get; set; }

    public static IdentityRegisterState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new IdentityRegisterState { AddressSpace = reader.Read<ulong>(nameof(AddressSpace)) };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(AddressSpace);
    }
}
