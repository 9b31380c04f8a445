using Strata.Core.State;

namespace Strata.Networking.Nat;

/// <summary>
/// What a user-mode network keeps for its guest. Connections go on where they still are and nothing was sent since; otherwise both ends
/// hear that they are broken.
/// </summary>
public sealed class UserNetworkState : IStateRecord<UserNetworkState>
{
    /// <summary>Of each list.</summary>
    internal const int MostEntries = 1 << 16;

    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>Addresses given out by DHCP, the one not heard of for longest first.</summary>
    public required IReadOnlyList<StationState> Leases { get; set; }

    /// <summary>Stations that packets were seen of, oldest first.</summary>
    public required IReadOnlyList<StationState> Neighbours { get; set; }

    /// <summary>The IPv4 address where forwarded ports lead that name no guest; zero while there is none.</summary>
    public required uint ForwardTarget { get; set; }

    /// <summary>TCP connections that the guest believes in.</summary>
    public required IReadOnlyList<TcpResetState> Connections { get; set; }

    /// <inheritdoc/>
    public static UserNetworkState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new UserNetworkState
        {
            Leases = reader.ReadRecords<StationState>(nameof(Leases), MostEntries),
            Neighbours = reader.ReadRecords<StationState>(nameof(Neighbours), MostEntries),
            ForwardTarget = reader.Read<uint>(nameof(ForwardTarget)),
            Connections = reader.ReadRecords<TcpResetState>(nameof(Connections), MostEntries),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteRecords(Leases);
        writer.WriteRecords(Neighbours);
        writer.Write(ForwardTarget);
        writer.WriteRecords(Connections);
    }
}

/// <summary>A station and an address that it has.</summary>
public sealed class StationState : IStateRecord<StationState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>48 bits, no group.</summary>
    public required ulong MacAddress { get; set; }

    /// <summary>IPv6, or IPv4 mapped into it.</summary>
    public required UInt128 Address { get; set; }

    /// <inheritdoc/>
    public static StationState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        StationState state = new()
        {
            MacAddress = reader.Read<ulong>(nameof(MacAddress), 0, 0xFFFF_FFFF_FFFF),
            Address = reader.Read<UInt128>(nameof(Address)),
        };
        return !new Frames.MacAddress(state.MacAddress).IsGroup ? state : throw reader.Refuse(nameof(MacAddress), "is a group's");
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(MacAddress);
        writer.Write(Address);
    }
}

/// <summary>A TCP connection: where it leads, and how far it is, which a reset needs to be believed.</summary>
public sealed class TcpResetState : IStateRecord<TcpResetState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    public required UInt128 Guest { get; set; }

    public required ushort GuestPort { get; set; }

    public required UInt128 Remote { get; set; }

    public required ushort RemotePort { get; set; }

    /// <summary>What the guest would get next.</summary>
    public required uint Sequence { get; set; }

    /// <summary>What the guest would send next.</summary>
    public required uint Acknowledgment { get; set; }

    /// <inheritdoc/>
    public static TcpResetState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new TcpResetState
        {
            Guest = reader.Read<UInt128>(nameof(Guest)),
            GuestPort = reader.Read<ushort>(nameof(GuestPort)),
            Remote = reader.Read<UInt128>(nameof(Remote)),
            RemotePort = reader.Read<ushort>(nameof(RemotePort)),
            Sequence = reader.Read<uint>(nameof(Sequence)),
            Acknowledgment = reader.Read<uint>(nameof(Acknowledgment)),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Guest);
        writer.Write(GuestPort);
        writer.Write(Remote);
        writer.Write(RemotePort);
        writer.Write(Sequence);
        writer.Write(Acknowledgment);
    }
}
