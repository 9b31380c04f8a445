using System.Runtime.InteropServices;
using static Strata.Cli.DescriptorCalls;

namespace Strata.Cli;

/// <summary>
/// Standard input, output or error, by read(2) and write(2). The runtime's own streams drop what nobody reads any more without a word, and
/// read lines from a terminal, echoing and with Ctrl-C as a signal, whatever mode it has been put in. Position and flags are the
/// descriptor's own, as other processes share it.
/// </summary>
/// <param name="isText">
/// Text for people and programs: a reader that has had enough is no failure, and of what is wrong with standard error nobody is left to be
/// told.
/// </param>
internal sealed unsafe partial class StandardStream(int descriptor, bool isText = false) : Stream
{
    private const int GetFlags = 1; // F_GETFD
    private const int CloseOnExec = 1; // FD_CLOEXEC
    private const int Interrupted = 4; // EINTR
    private const int WouldBlock = 11; // EAGAIN
    private const int BrokenPipe = 32; // EPIPE

    public const int Input = 0;
    public const int Output = 1;
    public const int Errors = 2;

    /// <summary>
    /// False if this process was started with the descriptor closed. The runtime then got its number for a file of its own, which is closed
    /// on exec, as one that was inherited cannot be.
    /// </summary>
    private readonly bool _isInherited = Control(descriptor, GetFlags) is var flags and >= 0 && (flags & CloseOnExec) == 0;

    public override bool CanRead => descriptor == Input;

    public override bool CanSeek => false;

    public override bool CanWrite => descriptor != Input;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Lets everything that is printed through <see cref="Console"/> go this way.</summary>
    public static void TakeConsole()
    {
        Console.SetOut(Writer(Output));
        Console.SetError(Writer(Errors));

        static TextWriter Writer(int descriptor) =>
            TextWriter.Synchronized(
                new StreamWriter(new StandardStream(descriptor, isText: true), Console.OutputEncoding) { AutoFlush = true });
    }

    /// <exception cref="OutputLostException">Not all of it was written.</exception>
    public override void Write(ReadOnlySpan<byte> bytes)
    {
        if (!_isInherited)
        {
            if (isText || descriptor == Errors || bytes.IsEmpty)
            {
                return;
            }

            throw new OutputLostException("Standard output is closed.", isUnread: false);
        }

        // SAFETY: the span is pinned while its own bytes are written.
        fixed (byte* start = bytes)
        {
            int done = 0;
            while (done < bytes.Length)
            {
                nint count = DescriptorCalls.Write(descriptor, start + done, (nuint)(bytes.Length - done));
                if (count >= 0)
                {
                    done += (int)count;
                    continue;
                }

                int error = Marshal.GetLastPInvokeError();
                if (error == WouldBlock)
                {
                    WaitFor(PollOut);
                }
                else if (error != Interrupted)
                {
                    if (isText && (error == BrokenPipe || descriptor == Errors))
                    {
                        return;
                    }

                    throw new OutputLostException(
                        $"Standard {(descriptor == Output ? "output" : "error")} cannot be written: " +
                        $"{Marshal.GetPInvokeErrorMessage(error)}.",
                        isUnread: error == BrokenPipe);
                }
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // Nothing is kept back.
    }

    /// <returns>Zero at the end, which on a terminal nobody has typed, and where there is no input.</returns>
    /// <exception cref="IOException">It cannot be read, or not any more, such as that of a terminal that was closed.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (!_isInherited)
        {
            return 0;
        }

        // SAFETY: the span is pinned while no more than its own bytes are filled.
        fixed (byte* start = buffer)
        {
            while (true)
            {
                nint count = DescriptorCalls.Read(descriptor, start, (nuint)buffer.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                int error = Marshal.GetLastPInvokeError();
                if (error == WouldBlock)
                {
                    WaitFor(PollIn);
                }
                else if (error != Interrupted)
                {
                    throw new IOException($"Standard input cannot be read: {Marshal.GetPInvokeErrorMessage(error)}.");
                }
            }
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>The descriptor may have been made non-blocking by whoever shares it.</summary>
    private void WaitFor(short events)
    {
        PollDescriptor poll = new() { Descriptor = descriptor, Events = events };

        // SAFETY: one structure, of this frame.
        _ = Poll(&poll, 1, milliseconds: -1);
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, int argument = 0);
}
