using System.Text;
using Strata.Virtio.Console;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Console;

/// <summary>VIRTIO 1.2, "Console Device".</summary>
public sealed class VirtioConsoleTests : IDisposable
{
    private const ulong Buffers = 0x8_0000;

    private readonly StringBuilder _output = new();
    private readonly VirtioDriver _driver;
    private readonly DriverRing[] _rings;
    private VirtioConsole _console = null!;

    public VirtioConsoleTests()
    {
        _driver = new VirtioDriver(space => _console = new VirtioConsole(space, bytes => _output.Append(Encoding.ASCII.GetString(bytes))));
        _rings = _driver.StartQueues(VirtioDriver.Version1, 2);
    }

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Receive_ChainOfSmallBuffers_FillsThemWithoutGaps()
    {
        _rings[0].Describe(0, Buffers, 3, DriverRing.Write | DriverRing.Next, 1);
        _rings[0].Describe(1, Buffers + 0x100, 0, DriverRing.Write | DriverRing.Next, 2);
        _rings[0].Describe(2, Buffers + 0x200, 8, DriverRing.Write);
        _rings[0].Offer(0);

        Assert.Equal(5, _console.Receive("hello"u8));

        VirtioDriver.WaitUntil(() => _rings[0].UsedIndex == 1, "the input");
        Assert.Equal((0U, 5U), _rings[0].UsedEntry(0));
        Assert.Equal("hel"u8, _driver.Memory.Slice(Buffers, 3));
        Assert.Equal("lo"u8, _driver.Memory.Slice(Buffers + 0x200, 2));
    }

    [Fact]
    public void Receive_BufferThatIsNoRam_KeepsTheInput()
    {
        _rings[0].Describe(0, VirtioDriver.RamSize, 8, DriverRing.Write);
        _rings[0].Describe(1, Buffers, 8, DriverRing.Write);
        _rings[0].Offer(0);
        _rings[0].Offer(1);

        _console.Receive("x"u8);

        VirtioDriver.WaitUntil(() => _rings[0].UsedIndex == 2, "the input");
        Assert.Equal((0U, 0U), _rings[0].UsedEntry(0));
        Assert.Equal((1U, 1U), _rings[0].UsedEntry(1));
    }

    [Fact]
    public void Output_InPieces_ComesInOrder()
    {
        "hel"u8.CopyTo(_driver.Memory.Slice(Buffers, 3));
        "lo"u8.CopyTo(_driver.Memory.Slice(Buffers + 0x100, 2));
        _rings[1].Describe(0, Buffers, 3, DriverRing.Next, 1);
        _rings[1].Describe(1, Buffers, 0, DriverRing.Next, 2);
        _rings[1].Describe(2, Buffers + 0x100, 2);
        _rings[1].Offer(0);
        _driver.Notify(1);

        VirtioDriver.WaitUntil(() => _rings[1].UsedIndex == 1, "the output");
        Assert.Equal("hello", _output.ToString());
    }
}
