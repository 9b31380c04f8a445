using Strata.Core.Networking;
using Strata.Networking.Frames;

namespace Strata.Networking.Switching;

/// <summary>
/// A port of a <see cref="VirtualSwitch"/>. A network card is plugged into it as into any other network, or, for an uplink, a network
/// sees it as its card. Safe on any thread; frames are never handed on under a lock of the switch.
/// </summary>
public sealed class SwitchPort : INetworkBackend
{
    private readonly VirtualSwitch _switch;
    private readonly SourceFilter _filter;
    private readonly LinkShaper _in;
    private readonly LinkShaper _out;
    private volatile IFrameReceiver? _receiver;
    private volatile bool _isLinkUp = true;
    private volatile bool _disposed;
    private long _countIn;
    private long _countOut;
    private long _countFiltered;
    private long _countLost;
    private long _countOverflowed;

    internal SwitchPort(VirtualSwitch owner, int number, SwitchPortOptions options)
    {
        _switch = owner;
        Number = number;
        Options = options;
        _filter = new SourceFilter(options);
        _in = new LinkShaper(options.In, owner.Clock, Enter);
        _out = new LinkShaper(options.Out, owner.Clock, HandOver);
    }

    /// <summary>Counts from 1 in the order in which ports were added.</summary>
    public int Number { get; }

    public SwitchPortOptions Options { get; }

    /// <summary>The switch itself finishes what a receiver cannot.</summary>
    public FrameFeatures Accepts => FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation | FrameFeatures.Tcp6Segmentation;

    public SwitchPortCounters Counters => new(
        Interlocked.Read(ref _countIn), Interlocked.Read(ref _countOut), Interlocked.Read(ref _countFiltered),
        Interlocked.Read(ref _countLost), Interlocked.Read(ref _countOverflowed));

    /// <summary>Whether the port works. What is plugged in loses its carrier with it, and the switch forgets its stations.</summary>
    public bool IsLinkUp
    {
        get => _isLinkUp;
        set
        {
            _isLinkUp = value;
            if (!value)
            {
                _switch.Forget(this);
            }

            _receiver?.SetCarrier(value);
        }
    }

    public void Connect(IFrameReceiver receiver)
    {
        _receiver = receiver;
        if (!_isLinkUp)
        {
            receiver.SetCarrier(false);
        }
    }

    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload) => TrySend(frame, offload);

    public void Resume() => _switch.ResumeUplinks();

    /// <summary>Takes the port out of the switch.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _receiver = null;
        _in.Dispose();
        _out.Dispose();
        _switch.Remove(this);
    }

    /// <summary>A frame into the switch.</summary>
    /// <returns>False if its only receiver had no room.</returns>
    internal bool TrySend(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (_disposed || !_isLinkUp)
        {
            return true;
        }

        return Count(_in.Offer(frame, offload)) != LinkShaper.Fate.Refused;
    }

    /// <summary>A frame of a VLAN that this port carries, out of the switch.</summary>
    /// <param name="control">The tag to give it: priority and VLAN.</param>
    /// <returns>False if the receiver has no room.</returns>
    internal bool TryDeliver(ReadOnlySpan<byte> frame, in FrameOffload offload, ushort control)
    {
        if (_disposed || !_isLinkUp)
        {
            return true;
        }

        FrameOffload moved = offload;
        ReadOnlySpan<byte> outgoing = (control & VlanTag.VlanMask) == Options.Vlan.Untagged
            ? frame
            : VlanTag.Insert(frame, control, ref moved);
        return Count(_out.Offer(outgoing, moved)) != LinkShaper.Fate.Refused;
    }

    /// <summary>Sorts a frame into its VLAN; what does not belong here is dropped.</summary>
    private bool Enter(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        FrameOffload inner = offload;
        ushort control = Options.Vlan.Untagged;
        if (VlanTag.Find(frame) is { } tag)
        {
            ushort vlan = (ushort)(tag & VlanTag.VlanMask);
            bool priorityOnly = vlan == 0;
            bool belongs = priorityOnly || (Options.Vlan.IsTrunk && vlan != Options.Vlan.Untagged && Options.Vlan.Carries(vlan));
            control = !belongs ? (ushort)0 : priorityOnly ? (ushort)(tag | control) : tag;
            frame = VlanTag.Remove(frame, ref inner);
        }

        if ((control & VlanTag.VlanMask) == 0 || !EthernetFrame.TryParse(frame, out EthernetFrame ethernet) || ethernet.Source.IsGroup
            || !_filter.Allows(ethernet))
        {
            Interlocked.Increment(ref _countFiltered);
            return true;
        }

        Interlocked.Increment(ref _countIn);
        return _switch.Forward(this, frame, inner, control);
    }

    private bool HandOver(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (_receiver is not { } receiver)
        {
            return true;
        }

        FrameFeatures accepts = receiver.Accepts;
        FrameFeatures needed = offload.Segmentation | (offload.NeedsChecksum ? FrameFeatures.PartialChecksum : FrameFeatures.None);
        if ((needed & ~accepts) == 0)
        {
            return CountOut(receiver.TryReceive(frame, [], offload));
        }

        FrameCompletion.Complete(
            frame, offload, accepts, (ReadOnlySpan<byte> piece, in FrameOffload rest) => CountOut(receiver.TryReceive(piece, [], rest)));
        return true; // a piece that found no room is lost: its sender repeats it
    }

    private bool CountOut(bool taken)
    {
        if (taken)
        {
            Interlocked.Increment(ref _countOut);
        }

        return taken;
    }

    private LinkShaper.Fate Count(LinkShaper.Fate fate)
    {
        switch (fate)
        {
            case LinkShaper.Fate.Lost:
                Interlocked.Increment(ref _countLost);
                break;
            case LinkShaper.Fate.Overflowed or LinkShaper.Fate.Refused:
                Interlocked.Increment(ref _countOverflowed);
                break;
            default:
                break;
        }

        return fate;
    }
}
