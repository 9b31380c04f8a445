using Strata.Core.State;

namespace Strata.Devices.Storage;

/// <summary>Where the bytes of a data phase come from or go to.</summary>
public enum IdeTransferKind : byte
{
    None,

    /// <summary>From the medium to the host.</summary>
    FromMedium,

    /// <summary>From the host to the medium.</summary>
    ToMedium,

    /// <summary>A reply that the drive has made.</summary>
    FromReply,

    /// <summary>A packet with a command of ATAPI.</summary>
    Packet,

    /// <summary>Ranges that the drive may forget.</summary>
    Ranges,
}

/// <summary>A drive's data phase: what is to be moved, and what of it is in the buffer between drive and data register.</summary>
public sealed class IdeTransfer : IStateRecord<IdeTransfer>
{
    /// <summary>Bytes of the largest block that goes through the data register at once.</summary>
    internal const int LargestBlock = 64 << 10;

    internal const int LargestReply = 64 << 10;
    private const long LargestLength = 1L << 32;

    public static ushort Version => 1;

    public IdeTransferKind Kind { get; set; }

    /// <summary>By bus master, and not through the data register.</summary>
    public bool IsDma { get; set; }

    /// <summary>Has to be on stable storage at the end.</summary>
    public bool IsForced { get; set; }

    /// <summary>Bytes from the start of the medium.</summary>
    public long Start { get; set; }

    /// <summary>Bytes of all.</summary>
    public long Length { get; set; }

    /// <summary>Bytes of blocks that are complete.</summary>
    public long Done { get; set; }

    /// <summary>Bytes between two interrupts.</summary>
    public int Block { get; set; }

    /// <summary>Bytes of the block that is in the buffer now.</summary>
    public int Filled { get; set; }

    /// <summary>Bytes of it that went through the data register.</summary>
    public int Moved { get; set; }

    /// <summary>The block in the buffer.</summary>
    public byte[] Buffer { get; set; } = [];

    /// <summary>Of <see cref="IdeTransferKind.FromReply"/>.</summary>
    public byte[] Reply { get; set; } = [];

    /// <summary>Bytes of the next block.</summary>
    internal int NextBlock => (int)Math.Min(Block, Length - Done);

    internal bool IsComplete => Done >= Length;

    public static IdeTransfer Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        IdeTransfer transfer = new()
        {
            Kind = (IdeTransferKind)reader.Read<byte>(nameof(Kind), 0, (byte)IdeTransferKind.Ranges),
            IsDma = reader.ReadBoolean(nameof(IsDma)),
            IsForced = reader.ReadBoolean(nameof(IsForced)),
            Start = reader.Read(nameof(Start), 0, long.MaxValue / 2),
            Length = reader.Read(nameof(Length), 0, LargestLength),
            Block = reader.Read(nameof(Block), 0, LargestBlock),
            Buffer = reader.ReadBytes(nameof(Buffer), LargestBlock),
            Reply = reader.ReadBytes(nameof(Reply), LargestReply),
        };
        transfer.Done = reader.Read(nameof(Done), 0, transfer.Length);
        transfer.Filled = reader.Read(nameof(Filled), 0, transfer.Buffer.Length);
        transfer.Moved = reader.Read(nameof(Moved), 0, transfer.Filled);
        return transfer;
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write((byte)Kind);
        writer.Write(IsDma);
        writer.Write(IsForced);
        writer.Write(Start);
        writer.Write(Length);
        writer.Write(Block);
        writer.WriteBytes(Buffer);
        writer.WriteBytes(Reply);
        writer.Write(Done);
        writer.Write(Filled);
        writer.Write(Moved);
    }

    /// <summary>A copy that shares nothing.</summary>
    internal IdeTransfer Copy()
    {
        IdeTransfer copy = (IdeTransfer)MemberwiseClone();
        (copy.Buffer, copy.Reply) = ([.. Buffer], [.. Reply]);
        return copy;
    }
}
