using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.State;

namespace Strata.Devices.Firmware;

/// <summary>
/// The number that tells a machine from what else begins where it was saved: 16 bytes that the guest reads, and an event when they change.
/// A guest that knows it reseeds its random numbers then. Microsoft, <i>Virtual Machine Generation ID</i>. Its address is in the ACPI
/// tables.
/// </summary>
/// <param name="id">Of this machine.</param>
/// <param name="changed">Tells the guest that it has changed.</param>
public sealed class VmGenerationId(Guid id, Action changed) : IMmioDevice, IUnit<VmGenerationIdState>
{
    /// <summary>Bytes of the region: a page, as guests map pages.</summary>
    public const int RegionSize = 0x1000;

    internal const int IdSize = 16;

    // Guest-visible state
    private byte[] _id = id.ToByteArray(); // replaced as a whole

    public string UnitName => "vm-generation-id";

    /// <summary>A guest whose ACPI tables do not name it never looks for it.</summary>
    public bool MayBeAbsent => true;

    /// <summary>What the guest reads.</summary>
    public Guid Id => new(Volatile.Read(ref _id));

    /// <summary>The machine is another one from here on. While it stands still.</summary>
    public void Renew(Guid id)
    {
        Volatile.Write(ref _id, id.ToByteArray());
        changed();
    }

    public ulong ReadMmio(ulong offset, AccessWidth width)
    {
        Span<byte> bytes = stackalloc byte[IdSize + sizeof(ulong)]; // what lies behind the number reads as zero
        bytes.Clear();
        Volatile.Read(ref _id).CopyTo(bytes);
        return offset < IdSize ? BinaryPrimitives.ReadUInt64LittleEndian(bytes[(int)offset..]) & width.Mask() : 0;
    }

    /// <summary>It cannot be written.</summary>
    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
    }

    /// <summary>The number is the machine's, and stays when the machine starts again.</summary>
    public void Reset()
    {
    }

    public VmGenerationIdState SaveState() => new() { Id = (byte[])Volatile.Read(ref _id).Clone() };

    public void LoadState(VmGenerationIdState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Volatile.Write(ref _id, (byte[])state.Id.Clone());
    }
}

/// <summary>State of the generation ID.</summary>
public sealed class VmGenerationIdState : IStateRecord<VmGenerationIdState>
{
    public static ushort Version => 1;

    /// <summary>16 bytes, in the order in which they lie in memory.</summary>
    public required byte[] Id { get; set; }

    public static VmGenerationIdState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        byte[] id = new byte[VmGenerationId.IdSize];
        reader.ReadFixed(nameof(Id), id);
        return new VmGenerationIdState { Id = id };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteFixed(Id);
    }
}
