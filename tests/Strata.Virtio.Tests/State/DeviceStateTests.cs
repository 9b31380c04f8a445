using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Virtio.Balloon;
using Strata.Virtio.Console;
using Strata.Virtio.Entropy;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.State;

/// <summary>Small devices go on in another machine where they were.</summary>
public sealed class DeviceStateTests
{
    private const ulong Buffer = 0x9_0000;

    [Fact]
    public void Line_RaisedAndNotAcknowledged_IsRaisedInTheOtherMachine()
    {
        using VirtioDriver driver = new(memory => new VirtioEntropy(memory));
        using VirtioDriver other = new(memory => new VirtioEntropy(memory));
        DriverRing ring = driver.Start();
        ring.Describe(0, Buffer, 16, DriverRing.Write);
        ring.Offer(0);
        driver.Notify();
        VirtioDriver.WaitUntil(() => driver.Line, "the interrupt");

        Move(driver, other);

        Assert.True(other.Line);
        Assert.Equal(1, other.ReadIsr());
        Assert.False(other.Line);
    }

    [Fact]
    public void Console_Input_ReachesTheGuestInTheOtherMachine()
    {
        VirtioConsole? console = null;
        using VirtioDriver driver = new(memory => console = new VirtioConsole(memory, _ => { }));
        using VirtioDriver other = new(memory => new VirtioConsole(memory, _ => { }));
        driver.Start();
        console!.Receive("typed"u8);

        Move(driver, other);
        DriverRing ring = new(other.Memory, 0x1000, 16);
        ring.Describe(0, Buffer, 64, DriverRing.Write);
        ring.Offer(0);
        other.Notify();

        VirtioDriver.WaitUntil(() => ring.UsedIndex == 1, "the input");
        Assert.Equal("typed"u8, other.Memory.Slice(Buffer, 5));
    }

    [Fact]
    public void Console_InputWhileQuiesced_ReachesTheGuestBehindIt()
    {
        VirtioConsole? console = null;
        using VirtioDriver driver = new(memory => console = new VirtioConsole(memory, _ => { }));
        DriverRing ring = driver.Start();
        ring.Describe(0, Buffer, 64, DriverRing.Write);
        ring.Offer(0);
        driver.Notify();
        driver.Roster.Quiesce();

        console!.Receive("typed"u8);

        Assert.False(SpinWait.SpinUntil(() => ring.UsedIndex != 0, 50));
        driver.Roster.Resume();
        VirtioDriver.WaitUntil(() => ring.UsedIndex == 1, "the input");
    }

    [Fact]
    public void Balloon_WishWhileQuiesced_IsShownBehindIt()
    {
        VirtioBalloon? balloon = null;
        using VirtioDriver driver = new(memory => balloon = new VirtioBalloon(memory));
        driver.Start();
        driver.EnableMsix();
        driver.Roster.Quiesce();

        balloon!.WantedBytes = 10 * 4096;

        Assert.Equal((0UL, 0), (driver.ReadDevice(0, AccessWidth.Dword), driver.MessageCount));
        driver.Roster.Resume();
        Assert.Equal((10UL, 1), (driver.ReadDevice(0, AccessWidth.Dword), driver.MessageCount));
        driver.Roster.Quiesce();
        driver.Roster.Resume();
        Assert.Equal(1, driver.MessageCount);
    }

    [Fact]
    public async Task Balloon_KeptStatisticsBuffer_AnswersInTheOtherMachine()
    {
        const ulong statistics = 1 << 1;
        VirtioBalloon? balloon = null;
        using VirtioDriver driver = new(memory => new VirtioBalloon(memory));
        using VirtioDriver other = new(memory => balloon = new VirtioBalloon(memory));
        DriverRing[] rings = driver.StartQueues(VirtioDriver.Version1 | statistics, 3);
        rings[2].Describe(0, Buffer, 10);
        rings[2].Offer(0);
        driver.Notify(2);
        VirtioDriver.WaitUntil(() => driver.Function.InspectVirtio().Queues[2].TakenIndex == 1, "the device to keep the buffer");

        Move(driver, other);
        Task<GuestMemoryStatistics> answer = balloon!.GetStatisticsAsync();
        DriverRing ring = new(other.Memory, rings[2].Descriptors, 16);
        VirtioDriver.WaitUntil(() => ring.UsedIndex == 1, "the question");
        BinaryPrimitives.WriteUInt16LittleEndian(other.Memory.Slice(Buffer, 10), 4);
        BinaryPrimitives.WriteUInt64LittleEndian(other.Memory.Slice(Buffer + 2, 8), 12345);
        ring.Offer(0);
        other.Notify(2);

        Assert.Equal(12345UL, (await answer.WaitAsync(TimeSpan.FromMinutes(1))).Free);
        Assert.Equal(1, ring.UsedIndex);
    }

    private static void Move(VirtioDriver driver, VirtioDriver other)
    {
        driver.Roster.Quiesce();
        driver.MoveTo(other);
        other.Roster.Resume();
    }
}
