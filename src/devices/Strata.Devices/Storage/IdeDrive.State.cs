using Strata.Core.State;

namespace Strata.Devices.Storage;

/// <summary>A drive's registers and what it is doing.</summary>
public sealed class IdeDriveState : IStateRecord<IdeDriveState>
{
    private const int LargestOwn = 256;

    public static ushort Version => 1;

    /// <summary>Sector count, LBA low, mid and high: as they were written last.</summary>
    public required byte[] Address { get; set; }

    /// <summary>The same as they were written before.</summary>
    public required byte[] HighOrder { get; set; }

    public required byte Features { get; set; }

    public required byte Device { get; set; }

    public required byte Status { get; set; }

    public required byte Error { get; set; }

    /// <summary>It asks for an interrupt.</summary>
    public required bool Interrupt { get; set; }

    /// <summary>What drives of its kind have beside, as a record of <see cref="AtaDiskState"/> or <see cref="AtapiDriveState"/>.</summary>
    public required byte[] Own { get; set; }

    public required IdeTransfer Transfer { get; set; }

    /// <summary>Whether <see cref="Own"/> is of a CD drive is in its first byte.</summary>
    internal static byte[] Encode<T>(T own, bool isPacket)
        where T : IStateRecord<T>
    {
        StateWriter writer = new();
        writer.Write(isPacket);
        writer.WriteRecord(own);
        return writer.ToArray();
    }

    /// <exception cref="StateException">It is of another kind of drive, or damaged.</exception>
    internal T Decode<T>(bool isPacket)
        where T : IStateRecord<T>
    {
        StateReader reader = new(Own, "an IDE drive");
        if (reader.ReadBoolean("IsPacket") != isPacket)
        {
            throw reader.Refuse(nameof(Own), isPacket ? "is of a hard disk" : "is of a CD drive");
        }

        T own = reader.ReadRecord<T>();
        return reader.Remaining == 0 ? own : throw reader.Refuse(nameof(Own), "has bytes behind its end");
    }

    public static IdeDriveState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new IdeDriveState
        {
            Address = reader.ReadExactly<byte>(nameof(Address), IdeDrive.AddressRegisters),
            HighOrder = reader.ReadExactly<byte>(nameof(HighOrder), IdeDrive.AddressRegisters),
            Features = reader.Read<byte>(nameof(Features)),
            Device = reader.Read<byte>(nameof(Device)),
            Status = reader.ReadBits<byte>(nameof(Status), 0x79), // never busy while the machine stands still
            Error = reader.Read<byte>(nameof(Error)),
            Interrupt = reader.ReadBoolean(nameof(Interrupt)),
            Own = reader.ReadBytes(nameof(Own), LargestOwn),
            Transfer = reader.ReadRecord<IdeTransfer>(),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray<byte>(Address);
        writer.WriteArray<byte>(HighOrder);
        writer.Write(Features);
        writer.Write(Device);
        writer.Write(Status);
        writer.Write(Error);
        writer.Write(Interrupt);
        writer.WriteBytes(Own);
        writer.WriteRecord(Transfer);
    }
}

/// <summary>What only a hard disk has.</summary>
public sealed class AtaDiskState : IStateRecord<AtaDiskState>
{
    public static ushort Version => 1;

    /// <summary>Sectors of a block of READ MULTIPLE; 0 for none.</summary>
    public required byte Multiple { get; set; }

    /// <summary>Heads that the guest has set.</summary>
    public required byte Heads { get; set; }

    /// <summary>Sectors of a track that the guest has set.</summary>
    public required byte Track { get; set; }

    /// <summary>Writes may wait in a cache.</summary>
    public required bool WriteCache { get; set; }

    /// <summary>The transfer mode that the guest has chosen.</summary>
    public required byte TransferMode { get; set; }

    public static AtaDiskState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new AtaDiskState
        {
            Multiple = reader.Read<byte>(nameof(Multiple), 0, IdeDrive.MostMultiple),
            Heads = reader.Read<byte>(nameof(Heads)),
            Track = reader.Read<byte>(nameof(Track)),
            WriteCache = reader.ReadBoolean(nameof(WriteCache)),
            TransferMode = reader.Read<byte>(nameof(TransferMode)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Multiple);
        writer.Write(Heads);
        writer.Write(Track);
        writer.Write(WriteCache);
        writer.Write(TransferMode);
    }
}

/// <summary>What only a CD drive has.</summary>
public sealed class AtapiDriveState : IStateRecord<AtapiDriveState>
{
    public static ushort Version => 1;

    /// <summary>What the last command failed with.</summary>
    public required byte SenseKey { get; set; }

    /// <summary>Additional sense code and qualifier.</summary>
    public required ushort SenseCode { get; set; }

    /// <summary>What the next command fails with, as additional sense code and qualifier. 0 for nothing.</summary>
    public required ushort Attention { get; set; }

    /// <summary>The medium may not be taken out.</summary>
    public required bool IsLocked { get; set; }

    /// <summary>There is a medium in the drive.</summary>
    public required bool HasMedium { get; set; }

    /// <summary>An event of the medium that the guest has not been told. 0 for none.</summary>
    public required byte MediumEvent { get; set; }

    /// <summary>The transfer mode that the guest has chosen.</summary>
    public required byte TransferMode { get; set; }

    public static AtapiDriveState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new AtapiDriveState
        {
            SenseKey = reader.Read<byte>(nameof(SenseKey), 0, 15),
            SenseCode = reader.Read<ushort>(nameof(SenseCode)),
            Attention = reader.Read<ushort>(nameof(Attention)),
            IsLocked = reader.ReadBoolean(nameof(IsLocked)),
            HasMedium = reader.ReadBoolean(nameof(HasMedium)),
            MediumEvent = reader.Read<byte>(nameof(MediumEvent), 0, AtapiDrive.LastEvent),
            TransferMode = reader.Read<byte>(nameof(TransferMode)),
        };
    }

    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(SenseKey);
        writer.Write(SenseCode);
        writer.Write(Attention);
        writer.Write(IsLocked);
        writer.Write(HasMedium);
        writer.Write(MediumEvent);
        writer.Write(TransferMode);
    }
}
