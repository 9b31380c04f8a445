using System.Runtime.InteropServices;
using Strata.Core.Networking;
using Strata.Core.Storage;
using Strata.Devices.Serial;
using Strata.EndToEnd.Tests.Harness;
using Strata.Machines.Boards;
using Strata.Machines.Tests.Boot;

namespace Strata.Machines.Tests.Boards;

/// <summary>Tests that bound the process or count its threads, with no others beside them.</summary>
[CollectionDefinition(nameof(AloneInTheProcess), DisableParallelization = true)]
public sealed class AloneInTheProcess;

/// <summary>A board that cannot be built leaves nothing behind.</summary>
[Collection(nameof(AloneInTheProcess))]
public sealed partial class PcBoardFailureTests
{
    private const int AddressSpaceLimit = 9; // RLIMIT_AS
    private const ulong Gigabyte = 1UL << 30;

    [Fact]
    public void Constructor_RamThatTheHostRefuses_LeavesNoClockBehind()
    {
        int before = CountClocks();
        Limit old = default;
        Assert.Equal(0, GetLimit(AddressSpaceLimit, ref old));
        Limit narrow = old with { Soft = MappedBytes() + (64 * Gigabyte) };
        Assert.Equal(0, SetLimit(AddressSpaceLimit, in narrow));
        try
        {
            Assert.Throws<InsufficientMemoryException>(() => Create(128 * Gigabyte, [], []));
        }
        finally
        {
            Assert.Equal(0, SetLimit(AddressSpaceLimit, in old));
        }

        AssertNoMoreClocks(before);
    }

    [Fact]
    public void Constructor_NetworkThatCannotBeConnected_ClosesTheDisksBefore()
    {
        int before = CountClocks();
        using ClosableDisk disk = new();

        Assert.Throws<NotSupportedException>(
            () => Create(16 << 20, [disk], [new NetworkCardOptions(new NoNetwork(), new byte[] { 2, 0, 0, 0, 0, 1 })]));

        Assert.True(disk.IsClosed);
        AssertNoMoreClocks(before);
    }

    private static void Create(ulong memory, IReadOnlyList<IBlockBackend> disks, IReadOnlyList<NetworkCardOptions> networks) =>
        new PcBoard(new PcBoardOptions
        {
            MemorySize = memory,
            Serial = new NoSerial(),
            StartTime = DateTime.UnixEpoch,
            Kernel = BzImages.Create(),
            Disks = disks,
            Networks = networks,
        }).Dispose();

    /// <summary>The host lists a thread for a moment after it has been joined: one of an earlier test may have been counted, too.</summary>
    private static void AssertNoMoreClocks(int before)
    {
        SpinWait.SpinUntil(() => CountClocks() <= before, TimeSpan.FromSeconds(10));
        Assert.InRange(CountClocks(), 0, before);
    }

    private static int CountClocks() => HostThreads.Names().Count(name => name == "strata-clock");

    private static ulong MappedBytes() =>
        ulong.Parse(
            File.ReadAllText("/proc/self/statm").Split(' ')[0],
            System.Globalization.CultureInfo.InvariantCulture) * (ulong)Environment.SystemPageSize;

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, ref Limit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in Limit limit);

    [StructLayout(LayoutKind.Sequential)]
    private record struct Limit(ulong Soft, ulong Hard);

    private sealed class NoSerial : ISerialBackend
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
            // The guest of these tests never runs.
        }
    }

    private sealed class NoNetwork : INetworkBackend
    {
        public FrameFeatures Accepts => FrameFeatures.None;

        public void Connect(IFrameReceiver receiver) => throw new NotSupportedException("This network fails on purpose.");

        public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
        {
            // Nobody is connected.
        }

        public void Resume()
        {
            // Nobody is connected.
        }

        public void Dispose()
        {
            // Holds nothing.
        }
    }

    private sealed class ClosableDisk : IBlockBackend
    {
        public bool IsClosed { get; private set; }

        public long Sectors => 8;

        public bool IsReadOnly => false;

        public void Read(long offset, Span<byte> buffer) => buffer.Clear();

        public void Write(long offset, ReadOnlySpan<byte> buffer)
        {
            // Nobody reads it.
        }

        public void Flush()
        {
            // Nothing is kept.
        }

        public void Discard(long offset, long length)
        {
            // Nothing is kept.
        }

        public void WriteZeros(long offset, long length)
        {
            // Nothing is kept.
        }

        public void Dispose() => IsClosed = true;
    }
}
