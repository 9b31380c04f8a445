using Strata.Core.State;

namespace Strata.Devices.Storage;

/// <summary>A drive's registers and what it is doing.</summary>
public sealed class IdeDriveState : IStateRecord<IdeDriveState>
{
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

    /// <summary>Sectors of a block of READ MULTIPLE; 0 for none. A CD drive: the sense key.</summary>
    public required byte Multiple { get; set; }

    /// <summary>Heads and sectors of a track that the guest has set. A CD drive: additional sense code and qualifier.</summary>
    public required byte[] Geometry { get; set; }

    /// <summary>Writes may wait in a cache. A CD drive: the medium may not be taken out.</summary>
    public required bool WriteCache { get; set; }

    /// <summary>The transfer mode that the guest has chosen.</summary>
    public required byte TransferMode { get; set; }

    /// <summary>A CD drive: an event of the medium that the guest has not been told. 0 for none.</summary>
    public required byte MediumEvent { get; set; }

    /// <summary>A CD drive: what its next command fails with, as additional sense code and qualifier. 0 for nothing.</summary>
    public required ushort Attention { get; set; }

    /// <summary>There is a medium in the drive.</summary>
    public required bool HasMedium { get; set; }

    public required IdeTransfer Transfer { get; set; }

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
            Multiple = reader.Read<byte>(nameof(Multiple), 0, IdeDrive.MostMultiple),
            Geometry = reader.ReadExactly<byte>(nameof(Geometry), 2),
            WriteCache = reader.ReadBoolean(nameof(WriteCache)),
            TransferMode = reader.Read<byte>(nameof(TransferMode)),
            MediumEvent = reader.Read<byte>(nameof(MediumEvent)),
            Attention = reader.Read<ushort>(nameof(Attention)),
            HasMedium = reader.ReadBoolean(nameof(HasMedium)),
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
        writer.Write(Multiple);
        writer.WriteArray<byte>(Geometry);
        writer.Write(WriteCache);
        writer.Write(TransferMode);
        writer.Write(MediumEvent);
        writer.Write(Attention);
        writer.Write(HasMedium);
        writer.WriteRecord(Transfer);
    }
}
