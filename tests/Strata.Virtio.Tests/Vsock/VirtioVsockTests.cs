using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Virtio.Tests.Harness;
using Strata.Virtio.Vsock;

namespace Strata.Virtio.Tests.Vsock;

/// <summary>The device behind its registers and rings. VIRTIO 1.2, "Socket Device".</summary>
public sealed class VirtioVsockTests : IDisposable
{
    private const ulong Packet = 0x2_0000;
    private const ulong Answer = 0x3_0000;

    private readonly VirtioDriver _driver = new(memory => new VirtioVsock(memory));

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Configuration_Guest_HasContextThree() => Assert.Equal(3UL, _driver.ReadDevice(0, AccessWidth.Qword));

    [Fact]
    public void Queues_RequestToNobody_ComesBackAsAReset()
    {
        DriverRing receive = _driver.Start();
        DriverRing transmit = new(_driver.Memory, 0x8000, 16);
        _driver.Memory.Slice(0x8000, 0x1000).Clear();
        _driver.EnableQueue(16, transmit.Descriptors, transmit.Available, transmit.Used, queue: 1);
        receive.Describe(0, Answer, 20, DriverRing.Write | DriverRing.Next, 1); // a header in two buffers
        receive.Describe(1, Answer + 0x100, 100, DriverRing.Write);
        receive.Offer(0);
        Span<byte> request = _driver.Memory.Slice(Packet, 44);
        BinaryPrimitives.WriteUInt64LittleEndian(request, 3);
        BinaryPrimitives.WriteUInt64LittleEndian(request[8..], 2);
        BinaryPrimitives.WriteUInt32LittleEndian(request[16..], 700);
        BinaryPrimitives.WriteUInt32LittleEndian(request[20..], 800);
        BinaryPrimitives.WriteUInt16LittleEndian(request[28..], 1);
        BinaryPrimitives.WriteUInt16LittleEndian(request[30..], 1);
        transmit.Describe(0, Packet, 44);
        transmit.Offer(0);

        _driver.Notify(1);
        VirtioDriver.WaitUntil(() => receive.UsedIndex == 1, "the reset");

        Assert.Equal((0U, 44U), receive.UsedEntry(0));
        byte[] reset = [.. _driver.Memory.Slice(Answer, 20), .. _driver.Memory.Slice(Answer + 0x100, 24)];
        Assert.Equal(2L, BinaryPrimitives.ReadInt64LittleEndian(reset));
        Assert.Equal(
            (800, 700),
            (BinaryPrimitives.ReadInt32LittleEndian(reset.AsSpan(16)), BinaryPrimitives.ReadInt32LittleEndian(reset.AsSpan(20))));
        Assert.Equal(3, BinaryPrimitives.ReadInt16LittleEndian(reset.AsSpan(30)));
    }
}
