using Strata.Core.Input;
using Strata.Core.Time;
using Strata.Devices.Usb;
using Strata.Machines.Boards;

namespace Strata.Machines.Tests.Boards;

/// <summary>Keys go to the keyboard that somebody listens to.</summary>
public sealed class KeyboardChoiceTests : IKeyboard
{
    private const long Second = 1_000_000_000;

    private readonly ManualClock _clock = new();
    private readonly UsbKeyboard _usb = new();
    private readonly List<(KeyCode Key, bool Pressed)> _own = [];
    private readonly KeyboardChoice _choice;

    public KeyboardChoiceTests() => _choice = new KeyboardChoice(this, _usb, _clock);

    bool IKeyboard.IsIdle => true;

    KeyboardLamps IKeyboard.Lamps => KeyboardLamps.None;

    bool IKeyboard.Send(KeyCode key, bool pressed)
    {
        _own.Add((key, pressed));
        return true;
    }

    [Fact]
    public void Send_UsbNotSetUp_GoesToTheOwnOne()
    {
        _choice.Send(KeyCode.A, true);

        Assert.Equal([(KeyCode.A, true)], _own);
    }

    [Fact]
    public void Send_UsbSetUp_GoesThere()
    {
        SetUp();

        _choice.Send(KeyCode.A, true);

        Assert.Empty(_own);
        Assert.False(_choice.IsIdle);
    }

    [Fact]
    public void Send_UsbThatNobodyReads_IsTypedOnTheOwnOneAfterASecond()
    {
        SetUp();
        _choice.Send(KeyCode.A, true);
        _choice.Send(KeyCode.A, false);
        _clock.Advance(Second + 1);

        Assert.True(_choice.IsIdle);
        _choice.Send(KeyCode.B, true);

        Assert.Equal([(KeyCode.A, true), (KeyCode.A, false), (KeyCode.B, true)], _own);
        Assert.DoesNotContain((byte)4, _usb.SaveState().Current);
    }

    /// <summary>As a guest's driver does behind firmware that left the keyboard set up.</summary>
    private void SetUp()
    {
        UsbHidState state = _usb.SaveState();
        state.Configuration = 1;
        _usb.LoadState(state);
    }
}
