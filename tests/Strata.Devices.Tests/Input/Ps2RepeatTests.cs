using Strata.Core.Bus;
using Strata.Core.Input;
using Strata.Core.Time;
using Strata.Devices.Input;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Input;

/// <summary>
/// Keys that are held, and single keys of set 3. IBM PS/2 Hardware Interface Technical Reference, "Keyboard": Set Typematic Rate/Delay,
/// Set Key Type.
/// </summary>
public sealed class Ps2RepeatTests
{
    private const int A = 0x1E;
    private const int B = 0x30;
    private const long Millisecond = 1_000_000;

    private readonly ManualClock _clock = new();
    private readonly Ps2Controller8042 _controller;

    public Ps2RepeatTests()
    {
        _controller = new Ps2Controller8042(new RecordingControl(), new RecordingSink().Line(1), clock: _clock);
        SetConfig(0x45); // translated
    }

    [Fact]
    public void Hold_AtReset_RepeatsAfterHalfASecondElevenTimesASecond()
    {
        _controller.Hold(KeyCode.A);

        Assert.Equal([A], Advance(499));
        Assert.Equal([A], Advance(2));
        Assert.Empty(Advance(90));
        Assert.Equal([A], Advance(2));
    }

    [Theory]
    [InlineData(0x00, 250, 33)] // 30 a second
    [InlineData(0x7F, 1000, 500)] // 2 a second
    [InlineData(0x34, 500, 200)] // 5 a second
    public void Hold_RateSet_RepeatsWithIt(int rate, int delay, int period)
    {
        Command(0xF3, rate);
        _controller.Hold(KeyCode.A);

        Assert.Equal([A], Advance(delay - 1));
        Assert.Equal([A], Advance(2));
        Assert.Empty(Advance(period - 2));
        Assert.Equal([A], Advance(3));
    }

    [Fact]
    public void Hold_ReleasedOrAnotherKey_EndsTheRepetition()
    {
        _controller.Hold(KeyCode.A);
        _controller.Hold(KeyCode.B);
        Assert.Equal([A, B, B], Advance(550));

        _controller.Send(KeyCode.A, pressed: false);
        Assert.Equal([A | 0x80, B], Advance(91));
        _controller.Send(KeyCode.B, pressed: false);

        Assert.Equal([B | 0x80], Advance(2000));
    }

    [Fact]
    public void Hold_AgainWhileHeld_IsTheKeyboardsOwnAffair()
    {
        _controller.Hold(KeyCode.A);
        _controller.Hold(KeyCode.A);
        _controller.Hold(KeyCode.A);

        Assert.Equal([A], Drain());
    }

    [Fact]
    public void Hold_GuestTakesNothing_SendsNoMoreThanOnce()
    {
        _controller.Hold(KeyCode.A);
        _clock.Advance(5000 * Millisecond);

        Assert.Equal([A], Drain());
        Assert.Equal([A], Advance(92));
    }

    [Fact]
    public void Send_Pressed_DoesNotRepeat()
    {
        _controller.Send(KeyCode.A, pressed: true);

        Assert.Equal([A], Advance(5000));
    }

    [Fact]
    public void Hold_Pause_DoesNotRepeat()
    {
        _controller.Hold(KeyCode.Pause);
        Drain();

        Assert.Empty(Advance(5000));
    }

    [Fact]
    public void Hold_KeyboardReset_LetsGo()
    {
        _controller.Hold(KeyCode.A);
        Drain();

        _controller.Reset();

        Assert.Empty(Advance(5000));
    }

    [Theory]
    [InlineData(0xFD, 1, 0)] // make only
    [InlineData(0xFC, 1, 1)] // and break
    [InlineData(0xFB, 2, 0)] // repeats
    public void SingleKey_InSetThree_HasItsKind(int command, int makes, int breaks)
    {
        UseSetThree();
        Command(command, 0x1C, 0x32); // A and B
        Drain();

        Assert.Equal(Kind(0x1C, makes, breaks), HoldAndRelease(KeyCode.A));
        Assert.Equal(Kind(0x32, makes, breaks), HoldAndRelease(KeyCode.B));
        Assert.Equal(Kind(0x21, 2, 1), HoldAndRelease(KeyCode.C));
    }

    [Theory]
    [InlineData(0xF7, 2, 0)]
    [InlineData(0xF8, 1, 1)]
    [InlineData(0xF9, 1, 0)]
    [InlineData(0xFA, 2, 1)]
    public void AllKeys_InSetThree_HaveTheKind(int command, int makes, int breaks)
    {
        UseSetThree();
        Command(0xFD, 0x1C);
        Command(command);
        Drain();

        Assert.Equal(Kind(0x1C, makes, breaks), HoldAndRelease(KeyCode.A));
    }

    [Fact]
    public void SingleKey_DefaultsOrAnotherSet_AreNotConcerned()
    {
        Command(0xFD, 0x1C);
        Assert.Equal([A, A, A | 0x80], HoldAndRelease(KeyCode.A)); // set 2

        Command(0xF6);
        UseSetThree();
        Drain();

        Assert.Equal(Kind(0x1C, 2, 1), HoldAndRelease(KeyCode.A));
    }

    [Fact]
    public void SingleKey_SavedAndLoaded_KeepsItsKind()
    {
        UseSetThree();
        Command(0xFD, 0x1C);
        Drain();
        Ps2Controller8042State state = _controller.SaveState();
        _controller.Reset();

        _controller.LoadState(state);

        Assert.Equal(Kind(0x1C, 1, 0), HoldAndRelease(KeyCode.A));
    }

    private static int[] Kind(int code, int makes, int breaks) =>
        [.. Enumerable.Repeat(code, makes), .. Enumerable.Repeat(new[] { 0xF0, code }, breaks).SelectMany(bytes => bytes)];

    private void UseSetThree()
    {
        SetConfig(0x05);
        Command(0xF0, 3);
    }

    private int[] HoldAndRelease(KeyCode key)
    {
        Drain();
        _controller.Hold(key);
        List<int> bytes = Advance(550);
        _controller.Send(key, pressed: false);
        bytes.AddRange(Advance(1000));
        return [.. bytes];
    }

    private void Command(params ReadOnlySpan<int> bytes)
    {
        foreach (int value in bytes)
        {
            _controller.Out(0, value);
        }

        Drain();
    }

    private void SetConfig(int value)
    {
        _controller.Status.Out(0, 0x60);
        _controller.Out(0, value);
    }

    /// <summary>What the guest reads, looking each millisecond.</summary>
    private List<int> Advance(int milliseconds)
    {
        List<int> bytes = Drain();
        for (int i = 0; i < milliseconds; i++)
        {
            _clock.Advance(Millisecond);
            bytes.AddRange(Drain());
        }

        return bytes;
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
