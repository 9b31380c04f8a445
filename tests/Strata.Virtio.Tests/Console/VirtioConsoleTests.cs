using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Virtio.Console;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Console;

/// <summary>VIRTIO 1.2, "Console Device".</summary>
public sealed class VirtioConsoleTests : IDisposable
{
    private const ulong Buffers = 0x8_0000;
    private const ulong MultiPort = 1 << 1;
    private const ushort DeviceReady = 0;
    private const ushort DeviceAdd = 1;
    private const ushort PortReady = 3;
    private const ushort ConsolePort = 4;
    private const ushort PortOpen = 6;

    private readonly StringBuilder _output = new();
    private readonly VirtioDriver _driver;
    private DriverRing[] _rings;
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

    [Fact]
    public void Features_Console_OfferControlMessagesForOnePort()
    {
        Assert.Equal(MultiPort, _driver.OfferedFeatures() & 7);
        Assert.Equal(1UL, _driver.ReadDevice(4, AccessWidth.Dword));
        Assert.Equal(4UL, _driver.ReadCommon(0x12, AccessWidth.Word));
    }

    [Fact]
    public void Control_DriverThatComesUp_HearsOfTheConsole()
    {
        StartControl();

        Tell(0xFFFF_FFFF, DeviceReady, 1);
        Assert.Equal((0U, DeviceAdd, (ushort)1), Hear(0));
        Tell(0, PortReady, 1);

        Assert.Equal((0U, ConsolePort, (ushort)1), Hear(1));
        Assert.Equal((0U, PortOpen, (ushort)1), Hear(2));
    }

    [Fact]
    public void Receive_BeforeTheDriverOpensThePort_IsKeptUntilItDoes()
    {
        StartControl();
        OfferInput(0);
        byte[] early = new byte[70_000];
        new Random(1).NextBytes(early);

        Assert.Equal(1 << 16, _console.Receive(early));
        Assert.Equal(0, _console.Receive("more"u8));
        Tell(0, PortReady, 1);
        Hear(0);
        Assert.Equal(0, _rings[0].UsedIndex);

        Tell(0, PortOpen, 1);

        VirtioDriver.WaitUntil(() => _rings[0].UsedIndex == 1, "the input");
        Assert.Equal(early.AsSpan(0, 0x1000), _driver.Memory.Slice(Buffers, 0x1000));
    }

    [Fact]
    public void Receive_PortThatWasClosed_WaitsForTheNextOpening()
    {
        StartControl();
        OfferInput(0);
        OfferInput(1);
        Tell(0, PortOpen, 1);
        _console.Receive("a"u8);
        VirtioDriver.WaitUntil(() => _rings[0].UsedIndex == 1, "the first input");

        Tell(0, PortOpen, 0);
        _console.Receive("b"u8);
        Tell(1, PortOpen, 1); // there is no such port
        Assert.Equal(1, _rings[0].UsedIndex);

        Tell(0, PortOpen, 1);
        VirtioDriver.WaitUntil(() => _rings[0].UsedIndex == 2, "the second input");
    }

    [Fact]
    public void Reset_OpenPort_ClosesIt()
    {
        StartControl();
        Tell(0, PortOpen, 1);

        StartControl();
        OfferInput(0);
        _console.Receive("a"u8);
        Tell(7, 99, 1); // served when the queues before were looked at

        Assert.Equal(0, _rings[0].UsedIndex);
    }

    [Fact]
    public void Control_Noise_IsBoundedAndForgottenByAReset()
    {
        StartControl();
        for (int i = 0; i < 100; i++)
        {
            Tell(0, DeviceReady, 1); // and takes no answer
        }

        for (int i = 0; i < 16; i++)
        {
            Hear(i);
        }

        OfferAnswer();
        Tell(7, 99, 1);
        Assert.Equal(16, _rings[2].UsedIndex);
        Assert.Equal(0, _driver.Status & VirtioDriver.NeedsReset);
    }

    [Theory]
    [InlineData(7U, Buffers)]
    [InlineData(0U, Buffers)]
    [InlineData(8U, VirtioDriver.RamSize)]
    public void Control_MessageThatIsNone_IsIgnored(uint length, ulong address)
    {
        StartControl();
        OfferAnswer();
        _rings[3].Describe(0, address, length);
        _rings[3].Offer(0);
        _driver.Notify(3);
        VirtioDriver.WaitUntil(() => _rings[3].UsedIndex == 1, "the message's buffer");

        Assert.Equal(0, _rings[2].UsedIndex);
        Assert.Equal(0, _driver.Status & VirtioDriver.NeedsReset);
    }

    private void StartControl() => _rings = _driver.StartQueues(VirtioDriver.Version1 | MultiPort, 4);

    private void OfferInput(int number)
    {
        _rings[0].Describe(number, Buffers + ((ulong)number * 0x1000), 0x1000, DriverRing.Write);
        _rings[0].Offer((ushort)number);
        _driver.Notify(0);
    }

    private void OfferAnswer()
    {
        ushort slot = (ushort)(_rings[2].AvailableIndex % _rings[2].Size);
        _rings[2].Describe(slot, Buffers + 0x1_0000 + (slot * 8UL), 8, DriverRing.Write);
        _rings[2].Offer(slot);
        _driver.Notify(2);
    }

    /// <summary>Sends a control message and waits until the device has taken it.</summary>
    private void Tell(uint port, ushort what, ushort value)
    {
        Span<byte> message = _driver.Memory.Slice(Buffers + 0x2_0000, 8);
        BinaryPrimitives.WriteUInt32LittleEndian(message, port);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], what);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], value);
        int used = _rings[3].UsedIndex;
        _rings[3].Describe(0, Buffers + 0x2_0000, 8);
        _rings[3].Offer(0);
        _driver.Notify(3);
        VirtioDriver.WaitUntil(() => _rings[3].UsedIndex != used, "the message's buffer");
    }

    /// <summary>The device's message of a number, counted from zero.</summary>
    private (uint Port, ushort Event, ushort Value) Hear(int number)
    {
        OfferAnswer();
        VirtioDriver.WaitUntil(() => _rings[2].UsedIndex == number + 1, "a message");
        (uint head, uint length) = _rings[2].UsedEntry(number);
        Assert.Equal(8U, length);
        Span<byte> message = _driver.Memory.Slice(Buffers + 0x1_0000 + (head * 8), 8);
        return (
            BinaryPrimitives.ReadUInt32LittleEndian(message), BinaryPrimitives.ReadUInt16LittleEndian(message[4..]),
            BinaryPrimitives.ReadUInt16LittleEndian(message[6..]));
    }
}
