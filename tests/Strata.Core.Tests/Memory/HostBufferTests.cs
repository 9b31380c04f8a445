using Strata.Core.Memory;

namespace Strata.Core.Tests.Memory;

public sealed class HostBufferTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(10_000_000)]
    public void Memory_New_HasItsLengthInZeros(int length)
    {
        using HostBuffer buffer = new(length);

        Assert.Equal(length, buffer.Memory.Length);
        Assert.False(buffer.Memory.Span.ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Memory_Written_IsReadThroughEverySpanOfIt()
    {
        using HostBuffer buffer = new(5000);
        Memory<byte> part = buffer.Memory[4000..];

        part.Span[999] = 7;

        Assert.Equal(7, buffer.GetSpan()[4999]);
    }

    [Fact]
    public void Dispose_Twice_EndsEveryUse()
    {
        HostBuffer buffer = new(10);
        Memory<byte> memory = buffer.Memory;

        ((IDisposable)buffer).Dispose();
        ((IDisposable)buffer).Dispose();

        Assert.Throws<ObjectDisposedException>(() => buffer.GetSpan().Length);
        Assert.Throws<ObjectDisposedException>(() => memory.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => memory.Pin());
    }

    [Fact]
    public void Pin_OutsideOfIt_IsRefused()
    {
        using HostBuffer buffer = new(10);

        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Pin(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Pin(11));
    }
}
