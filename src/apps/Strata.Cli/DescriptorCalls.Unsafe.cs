using System.Runtime.InteropServices;

namespace Strata.Cli;

/// <summary>What the command needs of read(2), write(2) and poll(2).</summary>
internal static unsafe partial class DescriptorCalls
{
    /// <summary>POLLIN: reading would not block.</summary>
    public const short PollIn = 1;

    /// <summary>POLLOUT: writing would not block.</summary>
    public const short PollOut = 4;

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, void* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int descriptor, void* buffer, nuint size);

    /// <param name="milliseconds">Negative: no limit.</param>
    [LibraryImport("libc", EntryPoint = "poll")]
    public static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
