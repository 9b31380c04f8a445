using Strata.Core.Bus;
using Strata.Core.Time;
using Strata.Devices.Serial;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Serial;

/// <summary>National Semiconductor PC16550D data sheet, "Registers" and "FIFO Interrupt Mode Operation".</summary>
public sealed class Uart16550Tests
{
    private const int Data = 0;
    private const int InterruptEnable = 1;
    private const int Identification = 2;
    private const int FifoControl = 2;
    private const int LineControl = 3;
    private const int ModemControl = 4;
    private const int LineStatus = 5;
    private const int ModemStatus = 6;
    private const int Out2 = 0x08;
    private const int Loopback = 0x10;

    private readonly ManualClock _clock = new();
    private readonly List<byte> _sent = [];
    private readonly RecordingSink _interrupts = new();
    private readonly Strata.Core.Interrupts.InterruptLine _line;
    private readonly Uart16550 _uart;

    public Uart16550Tests()
    {
        _line = _interrupts.Line(4);
        _uart = new Uart16550(new Backend(_sent), _line, _clock);
    }

    [Fact]
    public void Reset_Registers_ShowAnIdleTransmitter()
    {
        Assert.Equal(0x60, _uart.In(LineStatus));
        Assert.Equal(0x01, _uart.In(Identification));
        Assert.Equal(0, _uart.In(InterruptEnable));
        Assert.False(_line.IsHigh);
    }

    [Fact]
    public void Transmit_Bytes_ReachTheBackendInOrder()
    {
        _uart.Out(Data, 'O');
        _uart.Out(Data, 'K');

        Assert.Equal("OK"u8.ToArray(), _sent);
        Assert.Equal(0x60, _uart.In(LineStatus) & 0x60);
    }

    [Fact]
    public void DivisorLatch_Set_HidesDataAndInterruptEnable()
    {
        _uart.Out(InterruptEnable, 0x05);
        _uart.Out(LineControl, 0x83);
        _uart.Out(Data, 0x34);
        _uart.Out(InterruptEnable, 0x12);
        Assert.Equal((0x34, 0x12), (_uart.In(Data), _uart.In(InterruptEnable)));

        _uart.Out(LineControl, 0x03);

        Assert.Empty(_sent);
        Assert.Equal(0x05, _uart.In(InterruptEnable));
        Assert.Equal(0x03, _uart.In(LineControl));
    }

    [Fact]
    public void InterruptEnable_HighBits_ReadZero()
    {
        _uart.Out(InterruptEnable, 0xFF);

        Assert.Equal(0x0F, _uart.In(InterruptEnable));
    }

    [Fact]
    public void Scratch_Byte_ReadsBack()
    {
        _uart.Out(7, 0xA5);

        Assert.Equal(0xA5, _uart.In(7));
    }

    [Fact]
    public void Fifo_Enable_ShowsInIdentification()
    {
        _uart.Out(FifoControl, 0x01);
        Assert.Equal(0xC1, _uart.In(Identification));

        _uart.Out(FifoControl, 0x00);
        Assert.Equal(0x01, _uart.In(Identification));
    }

    [Fact]
    public void Receive_MoreThanTheFifo_KeepsOrderAndNeverOverruns()
    {
        _uart.Out(FifoControl, 0x01);
        byte[] sent = [.. Enumerable.Range(0, 200).Select(i => (byte)i)];

        Assert.Equal(200, _uart.Receive(sent));

        List<byte> got = [];
        while ((_uart.In(LineStatus) & 1) != 0)
        {
            Assert.Equal(0, _uart.In(LineStatus) & 2);
            got.Add(_uart.In(Data));
            PassTime();
        }

        Assert.Equal(sent, got);
    }

    [Fact]
    public void Receive_MoreThanTheBacklog_IsRefused()
    {
        int taken = 0;
        for (int i = 0; i < 10; i++)
        {
            taken += _uart.Receive(new byte[10_000]);
        }

        Assert.InRange(taken, Uart16550.BacklogLimit, Uart16550.BacklogLimit + 16);
        Assert.Equal(0, _uart.Receive([1]));
    }

    [Fact]
    public void ReceiveInterrupt_Enabled_LastsUntilTheDataIsRead()
    {
        _uart.Out(ModemControl, Out2);
        _uart.Out(InterruptEnable, 1);
        _uart.Receive("ab"u8);

        Assert.True(_line.IsHigh);
        Assert.Equal(0x04, _uart.In(Identification) & 0x0F);
        _uart.In(Data);
        Assert.False(_line.IsHigh);
        PassTime();
        Assert.True(_line.IsHigh);
        _uart.In(Data);
        PassTime();
        Assert.False(_line.IsHigh);
        Assert.Equal(0x01, _uart.In(Identification) & 0x0F);
    }

    /// <summary>An edge-triggered input needs an edge for each lot of bytes, and a driver's loop over what is there an end.</summary>
    [Theory]
    [InlineData(0x01)]
    [InlineData(0x81)]
    [InlineData(0xC1)]
    [InlineData(0x00)]
    public void Receive_MoreThanAnyDriverTakesAtOnce_EveryLotHasAnEdge(int fifo)
    {
        _uart.Out(FifoControl, fifo);
        _uart.Out(ModemControl, Out2);
        _uart.Out(InterruptEnable, 1);
        byte[] sent = [.. Enumerable.Range(0, 3_000).Select(i => (byte)(i / 7))];
        Assert.Equal(sent.Length, _uart.Receive(sent));
        List<byte> got = [];
        int largest = 0;

        for (int lots = 1; got.Count < sent.Length; lots++)
        {
            Assert.Equal(lots, _interrupts.RisingEdges);
            int before = got.Count;
            while ((_uart.In(LineStatus) & 1) != 0)
            {
                got.Add(_uart.In(Data));
            }

            largest = Math.Max(largest, got.Count - before);
            Assert.False(_line.IsHigh);
            PassTime();
        }

        Assert.Equal(sent, got);
        Assert.Equal(fifo == 0 ? 1 : 16, largest);
    }

    /// <summary>"RCVR FIFO Timeout Interrupt": below the trigger level a byte that waits interrupts again, after a while.</summary>
    [Fact]
    public void Receive_DriverTakesOneByteAnInterrupt_GetsAnEdgeForEach()
    {
        _uart.Out(FifoControl, 0xC1);
        _uart.Out(ModemControl, Out2);
        _uart.Out(InterruptEnable, 1);
        _uart.Receive("abc"u8);

        foreach (char expected in "abc")
        {
            Assert.True(_line.IsHigh);
            Assert.Equal(0xCC, _uart.In(Identification));
            Assert.Equal(expected, (char)_uart.In(Data));
            Assert.False(_line.IsHigh);
            PassTime();
        }

        Assert.False(_line.IsHigh);
        Assert.Equal(3, _interrupts.RisingEdges);
    }

    [Theory]
    [InlineData(0x01, 1)]
    [InlineData(0x41, 4)]
    [InlineData(0x81, 8)]
    [InlineData(0xC1, 14)]
    public void Receive_TriggerLevel_TellsDataFromTimeout(int fifo, int level)
    {
        _uart.Out(FifoControl, fifo);
        _uart.Out(InterruptEnable, 1);
        _uart.Receive(new byte[level]);

        Assert.Equal(0xC4, _uart.In(Identification));
        _uart.In(Data);
        PassTime();
        Assert.Equal(level == 1 ? 0xC1 : 0xCC, _uart.In(Identification));
    }

    [Fact]
    public void FifoReset_FullBacklog_RefusesMoreWithoutACountBelowZero()
    {
        Uart16550 uart = new(new Backend(_sent), _line, _clock) { HoldsEarlyInput = true };
        uart.Out(FifoControl, 1);
        uart.Out(ModemControl, Out2);
        uart.Out(InterruptEnable, 1);
        uart.Receive(new byte[16]);
        Assert.Equal(Uart16550.BacklogLimit, uart.Receive(new byte[2 * Uart16550.BacklogLimit]));
        uart.Out(InterruptEnable, 0);
        uart.Out(ModemControl, 0);

        uart.Out(FifoControl, 3); // the FIFO's bytes go in front of the others

        Assert.Equal(0, uart.Receive([1]));
    }

    [Fact]
    public void TransmitInterrupt_Enabled_ComesAtOnceAndIsClearedByIdentification()
    {
        _uart.Out(ModemControl, Out2);
        _uart.Out(InterruptEnable, 2);
        Assert.True(_line.IsHigh);

        Assert.Equal(0x02, _uart.In(Identification));
        Assert.False(_line.IsHigh);

        _uart.Out(Data, 'x');
        Assert.True(_line.IsHigh);
    }

    [Fact]
    public void Identification_TwoCauses_ReceiveFirst()
    {
        _uart.Out(InterruptEnable, 3);
        _uart.Receive("a"u8);

        Assert.Equal(0x04, _uart.In(Identification));
        Assert.Equal(0x04, _uart.In(Identification));
        _uart.In(Data);
        Assert.Equal(0x02, _uart.In(Identification));
        Assert.Equal(0x01, _uart.In(Identification));
    }

    [Fact]
    public void Out2_Clear_KeepsTheLineLow()
    {
        _uart.Out(InterruptEnable, 3);
        _uart.Receive("a"u8);
        Assert.False(_line.IsHigh);

        _uart.Out(ModemControl, Out2);
        Assert.True(_line.IsHigh);

        _uart.Out(ModemControl, 0);
        Assert.False(_line.IsHigh);
    }

    [Fact]
    public void Out2_ClearOnAPortWithoutTheGate_LetsInterruptsThrough()
    {
        Uart16550 uart = new(new Backend(_sent), _line, _clock) { RequiresOut2 = false };
        uart.Out(InterruptEnable, 1);

        uart.Receive("a"u8);
        Assert.True(_line.IsHigh);

        uart.Out(ModemControl, Loopback);
        Assert.False(_line.IsHigh);
    }

    [Fact]
    public void Loopback_Data_ComesBackAndDoesNotLeave()
    {
        _uart.Out(ModemControl, Loopback);
        _uart.Out(Data, 0x5A);

        Assert.Equal(0x61, _uart.In(LineStatus));
        Assert.Equal(0x5A, _uart.In(Data));
        Assert.Empty(_sent);
    }

    [Theory]
    [InlineData(0x01, 0x20)]
    [InlineData(0x02, 0x10)]
    [InlineData(0x04, 0x40)]
    [InlineData(0x08, 0x80)]
    [InlineData(0x0F, 0xF0)]
    [InlineData(0x00, 0x00)]
    public void Loopback_ModemOutputs_AppearAsInputs(int outputs, int inputs)
    {
        _uart.Out(ModemControl, Loopback | outputs);

        Assert.Equal(inputs, _uart.In(ModemStatus) & 0xF0);
    }

    [Fact]
    public void Loopback_FullFifo_OverrunsOnceAndKeepsTheOldBytes()
    {
        _uart.Out(FifoControl, 1);
        _uart.Out(ModemControl, Loopback);
        for (int i = 0; i < 17; i++)
        {
            _uart.Out(Data, i);
        }

        Assert.Equal(0x63, _uart.In(LineStatus));
        Assert.Equal(0x61, _uart.In(LineStatus));
        Assert.Equal(Enumerable.Range(0, 16), Enumerable.Range(0, 16).Select(_ => (int)_uart.In(Data)));
        Assert.Equal(0x60, _uart.In(LineStatus));
    }

    /// <summary>
    /// "... was not read by the CPU before the next character was transferred into the RBR, thereby destroying the previous character."
    /// </summary>
    [Fact]
    public void Loopback_OverrunWithoutFifo_KeepsTheNewByte()
    {
        _uart.Out(ModemControl, Loopback);
        _uart.Out(Data, 1);
        _uart.Out(Data, 2);

        Assert.Equal(0x63, _uart.In(LineStatus));
        Assert.Equal(2, _uart.In(Data));
    }

    [Fact]
    public void Overrun_LineStatusInterrupt_HasTheHighestPriority()
    {
        _uart.Out(ModemControl, Loopback);
        _uart.Out(InterruptEnable, 0x07);
        _uart.Out(Data, 1);
        _uart.Out(Data, 2);

        Assert.Equal(0x06, _uart.In(Identification));
        _uart.In(LineStatus);
        Assert.Equal(0x04, _uart.In(Identification));
    }

    [Fact]
    public void Loopback_HostInput_WaitsAndArrivesAfterwards()
    {
        _uart.Out(ModemControl, Loopback);
        _uart.Receive("z"u8);
        Assert.Equal(0, _uart.In(LineStatus) & 1);

        _uart.Out(ModemControl, 0);

        Assert.Equal(1, _uart.In(LineStatus) & 1);
        Assert.Equal((byte)'z', _uart.In(Data));
    }

    [Fact]
    public void FifoControl_ReceiverReset_DropsWhatTheFifoHolds()
    {
        _uart.Out(FifoControl, 1);
        _uart.Receive("abc"u8);

        _uart.Out(FifoControl, 3);

        Assert.Equal(0, _uart.In(LineStatus) & 1);
    }

    [Fact]
    public void ModemStatus_Connected_ShowsCarrierReadyAndClear()
    {
        Assert.Equal(0xB0, _uart.In(ModemStatus));
    }

    [Fact]
    public void Ports_RandomAccess_NeverThrows()
    {
        Random random = new(16550);
        for (int i = 0; i < 200_000; i++)
        {
            _uart.WritePort((ushort)random.Next(8), (AccessWidth)(1 << random.Next(3)), (uint)random.Next());
            _uart.ReadPort((ushort)random.Next(8), AccessWidth.Byte);
            _uart.Receive([(byte)i]);
            _clock.Advance(random.Next(2) * Uart16550.LineDelay);
        }

        _uart.Out(ModemControl, 0);
        _uart.Out(LineControl, 3);
        _sent.Clear();
        _uart.Out(Data, 'x');
        Assert.Equal("x"u8.ToArray(), _sent);
    }

    /// <summary>As long as the line takes.</summary>
    private void PassTime() => _clock.Advance(Uart16550.LineDelay);

    private sealed class Backend(List<byte> sent) : ISerialBackend
    {
        public void Write(ReadOnlySpan<byte> bytes) => sent.AddRange(bytes);
    }
}
