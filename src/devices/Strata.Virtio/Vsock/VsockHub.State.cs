using Strata.Core.State;

namespace Strata.Virtio.Vsock;

/// <summary>A connection that the guest has to be told the end of: its program on the host does not come along with the guest.</summary>
public sealed class VsockResetState : IStateRecord<VsockResetState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>The address that the guest spoke to: the host's, 2, if it was right.</summary>
    public required ulong HostCid { get; set; }

    public required uint HostPort { get; set; }

    public required uint GuestPort { get; set; }

    /// <summary>The socket type of the guest's packets: 1 is a stream.</summary>
    public required ushort SocketType { get; set; }

    /// <inheritdoc/>
    public static VsockResetState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new VsockResetState
        {
            HostCid = reader.Read<ulong>(nameof(HostCid)),
            HostPort = reader.Read<uint>(nameof(HostPort)),
            GuestPort = reader.Read<uint>(nameof(GuestPort)),
            SocketType = reader.Read<ushort>(nameof(SocketType)),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(HostCid);
        writer.Write(HostPort);
        writer.Write(GuestPort);
        writer.Write(SocketType);
    }
}

/// <content>What a restored guest has to be told.</content>
internal sealed partial class VsockHub
{
    /// <summary>More are lost.</summary>
    public const int MostResets = 4096;

    private readonly List<VsockResetState> _lost = []; // loaded, and not yet among the refusals

    public uint NextPort
    {
        get
        {
            lock (_gate)
            {
                return _nextPort;
            }
        }
    }

    /// <summary>Everything that the guest would wait for in vain on another host.</summary>
    public IReadOnlyList<VsockResetState> SaveResets()
    {
        lock (_gate)
        {
            return
            [
                .. _refusals.Select(refusal => ResetOf(refusal.SourceCid, refusal.SourcePort, refusal.TargetPort, refusal.Type))
                    .Concat(_connections.Values
                        .Where(connection => !connection.MustRequest)
                        .OrderBy(connection => (connection.HostPort, connection.GuestPort))
                        .Select(connection => ResetOf(HostCid, connection.HostPort, connection.GuestPort, VsockHeader.TypeStream)))
                    .Concat(_lost)
                    .Take(MostResets),
            ];
        }
    }

    /// <summary>The guest is another one: connections to the one before end, and who waits for an answer waits for this one's.</summary>
    /// <param name="reason">What the connections' programs are told.</param>
    public void Load(IReadOnlyList<VsockResetState> resets, uint nextPort, string reason)
    {
        lock (_gate)
        {
            End(new VsockException(reason));
            _lost.AddRange(resets);
            _nextPort = nextPort;
        }
    }

    /// <summary>The guest runs again: it hears of the connections that it does not have any more.</summary>
    public void ReportLost()
    {
        lock (_gate)
        {
            _lost.ForEach(lost => _refusals.Enqueue(new VsockHeader
            {
                SourceCid = lost.HostCid,
                TargetCid = GuestCid,
                SourcePort = lost.HostPort,
                TargetPort = lost.GuestPort,
                Type = lost.SocketType,
                Operation = VsockOperation.Reset,
            }));
            _lost.Clear();
        }
    }

    private static VsockResetState ResetOf(ulong hostCid, uint hostPort, uint guestPort, ushort type) =>
        new() { HostCid = hostCid, HostPort = hostPort, GuestPort = guestPort, SocketType = type };
}
