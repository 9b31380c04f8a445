using Strata.Core.Bus;
using Strata.Virtio.Entropy;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Transport;

/// <summary>VIRTIO 1.2, "Virtio Over PCI Bus", "Device Initialization".</summary>
public sealed class VirtioPciTests : IDisposable
{
    private const ulong Buffer = 0x8000;

    private readonly Core.Tests.Logging.RecordingLoggers _loggers = new();
    private readonly VirtioDriver _driver;

    public VirtioPciTests() => _driver = new(space => new VirtioEntropy(space) { Log = _loggers.CreateLogger("virtio") });

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Identity_EntropyDevice_IsModernAndOfItsType()
    {
        Assert.Equal(0x1044_1AF4U, _driver.Function.ReadConfig(0, AccessWidth.Dword));
        Assert.True(_driver.Function.ReadConfig(8, AccessWidth.Byte) >= 1);
    }

    [Fact]
    public void Common_AfterReset_HasTheInitialValues()
    {
        Assert.Equal(0, _driver.Status);
        Assert.Equal(1UL, _driver.ReadCommon(0x12, AccessWidth.Word));
        Assert.Equal(0xFFFFUL, _driver.ReadCommon(0x10, AccessWidth.Word));
        Assert.Equal(256UL, _driver.ReadCommon(0x18, AccessWidth.Word));
        Assert.Equal(0xFFFFUL, _driver.ReadCommon(0x1A, AccessWidth.Word));
        Assert.Equal(0UL, _driver.ReadCommon(0x1C, AccessWidth.Word));
    }

    [Fact]
    public void Negotiate_Version1_SticksAndReadsBack()
    {
        Assert.Equal(VirtioDriver.Version1, _driver.OfferedFeatures() & VirtioDriver.Version1);

        Assert.True(_driver.Negotiate(VirtioDriver.Version1 | VirtioDriver.EventIndex));

        Assert.Equal(1UL, _driver.ReadCommon(0xC, AccessWidth.Dword));
        Assert.Equal(0UL, ReadFeatures(2));
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(VirtioDriver.EventIndex)]
    [InlineData(VirtioDriver.Version1 | (1UL << 9))]
    [InlineData(VirtioDriver.Version1 | (1UL << 63))]
    public void Negotiate_LegacyOrNotOffered_IsRefused(ulong features)
    {
        Assert.False(_driver.Negotiate(features));
    }

    [Fact]
    public void QueueSelect_NoSuchQueue_HasSizeZero()
    {
        _driver.WriteCommon(0x16, AccessWidth.Word, 1);
        _driver.WriteCommon(0x18, AccessWidth.Word, 64);
        _driver.WriteCommon(0x1C, AccessWidth.Word, 1);

        Assert.Equal(0UL, _driver.ReadCommon(0x18, AccessWidth.Word));
        Assert.Equal(0UL, _driver.ReadCommon(0x1C, AccessWidth.Word));
    }

    [Theory]
    [InlineData(64, 64)]
    [InlineData(0, 256)]
    [InlineData(100, 256)]
    [InlineData(512, 256)]
    public void QueueSize_Write_TakesPowersOfTwoUpToTheMaximum(int written, int expected)
    {
        _driver.WriteCommon(0x18, AccessWidth.Word, (ulong)written);

        Assert.Equal((ulong)expected, _driver.ReadCommon(0x18, AccessWidth.Word));
    }

    [Fact]
    public void Vectors_OutsideTheTable_ReadNoVector()
    {
        _driver.WriteCommon(0x10, AccessWidth.Word, 1);
        _driver.WriteCommon(0x1A, AccessWidth.Word, 2);

        Assert.Equal(1UL, _driver.ReadCommon(0x10, AccessWidth.Word));
        Assert.Equal(0xFFFFUL, _driver.ReadCommon(0x1A, AccessWidth.Word));
    }

    [Fact]
    public void Intx_UsedBuffer_RaisesTheLineUntilIsrIsRead()
    {
        ServeOne(_driver.Start());
        VirtioDriver.WaitUntil(() => _driver.Line, "the interrupt line");

        Assert.Equal(1, _driver.ReadIsr());
        Assert.False(_driver.Line);
        Assert.Equal(0, _driver.ReadIsr());
    }

    [Fact]
    public void Intx_DeviceReset_DropsTheLine()
    {
        ServeOne(_driver.Start());
        VirtioDriver.WaitUntil(() => _driver.Line, "the interrupt line");

        _driver.Status = 0;

        Assert.False(_driver.Line);
        Assert.Equal(0, _driver.ReadIsr());
    }

    [Fact]
    public void Msix_UsedBuffer_SendsTheQueuesMessage()
    {
        DriverRing ring = _driver.Start();
        _driver.EnableMsix();

        ServeOne(ring);
        VirtioDriver.WaitUntil(() => _driver.MessageCount == 1, "the message");

        Assert.Equal([0x40U], _driver.Messages());
        Assert.False(_driver.Line);
    }

    [Fact]
    public void NeedsReset_BrokenRing_IsReportedWithDeviceAndReason()
    {
        DriverRing ring = _driver.Start();

        ring.AvailableIndex = 1000;
        _driver.Notify();
        VirtioDriver.WaitUntil(() => _loggers.Lines.Count == 1, "the report");

        Assert.StartsWith("virtio Warning A virtio device (entropy", _loggers.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public void NeedsReset_BrokenRing_SetsStatusAndSignalsConfiguration()
    {
        DriverRing ring = _driver.Start();
        _driver.EnableMsix();
        ulong generation = _driver.ReadCommon(0x15, AccessWidth.Byte);

        ring.AvailableIndex = 1000;
        _driver.Notify();
        VirtioDriver.WaitUntil(() => _driver.MessageCount == 1, "the configuration interrupt");

        Assert.Equal(VirtioDriver.NeedsReset, _driver.Status & VirtioDriver.NeedsReset);
        Assert.NotEqual(generation, _driver.ReadCommon(0x15, AccessWidth.Byte));
        Assert.Equal([0x41U], _driver.Messages());
    }

    [Fact]
    public void NeedsReset_AfterReset_DeviceServesAgain()
    {
        DriverRing ring = _driver.Start();
        ring.AvailableIndex = 1000;
        _driver.Notify();
        VirtioDriver.WaitUntil(() => (_driver.Status & VirtioDriver.NeedsReset) != 0, "DEVICE_NEEDS_RESET");
        _driver.Status = VirtioDriver.Acknowledged;
        Assert.NotEqual(0, _driver.Status & VirtioDriver.NeedsReset);

        ServeOne(_driver.Start());

        Assert.Equal(0, _driver.Status & VirtioDriver.NeedsReset);
    }

    /// <summary>"The device MUST NOT consume buffers or send any used buffer notifications to the driver before DRIVER_OK."</summary>
    [Fact]
    public void Notify_BeforeDriverOk_ConsumesNothing()
    {
        DriverRing ring = _driver.Start();
        _driver.Negotiate(VirtioDriver.Version1);
        _driver.EnableQueue(ring.Size, ring.Descriptors, ring.Available, ring.Used);
        ring.Describe(0, Buffer, 64, DriverRing.Write);
        ring.Offer(0);

        _driver.Notify();
#pragma warning disable RS0030 // a device that does something wrong needs time for it
        Thread.Sleep(50);
#pragma warning restore RS0030
        Assert.Equal(0, ring.UsedIndex);

        _driver.Status = VirtioDriver.Acknowledged | VirtioDriver.FeaturesOk | VirtioDriver.DriverOk;
        _driver.Notify();
        VirtioDriver.WaitUntil(() => ring.UsedIndex == 1, "the used buffer");
    }

    [Fact]
    public void Window_ConfigurationAccess_ReadsAndWritesTheBar()
    {
        int window = _driver.WindowCapability;
        _driver.Function.WriteConfig(window + 4, AccessWidth.Byte, 0);
        _driver.Function.WriteConfig(window + 8, AccessWidth.Dword, 0x14);
        _driver.Function.WriteConfig(window + 12, AccessWidth.Dword, 1);

        _driver.Function.WriteConfig(window + 16, AccessWidth.Byte, 3);

        Assert.Equal(3, _driver.Status);
        Assert.Equal(3U, _driver.Function.ReadConfig(window + 16, AccessWidth.Byte));
    }

    [Theory]
    [InlineData(0U, 0x4000U, 4U)]
    [InlineData(0U, 0xFFFF_FFFCU, 4U)]
    [InlineData(0U, 0x14U, 3U)]
    [InlineData(0U, 0x15U, 4U)]
    [InlineData(0U, 0x14U, 0xFFFF_FFFFU)]
    [InlineData(1U, 0x14U, 1U)]
    public void Window_BadPlaceOrLength_IsIgnored(uint bar, uint offset, uint length)
    {
        int window = _driver.WindowCapability;
        _driver.Function.WriteConfig(window + 4, AccessWidth.Byte, bar);
        _driver.Function.WriteConfig(window + 8, AccessWidth.Dword, offset);
        _driver.Function.WriteConfig(window + 12, AccessWidth.Dword, length);

        _driver.Function.WriteConfig(window + 16, AccessWidth.Dword, 0x0303_0303);
        _driver.Function.ReadConfig(window + 16, AccessWidth.Dword);

        Assert.Equal(0, _driver.Status);
    }

    [Fact]
    public void Registers_RandomAccess_NeverThrowOrHang()
    {
        Random random = new(0x1000);
        for (int i = 0; i < 50_000; i++)
        {
            ulong address = 0xE000_0000UL + (ulong)random.Next(random.Next(2) == 0 ? 0x40 : 0x4000);
            AccessWidth width = (AccessWidth)(1 << random.Next(4));
            _driver.Space.Write(address, width, (ulong)random.NextInt64());
            _driver.Space.Read(address, width);
            _driver.Function.WriteConfig(_driver.WindowCapability + random.Next(20), AccessWidth.Dword, (uint)random.Next(0x40));
            _driver.Function.ReadConfig(_driver.WindowCapability + 16, AccessWidth.Dword);
        }

        ServeOne(_driver.Start());
    }

    private ulong ReadFeatures(uint select)
    {
        _driver.WriteCommon(0, AccessWidth.Dword, select);
        return _driver.ReadCommon(4, AccessWidth.Dword);
    }

    private void ServeOne(DriverRing ring)
    {
        ushort used = ring.UsedIndex;
        ring.Describe(0, Buffer, 64, DriverRing.Write);
        ring.Offer(0);
        _driver.Notify();
        VirtioDriver.WaitUntil(() => ring.UsedIndex != used, "the used buffer");
    }
}
