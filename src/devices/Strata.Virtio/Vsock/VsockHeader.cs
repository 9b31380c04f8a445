using System.Buffers.Binary;

namespace Strata.Virtio.Vsock;

/// <summary>
/// The header of a packet. Virtual I/O Device (VIRTIO) 1.2, "Socket Device".
/// <code>
/// 0 source CID (64)  8 target CID (64)  16 source port (32)  20 target port (32)  24 length (32)  28 type (16)  30 operation (16)
/// 32 flags (32)  36 buffer allocated (32)  40 forward count (32)
/// </code>
/// </summary>
internal readonly record struct VsockHeader
{
    public const int Size = 44;
    public const ushort TypeStream = 1;
    public const uint ShutdownReceive = 1;
    public const uint ShutdownSend = 2;

    public ulong SourceCid { get; init; }

    public ulong TargetCid { get; init; }

    public uint SourcePort { get; init; }

    public uint TargetPort { get; init; }

    /// <summary>Bytes that follow.</summary>
    public uint Length { get; init; }

    public ushort Type { get; init; }

    public VsockOperation Operation { get; init; }

    public uint Flags { get; init; }

    /// <summary>Bytes that the sender can buffer.</summary>
    public uint BufferAllocated { get; init; }

    /// <summary>Bytes that the sender's program has taken so far, modulo 2^32.</summary>
    public uint ForwardCount { get; init; }

    public static VsockHeader Parse(ReadOnlySpan<byte> bytes) => new()
    {
        SourceCid = BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        TargetCid = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
        SourcePort = BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]),
        TargetPort = BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]),
        Length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]),
        Type = BinaryPrimitives.ReadUInt16LittleEndian(bytes[28..]),
        Operation = (VsockOperation)BinaryPrimitives.ReadUInt16LittleEndian(bytes[30..]),
        Flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
        BufferAllocated = BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]),
        ForwardCount = BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]),
    };

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, SourceCid);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], TargetCid);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[16..], SourcePort);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[20..], TargetPort);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[24..], Length);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[28..], Type);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[30..], (ushort)Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[32..], Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[36..], BufferAllocated);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[40..], ForwardCount);
    }
}

/// <summary>VIRTIO 1.2, "Socket Device", VIRTIO_VSOCK_OP_*.</summary>
internal enum VsockOperation : ushort
{
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}
