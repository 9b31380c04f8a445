using Strata.Virtio.Entropy;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Entropy;

/// <summary>VIRTIO 1.2, "Entropy Device".</summary>
public sealed class VirtioEntropyTests : IDisposable
{
    private const ulong Buffer = 0x8000;

    private readonly VirtioDriver _driver = new(space => new VirtioEntropy(space));
    private readonly DriverRing _ring;

    public VirtioEntropyTests() => _ring = _driver.Start();

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Request_Buffer_IsFilledAndNothingBehindIt()
    {
        _ring.Describe(0, Buffer, 1024, DriverRing.Write);

        Assert.Equal(1024U, Serve());

        Assert.InRange(_driver.Memory.Slice(Buffer, 1024).ToArray().Distinct().Count(), 100, 256);
        Assert.False(_driver.Memory.Slice(Buffer + 1024, 1024).ContainsAnyExcept((byte)0));
        Assert.True(_driver.Memory.IsDirty(Buffer >> 12));
    }

    [Fact]
    public void Request_TwoBuffers_BothAreFilled()
    {
        _ring.Describe(0, Buffer, 100, DriverRing.Write | DriverRing.Next, 1);
        _ring.Describe(1, Buffer + 0x1000, 200, DriverRing.Write);

        Assert.Equal(300U, Serve());
        Assert.True(_driver.Memory.Slice(Buffer + 0x1000, 200).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Request_Huge_IsBounded()
    {
        _ring.Describe(0, 0x20000, 0x80000, DriverRing.Write);

        Assert.InRange(Serve(), 1U, 1U << 16);
    }

    [Theory]
    [InlineData(VirtioDriver.RamSize - 32, 64U, DriverRing.Write)]
    [InlineData(ulong.MaxValue, 64U, DriverRing.Write)]
    [InlineData(0xFFFF_FFFF_FFFF_0000UL, uint.MaxValue, DriverRing.Write)]
    [InlineData(Buffer, 64U, 0)]
    [InlineData(Buffer, 0U, DriverRing.Write)]
    public void Request_NothingToWrite_CompletesWithZero(ulong address, uint length, int flags)
    {
        _ring.Describe(0, address, length, (ushort)flags);

        Assert.Equal(0U, Serve());
    }

    private uint Serve()
    {
        int used = _ring.UsedIndex;
        _ring.Offer(0);
        _driver.Notify();
        VirtioDriver.WaitUntil(() => _ring.UsedIndex != used, "the used buffer");
        return _ring.UsedEntry(used).Length;
    }
}
