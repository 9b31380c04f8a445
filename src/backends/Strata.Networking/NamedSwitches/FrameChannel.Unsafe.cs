using System.Buffers;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using static Strata.Core.Posix.DescriptorCalls;

namespace Strata.Networking.NamedSwitches;

/// <summary>Takes what a <see cref="FrameChannel"/> brings; on the channel's thread, with no lock held.</summary>
internal interface IChannelReader
{
    /// <returns>What became of the message.</returns>
    Delivery OnMessage(ReadOnlySpan<byte> message);

    /// <summary>There is room again after a message was refused.</summary>
    void OnRoom();
}

/// <summary>What became of a message.</summary>
internal enum Delivery
{
    Taken,

    /// <summary>The same message is offered again after <see cref="FrameChannel.Resume"/>; meanwhile the sender's queue fills.</summary>
    NoRoom,

    /// <summary>Nothing may follow: it was none, or it has been answered for good. The connection ends.</summary>
    Last,
}

/// <summary>
/// One end of a connection between a machine and its switch: a SOCK_SEQPACKET socket of unix(7), which keeps messages apart. Sending
/// never waits: what the socket does not take waits in a bounded queue, and what finds no room there is refused. The thread of
/// <see cref="Run"/> reads, and writes what waits. Other members are safe on any thread.
/// </summary>
internal sealed unsafe partial class FrameChannel : IDisposable
{
    /// <summary>Bytes that wait for a peer that does not read; what comes on top is refused. 16 of the largest frames.</summary>
    public const int QueueLimit = 1 << 20;

    private const int SocketBuffer = 1 << 20; // as much of it as the host allows
    private const int ReadBatch = 64;
    private const int FlagDontWait = 0x40;
    private const int FlagNoSignal = 0x4000;
    private const int FlagTruncate = 0x20;
    private const int ErrorTryAgain = 11;
    private const int ErrorInterrupted = 4;
    private const int ErrorNoBuffers = 105;
    private const int ErrorTooLong = 90;
    private const short PollError = 8;
    private const short PollHangUp = 16;

    /// <summary>How often a reader without room is asked again, in case its <see cref="Resume"/> came a moment too early; ms.</summary>
    private const int RoomCheck = 100;

    private readonly Socket _socket;
    private readonly int _descriptor;
    private readonly int _wake;
    private readonly Lock _gate = new();
    private readonly Queue<(byte[] Buffer, int Length)> _queue = new(); // under _gate
    private int _queuedBytes; // under _gate
    private bool _refused;    // a message was, since the last OnRoom; under _gate
    private bool _broken;     // the peer has gone; under _gate
    private bool _closed;     // the descriptors are; under _gate
    private volatile bool _stopping;

    /// <param name="socket">Connected. The channel owns it.</param>
    /// <exception cref="IOException">The host has no descriptor left.</exception>
    public FrameChannel(Socket socket)
    {
        _socket = socket;
        try
        {
            _socket.SendBufferSize = SocketBuffer;
            _descriptor = (int)socket.SafeHandle.DangerousGetHandle();
            _wake = CreateEvent();
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends a message, in three pieces so that nobody need join them.</summary>
    /// <returns>False if there is no room: nothing was taken, and <see cref="IChannelReader.OnRoom"/> follows.</returns>
    public bool TrySend(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default, ReadOnlySpan<byte> third = default)
    {
        lock (_gate)
        {
            if (_broken || _closed)
            {
                return true; // lost with the connection
            }

            if (_queue.Count == 0 && TryWrite(first, second, third))
            {
                return true;
            }

            int length = first.Length + second.Length + third.Length;
            if (_queuedBytes + length > QueueLimit)
            {
                _refused = true;
                return false;
            }

            bool wasIdle = _queue.Count == 0;
            byte[] copy = ArrayPool<byte>.Shared.Rent(length);
            first.CopyTo(copy);
            second.CopyTo(copy.AsSpan(first.Length));
            third.CopyTo(copy.AsSpan(first.Length + second.Length));
            _queue.Enqueue((copy, length));
            _queuedBytes += length;
            if (wasIdle)
            {
                SetEvent(_wake); // the thread has to wait for room in the socket
            }
        }

        return true;
    }

    /// <summary>Carries messages until the peer goes, breaks the protocol, or <see cref="Stop"/>. Once; the caller's thread.</summary>
    /// <param name="firstWithin">How long the peer may take for its first message; null for as long as it likes.</param>
    public void Run(IChannelReader reader, TimeSpan? firstWithin = null)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(SwitchMessage.Largest);
        long deadline = firstWithin is { } patience ? Environment.TickCount64 + (long)patience.TotalMilliseconds : long.MaxValue;
        int pending = 0; // bytes of the message that the reader had no room for
        PollDescriptor* polls = stackalloc PollDescriptor[2];
        while (!_stopping)
        {
            short wanted = (short)((pending == 0 ? PollIn : 0) | (HasQueue ? PollOut : 0));
            long left = deadline - Environment.TickCount64;
            if (deadline != long.MaxValue && left <= 0)
            {
                return;
            }

            polls[0] = new PollDescriptor { Descriptor = _descriptor, Events = wanted };
            polls[1] = new PollDescriptor { Descriptor = _wake, Events = PollIn };

            // SAFETY: two records.
            _ = Poll(polls, 2, deadline != long.MaxValue ? (int)left : pending > 0 ? RoomCheck : -1);
            short returned = polls[0].Returned;
            ClearWake();
            if ((returned & PollOut) != 0 && Flush())
            {
                reader.OnRoom();
            }

            if (pending > 0)
            {
                Delivery again = reader.OnMessage(buffer.AsSpan(0, pending));
                if (again == Delivery.Last || (again == Delivery.NoRoom && (returned & (PollError | PollHangUp)) != 0))
                {
                    return;
                }

                pending = again == Delivery.NoRoom ? pending : 0;
            }

            if (pending == 0 && !ReadBatchOf(reader, buffer, ref deadline, out pending))
            {
                return;
            }
        }
    }

    /// <summary>The reader has room again.</summary>
    public void Resume() => Wake();

    /// <summary>Ends <see cref="Run"/> soon.</summary>
    public void Stop()
    {
        _stopping = true;
        Wake();
    }

    /// <summary>After <see cref="Run"/>, or without it: closes the connection.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            while (_queue.TryDequeue(out (byte[] Buffer, int Length) lost))
            {
                ArrayPool<byte>.Shared.Return(lost.Buffer);
            }

            _socket.Dispose();
            _ = Close(_wake);
        }
    }

    private bool HasQueue
    {
        get
        {
            lock (_gate)
            {
                return _queue.Count > 0;
            }
        }
    }

    private void Wake()
    {
        lock (_gate)
        {
            if (!_closed)
            {
                SetEvent(_wake);
            }
        }
    }

    private void ClearWake()
    {
        ulong count;

        // SAFETY: eight bytes of a local; the descriptor does not block.
        _ = Read(_wake, &count, sizeof(ulong));
    }

    /// <returns>False if the connection has ended.</returns>
    private bool ReadBatchOf(IChannelReader reader, byte[] buffer, ref long deadline, out int pending)
    {
        pending = 0;
        for (int i = 0; i < ReadBatch && !_stopping; i++)
        {
            nint count;
            int error;
            fixed (byte* bytes = buffer)
            {
                // SAFETY: the buffer's own size; with MSG_TRUNC a longer message returns its length and is cut.
                count = Receive(_descriptor, bytes, (nuint)buffer.Length, FlagDontWait | FlagTruncate);
                error = Marshal.GetLastPInvokeError();
            }

            if (count < 0)
            {
                return error is ErrorTryAgain or ErrorInterrupted;
            }

            if (count == 0 || count > buffer.Length)
            {
                return false; // the end, or more than a message can be
            }

            deadline = long.MaxValue;
            switch (reader.OnMessage(buffer.AsSpan(0, (int)count)))
            {
                case Delivery.NoRoom:
                    pending = (int)count;
                    return true;
                case Delivery.Last:
                    return false;
                default:
                    break;
            }
        }

        return true;
    }

    /// <summary>Writes what waits.</summary>
    /// <returns>Whether a sender that was refused may try again.</returns>
    private bool Flush()
    {
        lock (_gate)
        {
            while (_queue.TryPeek(out (byte[] Buffer, int Length) next) && TryWrite(next.Buffer.AsSpan(0, next.Length), default, default))
            {
                _queue.Dequeue();
                _queuedBytes -= next.Length;
                ArrayPool<byte>.Shared.Return(next.Buffer);
            }

            bool room = _refused && _queuedBytes <= QueueLimit / 2;
            _refused &= !room;
            return room;
        }
    }

    /// <summary>Under the gate.</summary>
    /// <returns>False if the socket has no room now. True if the message has left, or never will.</returns>
    private bool TryWrite(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        fixed (byte* one = first, two = second, three = third)
        {
            IoVector* pieces = stackalloc IoVector[3];
            pieces[0] = new IoVector { Start = one, Length = (nuint)first.Length };
            pieces[1] = new IoVector { Start = two, Length = (nuint)second.Length };
            pieces[2] = new IoVector { Start = three, Length = (nuint)third.Length };
            MessageHeader header = new() { Pieces = pieces, PieceCount = 3 };

            // SAFETY: three pinned pieces of the lengths that are named; the descriptor is open while the gate is held.
            if (SendMessage(_descriptor, &header, FlagDontWait | FlagNoSignal) >= 0)
            {
                return true;
            }
        }

        int error = Marshal.GetLastPInvokeError();
        if (error is ErrorTryAgain or ErrorInterrupted)
        {
            return false;
        }

        _broken |= error is not (ErrorNoBuffers or ErrorTooLong); // these lose one message
        return true;
    }

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(int descriptor, void* buffer, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMessage(int descriptor, MessageHeader* message, int flags);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct IoVector
    {
        public byte* Start;
        public nuint Length;
    }

    /// <summary>struct msghdr of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        public void* Name;
        public nuint NameLength; // 32 bits, and padding
        public IoVector* Pieces;
        public nuint PieceCount;
        public void* Control;
        public nuint ControlLength;
        public nuint Flags; // 32 bits, and padding
    }
}
