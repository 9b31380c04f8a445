using System.Runtime.InteropServices;

namespace Strata.Cli;

/// <summary>
/// Standard output or standard error, by write(2). The runtime's own stream drops what nobody reads any more without a word; this one
/// says so, and what else keeps bytes from getting there. Position and flags are the descriptor's own, as other processes share it.
/// </summary>
/// <param name="isText">
/// Text for people and programs: a reader that has had enough is no failure, and of what is wrong with standard error nobody is left to be told.
/// </param>
internal sealed unsafe partial class StandardStream(int descriptor, bool isText = false) : Stream
{
    private const int Interrupted = 4; // EINTR
    private const int WouldBlock = 11; // EAGAIN
    private const int BrokenPipe = 32; // EPIPE
    private const short PollOut = 4;

    public const int Output = 1;
    public const int Errors = 2;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

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
            TextWriter.Synchronized(new StreamWriter(new StandardStream(descriptor, isText: true), Console.OutputEncoding) { AutoFlush = true });
    }

    /// <exception cref="OutputLostException">Not all of it was written.</exception>
    public override void Write(ReadOnlySpan<byte> bytes)
    {
        // SAFETY: the span is pinned while its own bytes are written.
        fixed (byte* start = bytes)
        {
            int done = 0;
            while (done < bytes.Length)
            {
                nint count = Write(descriptor, start + done, (nuint)(bytes.Length - done));
                if (count >= 0)
                {
                    done += (int)count;
                    continue;
                }

                int error = Marshal.GetLastPInvokeError();
                if (error == WouldBlock)
                {
                    WaitForRoom();
                }
                else if (error != Interrupted)
                {
                    if (isText && (error == BrokenPipe || descriptor == Errors))
                    {
                        return;
                    }

                    throw new OutputLostException(
                        $"Standard {(descriptor == Output ? "output" : "error")} cannot be written: {Marshal.GetPInvokeErrorMessage(error)}.", isUnread: error == BrokenPipe);
                }
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // Nothing is kept back.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>The descriptor may have been made non-blocking by whoever shares it.</summary>
    private void WaitForRoom()
    {
        PollDescriptor poll = new() { Descriptor = descriptor, Events = PollOut };

        // SAFETY: one structure, of this frame.
        _ = Poll(&poll, 1, milliseconds: -1);
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int descriptor, byte* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
