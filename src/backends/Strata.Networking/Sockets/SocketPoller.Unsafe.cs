using System.Net.Sockets;
using System.Runtime.InteropServices;
using static Strata.Core.Posix.DescriptorCalls;

namespace Strata.Networking.Sockets;

/// <summary>Hears what a socket can do.</summary>
internal interface ISocketEvents
{
    /// <summary>The poller's thread, under its gate. An error or a hang-up counts as both.</summary>
    void OnReady(bool readable, bool writable);
}

/// <summary>
/// Waits for many sockets on one thread, by epoll(7). .NET's own waits start a task a wait; here an event is a call under one lock,
/// and the owner does its non-blocking calls itself.
/// </summary>
internal sealed unsafe partial class SocketPoller : IDisposable
{
    private const int OperationAdd = 1;
    private const int OperationDelete = 2;
    private const uint EventIn = 0x001;
    private const uint EventOut = 0x004;
    private const uint EventError = 0x008;
    private const uint EventHangUp = 0x010;
    private const uint EventReadHangUp = 0x2000;
    private const uint EdgeTriggered = 1u << 31;
    private const int BatchSize = 64;
    private const long WakeToken = 0;

    /// <summary>struct epoll_event is packed on x86-64 only.</summary>
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    private readonly Lock _gate;
    private readonly Dictionary<long, ISocketEvents> _handlers = []; // under _gate
    private readonly int _epoll;
    private readonly int _wake;
    private readonly Thread _thread;
    private long _lastToken = WakeToken; // under _gate
    private volatile bool _disposed;

    /// <param name="gate">Held over every <see cref="ISocketEvents.OnReady"/>; the caller holds it to add and remove.</param>
    public SocketPoller(Lock gate, string name)
    {
        _gate = gate;
        _epoll = EpollCreate(CloseOnExec);
        _wake = _epoll < 0 ? -1 : CreateEvent(0, CloseOnExec | NonBlocking);
        if (_wake < 0 || Control(OperationAdd, _wake, EventIn, WakeToken) != 0)
        {
            throw NoneLeft();
        }

        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Watches a socket. Under the gate.</summary>
    /// <param name="edgeTriggered">Only changes are told, of both directions; otherwise it is told while the socket can be read.</param>
    /// <returns>A number for <see cref="Remove"/>.</returns>
    /// <exception cref="IOException">The host's limit of watched sockets is reached.</exception>
    public long Add(Socket socket, ISocketEvents handler, bool edgeTriggered)
    {
        long token = ++_lastToken;
        uint events = edgeTriggered ? EventIn | EventOut | EventReadHangUp | EdgeTriggered : EventIn;
        if (Control(OperationAdd, (int)socket.SafeHandle.DangerousGetHandle(), events, token) != 0)
        {
            throw new IOException(
                $"The host cannot watch another socket (errno {Marshal.GetLastPInvokeError()}). Raise `sysctl fs.epoll.max_user_watches`.");
        }

        _handlers.Add(token, handler);
        return token;
    }

    /// <summary>Under the gate, before the socket is closed; no event comes after it.</summary>
    public void Remove(Socket socket, long token)
    {
        if (_handlers.Remove(token))
        {
            _ = Control(OperationDelete, (int)socket.SafeHandle.DangerousGetHandle(), 0, token);
        }
    }

    /// <summary>Not under the gate: it waits for the thread, unless it is on it.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        SetEvent(_wake);
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }

        _ = Close(_wake);
        _ = Close(_epoll);
    }

    private int Control(int operation, int descriptor, uint events, long token)
    {
        byte* record = stackalloc byte[16];

        // SAFETY: the record is larger than either layout of struct epoll_event.
        *(uint*)record = events;
        *(long*)(record + EventSize - sizeof(long)) = token;
        return EpollControl(_epoll, operation, descriptor, record);
    }

    private void Run()
    {
        byte* events = stackalloc byte[BatchSize * 16];
        while (!_disposed)
        {
            // SAFETY: room for BatchSize events of either layout.
            int count = EpollWait(_epoll, events, BatchSize, -1);
            lock (_gate)
            {
                for (int i = 0; i < count && !_disposed; i++)
                {
                    byte* record = events + (i * EventSize);
                    Dispatch(*(uint*)record, *(long*)(record + EventSize - sizeof(long)));
                }
            }
        }
    }

    /// <summary>A handler that an earlier event of the batch removed is not found any more.</summary>
    private void Dispatch(uint flags, long token)
    {
        if (_handlers.TryGetValue(token, out ISocketEvents? handler))
        {
            bool ended = (flags & (EventError | EventHangUp)) != 0;
            handler.OnReady(ended || (flags & (EventIn | EventReadHangUp)) != 0, ended || (flags & EventOut) != 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int EpollControl(int epoll, int operation, int descriptor, void* record);

    [LibraryImport("libc", EntryPoint = "epoll_wait")]
    private static partial int EpollWait(int epoll, void* events, int count, int milliseconds);
}
