using System.Buffers.Binary;

namespace Strata.Devices.Storage.Nvme;

/// <summary>A submission queue entry, as it was fetched.</summary>
internal readonly record struct NvmeCommand(
    byte Opcode, byte Flags, ushort Id, uint Namespace, ulong Prp1, ulong Prp2, uint Dword10, uint Dword11, uint Dword12)
{
    /// <summary>FUSE and PSDT: neither fused commands nor SGLs exist here.</summary>
    public bool UsesWhatIsNotThere => (Flags & 0xC3) != 0;

    public static NvmeCommand Read(ReadOnlySpan<byte> entry) => new(
        entry[0],
        entry[1],
        BinaryPrimitives.ReadUInt16LittleEndian(entry[2..]),
        BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]),
        BinaryPrimitives.ReadUInt64LittleEndian(entry[24..]),
        BinaryPrimitives.ReadUInt64LittleEndian(entry[32..]),
        BinaryPrimitives.ReadUInt32LittleEndian(entry[40..]),
        BinaryPrimitives.ReadUInt32LittleEndian(entry[44..]),
        BinaryPrimitives.ReadUInt32LittleEndian(entry[48..]));
}
