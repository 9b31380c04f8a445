using Strata.Core.Bus;
using Strata.Devices.Input;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Input;

/// <summary>IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller" and "Keyboard".</summary>
public sealed class Ps2Controller8042Tests
{
    private readonly RecordingControl _control = new();
    private readonly RecordingSink _interrupts = new();
    private readonly Strata.Core.Interrupts.InterruptLine _line;
    private readonly Ps2Controller8042 _keyboard;
    private readonly IPortDevice _status;

    public Ps2Controller8042Tests()
    {
        _line = _interrupts.Line(1);
        _keyboard = new Ps2Controller8042(_control, _line);
        _status = _keyboard.Status;
    }

    [Theory]
    [InlineData(0xFE)]
    [InlineData(0xF0)]
    [InlineData(0xF6)]
    public void Pulse_OutputBitZero_ResetsTheMachine(int command)
    {
        _status.Out(0, command);

        Assert.Equal(["reset"], _control.Requests);
    }

    [Theory]
    [InlineData(0xFF)]
    [InlineData(0xF1)]
    [InlineData(0xFD)]
    public void Pulse_OtherBits_DoNotReset(int command)
    {
        _status.Out(0, command);

        Assert.Empty(_control.Requests);
    }

    [Fact]
    public void WriteOutputPort_BitZeroLow_ResetsTheMachine()
    {
        _status.Out(0, 0xD1);
        _keyboard.Out(0, 0xDF);
        Assert.Empty(_control.Requests);

        _status.Out(0, 0xD1);
        _keyboard.Out(0, 0xDE);

        Assert.Equal(["reset"], _control.Requests);
    }

    [Fact]
    public void SelfTest_Command_AnswersFiftyFive()
    {
        _status.Out(0, 0xAA);

        Assert.Equal([0x55], Drain());
    }

    [Fact]
    public void InterfaceTest_Keyboard_IsFine()
    {
        _status.Out(0, 0xAB);

        Assert.Equal([0x00], Drain());
    }

    [Fact]
    public void InterfaceTest_NoMouse_IsNotFine()
    {
        _status.Out(0, 0xA9);

        Assert.NotEqual(0x00, Assert.Single(Drain()));
    }

    [Fact]
    public void CommandByte_Write_ReadsBack()
    {
        _status.Out(0, 0x60);
        _keyboard.Out(0, 0x45);
        _status.Out(0, 0x20);

        Assert.Equal([0x45], Drain());
    }

    [Fact]
    public void CommandByte_DisableCommands_SetTheirBits()
    {
        _status.Out(0, 0xAD);
        _status.Out(0, 0xA7);
        _status.Out(0, 0x20);
        Assert.Equal(0x30, Assert.Single(Drain()) & 0x30);

        _status.Out(0, 0xAE);
        _status.Out(0, 0xA8);
        _status.Out(0, 0x20);
        Assert.Equal(0x00, Assert.Single(Drain()) & 0x30);
    }

    [Fact]
    public void OutputPort_Write_ReadsBack()
    {
        _status.Out(0, 0xD1);
        _keyboard.Out(0, 0x03);
        _status.Out(0, 0xD0);

        Assert.Equal(0x03, Assert.Single(Drain()) & 0x03);
    }

    [Fact]
    public void WriteKeyboardOutput_Byte_ComesBackAsIfTyped()
    {
        _status.Out(0, 0xD2);
        _keyboard.Out(0, 0x9C);

        Assert.Equal([0x9C], Drain());
    }

    [Fact]
    public void Status_LastWrite_ShowsInTheCommandFlag()
    {
        _status.Out(0, 0xAE);
        Assert.Equal(0x08, _status.In(0) & 0x08);

        _keyboard.Out(0, 0xF4);
        Assert.Equal(0x00, _status.In(0) & 0x08);
    }

    [Theory]
    [InlineData(0xFF, new[] { 0xFA, 0xAA })]
    [InlineData(0xF4, new[] { 0xFA })]
    [InlineData(0xF5, new[] { 0xFA })]
    [InlineData(0xEE, new[] { 0xEE })]
    public void Keyboard_Command_Answers(int command, int[] answer)
    {
        _keyboard.Out(0, command);

        Assert.Equal(answer, Drain());
    }

    [Theory]
    [InlineData(0xED)]
    [InlineData(0xF3)]
    public void Keyboard_CommandWithParameter_AcknowledgesBoth(int command)
    {
        _keyboard.Out(0, command);
        _keyboard.Out(0, 0x02);

        Assert.Equal([0xFA, 0xFA], Drain());
    }

    [Fact]
    public void Keyboard_GetScanSet_AnswersTwo()
    {
        _keyboard.Out(0, 0xF0);
        _keyboard.Out(0, 0);

        Assert.Equal([0xFA, 0xFA, 0x02], Drain());
    }

    [Fact]
    public void Interrupt_TwoBytes_EachIsAnEdge()
    {
        _keyboard.Out(0, 0xFF);
        Assert.True(_line.IsHigh);

        _keyboard.In(0);
        Assert.Equal(2, _interrupts.RisingEdges);
        _keyboard.In(0);

        Assert.False(_line.IsHigh);
    }

    [Fact]
    public void Interrupt_Disabled_StaysLow()
    {
        _status.Out(0, 0x60);
        _keyboard.Out(0, 0x00);

        _keyboard.Out(0, 0xFF);

        Assert.Empty(_interrupts.Levels);
        Assert.Equal([0xFA, 0xAA], Drain());
    }

    [Fact]
    public void Output_NeverRead_StaysBounded()
    {
        for (int i = 0; i < 10_000; i++)
        {
            _keyboard.Out(0, 0xFF);
        }

        Assert.InRange(Drain().Count, 1, 16);
    }

    [Fact]
    public void Ports_RandomWrites_NeverThrow()
    {
        Random random = new(8042);
        for (int i = 0; i < 100_000; i++)
        {
            _keyboard.Out(0, random.Next(256));
            _status.Out(0, random.Next(256));
            _keyboard.In(0);
        }

        Drain();
        _status.Out(0, 0xAA);
        Assert.Equal([0x55], Drain());
    }

    private List<int> Drain()
    {
        List<int> bytes = [];
        while ((_status.In(0) & 1) != 0)
        {
            bytes.Add(_keyboard.In(0));
        }

        return bytes;
    }
}
