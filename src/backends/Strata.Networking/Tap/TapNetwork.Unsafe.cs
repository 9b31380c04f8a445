using System.Runtime.InteropServices;
using System.Text;
using Strata.Core.Networking;
using Strata.Networking.Frames;
using static Strata.Core.Posix.DescriptorCalls;

namespace Strata.Networking.Tap;

/// <summary>
/// A tap interface of the Linux host: the guest is on whatever the host connects it to, such as a bridge. Needs the right to open it
/// (root, CAP_NET_ADMIN, or an interface that was made for the user by `ip tuntap add dev NAME mode tap user USER`). One thread reads.
/// </summary>
public sealed unsafe partial class TapNetwork : INetworkBackend
{
    private const string Device = "/dev/net/tun";

    /// <summary>Characters of the longest name: IFNAMSIZ of netdevice(7) without the zero at its end.</summary>
    public const int LongestName = 15;

    private const int ReadWrite = 2;
    private const nuint SetInterface = 0x400454CA;      // TUNSETIFF
    private const nuint SetOffload = 0x400454D0;        // TUNSETOFFLOAD
    private const short FlagTap = 0x0002;
    private const short FlagNoPacketInformation = 0x1000;
    private const short FlagHeader = 0x4000;            // IFF_VNET_HDR
    private const nint OffloadChecksum = 1;
    private const nint OffloadTcp4 = 2;
    private const nint OffloadTcp6 = 4;
    private const int InterfaceRequestSize = 40;
    private const int LargestFrame = 0x10000 + 18;
    private const int NotPermitted = 1;
    private const int NoSuchFile = 2;
    private const int AccessDenied = 13;
    private const int Busy = 16;
    private static readonly TimeSpan RoomCheck = TimeSpan.FromMilliseconds(100);

    private readonly int _tap;
    private readonly int _wake;
    private readonly Thread _thread;
    private readonly AutoResetEvent _room = new(initialState: false);
    private readonly Lock _writeGate = new();
    private readonly byte[] _outgoing = new byte[TapHeader.Size + LargestFrame]; // under _writeGate
    private volatile IFrameReceiver? _receiver;
    private volatile bool _disposed;

    /// <param name="name">Of the interface; it is made if it does not exist.</param>
    /// <exception cref="ArgumentException">No interface can have the name; see <see cref="IsName"/>.</exception>
    /// <exception cref="IOException">It cannot be opened; the message says why and what to do.</exception>
    public TapNetwork(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!IsName(name))
        {
            throw new ArgumentException(
                $"\"{name}\" can name no network interface; use 1 to {LongestName} letters and digits.", nameof(name));
        }

        _tap = Open(Device, ReadWrite | NonBlocking | CloseOnExec);
        if (_tap < 0)
        {
            throw Failure(name, Marshal.GetLastPInvokeError());
        }

        _wake = CreateEvent(0, CloseOnExec | NonBlocking);
        byte* request = stackalloc byte[InterfaceRequestSize];

        // SAFETY: struct ifreq has 40 bytes on 64-bit Linux: 16 of name, then the flags. The name was checked above.
        new Span<byte>(request, InterfaceRequestSize).Clear();
        Encoding.ASCII.GetBytes(name, new Span<byte>(request, LongestName));
        *(short*)(request + LongestName + 1) = FlagTap | FlagNoPacketInformation | FlagHeader;
        if (_wake < 0
            || Control(_tap, SetInterface, (nint)request) != 0
            || Control(_tap, SetOffload, OffloadChecksum | OffloadTcp4 | OffloadTcp6) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            CloseDescriptors();
            throw Failure(name, error);
        }

        Name = name;
        _thread = new Thread(ReadFrames) { IsBackground = true, Name = "strata-tap" };
    }

    public string Name { get; }

    /// <summary>
    /// Whether an interface can have a name: 1 to <see cref="LongestName"/> printable ASCII characters without slash, colon and space,
    /// which Linux refuses, and percent sign, from which it makes a name of its own.
    /// </summary>
    public static bool IsName(string? name) =>
        name is { Length: > 0 and <= LongestName } and not ("." or "..")
            && !name.AsSpan().ContainsAnyExceptInRange('!', '~')
            && !name.AsSpan().ContainsAny("/:%");

    public FrameFeatures Accepts => FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation | FrameFeatures.Tcp6Segmentation;

    public void Connect(IFrameReceiver receiver)
    {
        _receiver = receiver;
        _thread.Start();
    }

    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (frame.Length is < EthernetFrame.HeaderSize or > LargestFrame)
        {
            return;
        }

        lock (_writeGate)
        {
            if (_disposed)
            {
                return;
            }

            TapHeader.Write(_outgoing, offload);
            frame.CopyTo(_outgoing.AsSpan(TapHeader.Size));
            fixed (byte* bytes = _outgoing)
            {
                // SAFETY: the array holds header and frame. What the interface does not take, being down or full, is lost as on a wire.
                _ = Write(_tap, bytes, (nuint)(TapHeader.Size + frame.Length));
            }
        }
    }

    public void Resume() => _room.Set();

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        lock (_writeGate)
        {
            _disposed = true;
            SetEvent(_wake);
        }

        _room.Set();
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }

        CloseDescriptors();
        _room.Dispose();
    }

    private static IOException Failure(string name, int error) => new(error switch
    {
        NoSuchFile => $"The host has no {Device}; load the kernel module tun, or use --net user.",
        NotPermitted or AccessDenied =>
            $"The tap {name} may not be opened; run as root, or make it for this user: ip tuntap add dev {name} mode tap user USER.",
        Busy => $"The tap {name} is in use by another program; choose another name.",
        _ => $"The tap {name} cannot be opened (errno {error}); check `ip link show {name}`.",
    });

    private void CloseDescriptors()
    {
        _ = Close(_tap);
        if (_wake >= 0)
        {
            _ = Close(_wake);
        }
    }

    private void ReadFrames()
    {
        byte[] buffer = new byte[TapHeader.Size + LargestFrame];
        PollDescriptor* polls = stackalloc PollDescriptor[2];
        while (!_disposed)
        {
            polls[0] = new PollDescriptor { Descriptor = _tap, Events = PollIn };
            polls[1] = new PollDescriptor { Descriptor = _wake, Events = PollIn };

            // SAFETY: two records, and a buffer of the size that is named.
            _ = Poll(polls, 2, -1);
            fixed (byte* bytes = buffer)
            {
                nint count;
                while (!_disposed && (count = Read(_tap, bytes, (nuint)buffer.Length)) > TapHeader.Size)
                {
                    Receive(buffer.AsSpan(TapHeader.Size, (int)count - TapHeader.Size), TapHeader.Read(buffer));
                }
            }
        }
    }

    /// <summary>Hands a frame to the guest, as soon as it has room: meanwhile the interface queues.</summary>
    private void Receive(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (_receiver is { } receiver)
        {
            FrameCompletion.Complete(frame, offload, receiver.Accepts, (ReadOnlySpan<byte> piece, in FrameOffload rest) =>
            {
                while (!_disposed && !receiver.TryReceive(piece, [], rest))
                {
                    _room.WaitOne(RoomCheck);
                }
            });
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int descriptor, nuint request, nint argument);
}
