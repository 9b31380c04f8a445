using Strata.Core.State;

namespace Strata.Virtio.Vsock;

/// <summary>How far the driver has been told that its connections are gone.</summary>
public enum VsockResetProgress
{
    None,

    /// <summary>The event waits for a buffer of the driver's.</summary>
    MustReport,

    /// <summary>The driver has the event, and has not offered a buffer since: it may not have looked at it.</summary>
    Reported,
}

/// <summary>What a socket device remembers beside its queues. Connections do not come along; both ends hear that they are broken.</summary>
public sealed class VirtioVsockState : IStateRecord<VirtioVsockState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>The guest's context identifier.</summary>
    public required ulong GuestCid { get; set; }

    /// <summary>The host's port for its next connection: used ones do not come again soon.</summary>
    public required uint NextPort { get; set; }

    public required VsockResetProgress ResetProgress { get; set; }

    /// <summary>For <see cref="VsockResetProgress.Reported"/>: the event queue's available index when the driver got the event.</summary>
    public required ushort ResetMark { get; set; }

    public required IReadOnlyList<VsockResetState> Resets { get; set; }

    /// <inheritdoc/>
    public static VirtioVsockState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new VirtioVsockState
        {
            GuestCid = reader.Read<ulong>(nameof(GuestCid), VsockHub.GuestCid, VsockHub.GuestCid),
            NextPort = reader.Read<uint>(nameof(NextPort), VsockHub.FirstDynamicPort, uint.MaxValue - 1),
            ResetProgress = (VsockResetProgress)reader.Read<byte>(nameof(ResetProgress), 0, (byte)VsockResetProgress.Reported),
            ResetMark = reader.Read<ushort>(nameof(ResetMark)),
            Resets = reader.ReadRecords<VsockResetState>(nameof(Resets), VsockHub.MostResets),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(GuestCid);
        writer.Write(NextPort);
        writer.Write((byte)ResetProgress);
        writer.Write(ResetMark);
        writer.WriteRecords(Resets);
    }
}

/// <content>
/// The device as a unit of state. Behind a load the driver gets VIRTIO_VSOCK_EVENT_TRANSPORT_RESET, and a reset for each connection that
/// was: Linux breaks what it thinks connected when it sees the event, so that packets wait until it has offered the event's buffer again.
/// Otherwise a connection made at once would be broken, too.
/// </content>
public sealed partial class VirtioVsock
{
    private const int EventSize = 4;

    private VsockResetProgress _reset; // under Gate, as the next two
    private ushort _resetMark;
    private bool _wasLoaded; // since the device last went on

    /// <inheritdoc/>
    public override void Reset()
    {
        lock (Gate)
        {
            _hub.Load([], VsockHub.FirstDynamicPort, "The machine was reset.");
            (_reset, _resetMark) = (VsockResetProgress.None, 0);
            _wasLoaded = false;
        }
    }

    /// <inheritdoc/>
    public override VirtioVsockState SaveState()
    {
        lock (Gate)
        {
            return new VirtioVsockState
            {
                GuestCid = VsockHub.GuestCid,
                NextPort = _hub.NextPort,
                ResetProgress = _reset,
                ResetMark = _resetMark,
                Resets = _hub.SaveResets(),
            };
        }
    }

    /// <inheritdoc/>
    public override void LoadState(VirtioVsockState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (Gate)
        {
            _hub.Load(state.Resets, state.NextPort, "The machine was put back to a saved state, which does not know the connection.");
            (_reset, _resetMark) = (state.ResetProgress, state.ResetMark);
            _wasLoaded = true;
        }
    }

    protected override void OnResumed()
    {
        lock (Gate)
        {
            _hub.ReportLost();
            _reset = _wasLoaded && DriverFeatures != 0 ? VsockResetProgress.MustReport : _reset;
            _wasLoaded = false;
        }
    }

    /// <summary>Whether packets have to wait for the driver to see the event. A driver without buffers for events does without.</summary>
    private bool IsHeldBack()
    {
        lock (Gate)
        {
            ushort? available = _reset == VsockResetProgress.None ? null : Queues[EventQueue].PeekAvailable();
            if (_reset == VsockResetProgress.Reported && available != _resetMark)
            {
                _reset = VsockResetProgress.None;
            }

            return _reset == VsockResetProgress.Reported
                || (_reset == VsockResetProgress.MustReport && available is { } index && index != Queues[EventQueue].TakenIndex);
        }
    }

    private bool MustReportReset()
    {
        lock (Gate)
        {
            return _reset == VsockResetProgress.MustReport;
        }
    }

    /// <summary>An event is its number; the one there is has the number 0.</summary>
    private uint ReportReset(Queue.DescriptorChain chain)
    {
        Queue.ChainWriter writer = new(Memory, chain);
        Span<byte> id = stackalloc byte[EventSize];
        id.Clear();
        uint written = writer.TryWrite(id) ? writer.Taken : 0;
        _resetMark = Queues[EventQueue].WatchAvailable();
        _reset = VsockResetProgress.Reported;
        return written;
    }
}
