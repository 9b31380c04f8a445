using Strata.Core.Bus;
using Strata.Core.Input;
using Strata.Core.Memory;
using Strata.Devices.Chipset;
using Strata.Devices.Input;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Input;

/// <summary>Keys, lamps and the mouse. IBM PS/2 Hardware Interface Technical Reference, "Keyboard" and "Mouse".</summary>
public sealed class Ps2KeysTests : IDisposable
{
    private const int KeyboardPin = 1;
    private const int MousePin = 12;
    private const byte Translated = 0x47; // both interrupts
    private const byte Plain = 0x07;

    private readonly RecordingSink _interrupts = new();
    private readonly GuestMemory _ram = new(4 << 20);
    private readonly AddressSpace _memory = new();
    private readonly A20Gate _a20;
    private readonly Ps2Controller8042 _controller;

    public Ps2KeysTests()
    {
        RecordingControl control = new();
        _a20 = new A20Gate(_memory, control);
        _memory.MapRam(0, _ram, 0, _ram.Size);
        _controller = new Ps2Controller8042(control, _interrupts.Line(KeyboardPin), _interrupts.Line(MousePin), _a20);
        SetConfig(Translated);
    }

    [Theory]
    [InlineData(KeyCode.A, new[] { 0x1E, 0x9E })]
    [InlineData(KeyCode.Escape, new[] { 0x01, 0x81 })]
    [InlineData(KeyCode.F7, new[] { 0x41, 0xC1 })]
    [InlineData(KeyCode.Up, new[] { 0xE0, 0x48, 0xE0, 0xC8 })]
    [InlineData(KeyCode.ControlRight, new[] { 0xE0, 0x1D, 0xE0, 0x9D })]
    [InlineData(KeyCode.Pause, new[] { 0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5 })]
    public void Key_Translated_GivesSetOne(KeyCode key, int[] expected)
    {
        Tap(key);

        Assert.Equal(expected, Drain());
    }

    [Theory]
    [InlineData(1, new[] { 0x1E, 0x9E })]
    [InlineData(2, new[] { 0x1C, 0xF0, 0x1C })]
    [InlineData(3, new[] { 0x1C, 0xF0, 0x1C })]
    public void Key_NotTranslated_GivesTheChosenSet(int set, int[] expected)
    {
        SetConfig(Plain);
        _controller.Out(0, 0xF0);
        _controller.Out(0, set);
        Drain();

        Tap(KeyCode.A);

        Assert.Equal(expected, Drain());
    }

    [Fact]
    public void Key_EachOfThem_ComesBackFromItsCode()
    {
        foreach (KeyCode key in Enum.GetValues<KeyCode>().Where(key => key is not (KeyCode.None or KeyCode.Pause)))
        {
            _controller.Send(key, pressed: true);

            List<int> bytes = Drain();
            int code = bytes is [0xE0, var extended] ? extended | 0x80 : bytes.Single();
            Assert.Equal((int)key, code);
        }
    }

    [Fact]
    public void Send_BufferFull_SaysSoAndLosesTheWholeKey()
    {
        int taken = 0;
        while (_controller.Send(KeyCode.Up, pressed: true))
        {
            taken++;
        }

        List<int> bytes = Drain();

        Assert.InRange(taken, 4, 16);
        Assert.Equal(Enumerable.Repeat(new[] { 0xE0, 0x48 }, taken).SelectMany(code => code), bytes);
        Assert.True(_controller.IsIdle);
    }

    [Fact]
    public void Send_InterfaceOff_WaitsUntilItIsOn()
    {
        _controller.Status.Out(0, 0xAD);
        _controller.Send(KeyCode.A, pressed: true);
        Assert.Empty(Drain());
        Assert.False(_controller.IsIdle);

        _controller.Status.Out(0, 0xAE);

        Assert.Equal([0x1E], Drain());
    }

    [Fact]
    public void Lamps_CommandWithBits_Shine()
    {
        _controller.Out(0, 0xED);
        _controller.Out(0, 0x06);

        Assert.Equal(KeyboardLamps.NumLock | KeyboardLamps.CapsLock, _controller.Lamps);
    }

    [Fact]
    public void Key_Pressed_InterruptsTheKeyboardsPin()
    {
        _controller.Send(KeyCode.A, pressed: true);

        Assert.Equal([(KeyboardPin, true)], _interrupts.Levels);
    }

    [Fact]
    public void Mouse_NotEnabled_IsSilent()
    {
        _controller.Move(1, 2, 0, PointerButtons.Left);

        Assert.Empty(Drain());
    }

    [Fact]
    public void Mouse_Moved_SendsAPacketOfItsOwnInterrupt()
    {
        Mouse(0xF4);
        _interrupts.Levels.Clear();

        _controller.Move(5, 3, 1, PointerButtons.Right);

        Assert.Equal((MousePin, true), Assert.Single(_interrupts.Levels));
        Assert.Equal(0x21, _controller.Status.In(0) & 0x21);
        Assert.Equal([0x2A, 0x05, 0xFD], Drain()); // up is positive
    }

    [Fact]
    public void Mouse_MovedWhileAPacketWaits_AddsUp()
    {
        Mouse(0xF4);
        _controller.Move(1, 0, 0, PointerButtons.None);

        _controller.Move(300, 0, 0, PointerButtons.None);
        _controller.Move(-20, 0, 0, PointerButtons.None);

        Assert.Equal([0x08, 1, 0, 0x08, 255, 0, 0x08, 25, 0], Drain());
    }

    [Fact]
    public void Mouse_ThreeRates_TurnTheWheelOn()
    {
        Mouse(0xF3, 200, 0xF3, 100, 0xF3, 80);
        Assert.Equal([0xFA, 3], Mouse(0xF2));
        Mouse(0xF4);

        _controller.Move(0, 0, -2, PointerButtons.None);

        Assert.Equal([0x08, 0, 0, 0xFE], Drain());
    }

    [Fact]
    public void Mouse_Reset_AnswersAndForgets()
    {
        Mouse(0xF3, 200, 0xF3, 100, 0xF3, 80);

        Assert.Equal([0xFA, 0xAA, 0], Mouse(0xFF));
        Assert.Equal([0xFA, 0], Mouse(0xF2));
    }

    [Fact]
    public void Mouse_InterfaceTest_IsFine()
    {
        _controller.Status.Out(0, 0xA9);

        Assert.Equal([0], Drain());
    }

    [Theory]
    [InlineData(0xD1, 0x01)]
    [InlineData(0xDD, null)]
    public void A20_ByTheOutputPort_Closes(int command, int? data)
    {
        _ram.Slice(0, 1)[0] = 1;
        _controller.Status.Out(0, command);
        if (data is { } value)
        {
            _controller.Out(0, value);
        }

        Assert.Equal(1UL, _memory.Read(0x100000, AccessWidth.Byte));
    }

    [Fact]
    public void Ports_RandomUse_NeverThrowsAndAnswersAfterwards()
    {
        Random random = new(13);
        for (int i = 0; i < 200_000; i++)
        {
            switch (random.Next(5))
            {
                case 0:
                    _controller.Out(0, random.Next(256));
                    break;
                case 1:
                    _controller.Status.Out(0, random.Next(256));
                    break;
                case 2:
                    _controller.Send((KeyCode)random.Next(256), random.Next(2) == 0);
                    break;
                case 3:
                    _controller.Move(
                        random.Next(-3000, 3000), random.Next(-3000, 3000), random.Next(-99, 99), (PointerButtons)random.Next(256));
                    break;
                default:
                    _controller.In(0);
                    break;
            }
        }

        _controller.Reset();
        _controller.Status.Out(0, 0xAA);
        Assert.Equal([0x55], Drain());
    }

    public void Dispose() => _ram.Dispose();

    private void SetConfig(byte config)
    {
        _controller.Status.Out(0, 0x60);
        _controller.Out(0, config);
    }

    private void Tap(KeyCode key)
    {
        _controller.Send(key, pressed: true);
        _controller.Send(key, pressed: false);
    }

    private List<int> Mouse(params int[] bytes)
    {
        Drain();
        foreach (int value in bytes)
        {
            _controller.Status.Out(0, 0xD4);
            _controller.Out(0, value);
        }

        return Drain();
    }

    private List<int> Drain()
    {
        List<int> bytes = [];
        while ((_controller.Status.In(0) & 1) != 0)
        {
            bytes.Add(_controller.In(0));
        }

        return bytes;
    }
}
