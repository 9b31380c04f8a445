using Strata.Core.Time;
using Strata.Devices.Serial;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Serial;

/// <summary>What the host sends before the guest listens.</summary>
public sealed class Uart16550EarlyInputTests
{
    private const int Data = 0;
    private const int InterruptEnable = 1;
    private const int FifoControl = 2;
    private const int ModemControl = 4;
    private const int LineStatus = 5;
    private const int Out2 = 0x08;
    private const int Loopback = 0x10;

    private readonly ManualClock _clock = new();
    private readonly Uart16550 _uart;

    public Uart16550EarlyInputTests() => _uart = new Uart16550(new Backend([]), new RecordingSink().Line(4), _clock)
    {
        HoldsEarlyInput = true,
    };

    [Fact]
    public void Receive_BeforeDriverInitialises_IsKeptOverItsReset()
    {
        _uart.Receive("ab"u8);

        _uart.Out(FifoControl, 0x07);
        _uart.In(Data);
        _uart.Out(InterruptEnable, 0x05);
        Assert.Equal(0x60, _uart.In(LineStatus));
        _uart.Out(ModemControl, Out2);

        Assert.Equal(0x61, _uart.In(LineStatus));
        Assert.Equal("ab", Take(2));
    }

    [Fact]
    public void Receive_DuringLoopbackProbe_IsKept()
    {
        _uart.Receive("x"u8);

        _uart.Out(InterruptEnable, 0x0F);
        _uart.Out(ModemControl, Loopback | Out2);
        _uart.Out(FifoControl, 0x07);
        Assert.Equal(0x60, _uart.In(LineStatus));
        _uart.Out(ModemControl, Out2);

        Assert.Equal((byte)'x', _uart.In(Data));
    }

    [Fact]
    public void FifoReset_UnreadBytes_ComeAgainInOrder()
    {
        _uart.Out(ModemControl, Out2);
        _uart.Out(InterruptEnable, 0x05);
        _uart.Receive("abc"u8);

        _uart.Out(FifoControl, 0x07);

        Assert.Equal("abc", Take(3));
    }

    [Fact]
    public void Receive_GuestPollsWithoutInterrupts_GetsIt()
    {
        _uart.Receive("y"u8);

        int polls = 0;
        while ((_uart.In(LineStatus) & 1) == 0 && polls < 1000)
        {
            polls++;
        }

        Assert.InRange(polls, 1, 300);
        Assert.Equal((byte)'y', _uart.In(Data));
    }

    [Fact]
    public void Receive_GuestOnlyPrints_WaitsOn()
    {
        _uart.Receive("z"u8);

        for (int i = 0; i < 1000; i++)
        {
            _uart.In(LineStatus);
            _uart.Out(Data, '.');
        }

        Assert.Equal(0x60, _uart.In(LineStatus));
    }

    [Fact]
    public void Receive_GuestPrintsWithInterruptsEnabledButNoGate_GetsIt()
    {
        Uart16550 uart = new(new Backend([]), new RecordingSink().Line(4), _clock) { HoldsEarlyInput = true, RequiresOut2 = false };
        uart.Receive("w"u8);

        uart.Out(InterruptEnable, 0x0F);
        Assert.Equal(0x60, uart.In(LineStatus)); // a driver's look at whether the port is there
        uart.Out(Data, '.');

        Assert.Equal((byte)'w', uart.In(Data));
    }

    private string Take(int count)
    {
        string taken = string.Empty;
        for (; count > 0; count--)
        {
            taken += (char)_uart.In(Data);
            _clock.Advance(Uart16550.LineDelay);
        }

        return taken;
    }

    private sealed class Backend(List<byte> sent) : ISerialBackend
    {
        public void Write(ReadOnlySpan<byte> bytes) => sent.AddRange(bytes);
    }
}
